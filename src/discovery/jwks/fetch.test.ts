import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { discoverKeySet, fetchKeySet, type Locate } from './fetch.ts';

const KEYS = '{"keys":[]}';

const BODIES: Readonly<Record<string, string>> = {
  '/keys': KEYS,
  '/text': 'none',
  '/large': `{"keys":[],"x":"${'x'.repeat(1 << 20)}"}`,
  '/.well-known/openid-configuration': '{"jwks_uri":"http://issuer.example/keys"}',
  '/other/.well-known/openid-configuration': '{}',
};

async function serve(t: { after(fn: () => void): void }) {
  const hosts: string[] = [];
  const server = http.createServer((request, response) => {
    hosts.push(request.headers.host ?? '');
    const { url = '' } = request;
    if (url === '/moved') response.writeHead(302, { location: '/keys' });
    if (url === '/round') response.writeHead(302, { location: '/round' });
    if (!(url in BODIES) && !response.headersSent) response.writeHead(404);
    response.end(BODIES[url]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const locate: Locate = (host, wanted) =>
    host === 'issuer.example' && wanted === 80 ? { address: '127.0.0.1', port } : undefined;
  return { hosts, locate, base: `http://127.0.0.1:${port}` };
}

test('a key set, where DNS or the mesh says, and over a redirect', async (t) => {
  const { hosts, locate, base } = await serve(t);
  assert.equal(await fetchKeySet(`${base}/keys`, locate), KEYS);
  assert.equal(await fetchKeySet(`${base}/moved`, locate), KEYS);
  assert.equal(await fetchKeySet('http://issuer.example/keys', locate), KEYS);
  assert.equal(hosts.at(-1), 'issuer.example');
  assert.equal(await discoverKeySet('http://issuer.example/', locate), 'http://issuer.example/keys');
});

test('what is no key set is told in one clause', async (t) => {
  const { locate, base } = await serve(t);
  const table: readonly (readonly [string, string])[] = [
    ['/text', `${base}/text is not a key set`],
    ['/gone', `${base}/gone: answers 404`],
    ['/large', `${base}/large: is larger than 1048576 bytes`],
    ['/round', `${base}/round redirects more than 5 times`],
  ];
  for (const [path, message] of table) await assert.rejects(fetchKeySet(base + path, locate), { message });
  await assert.rejects(fetchKeySet('ftp://a/', locate), { message: 'ftp://a/ is not a URL of HTTP or HTTPS' });
  await assert.rejects(discoverKeySet('http://issuer.example/other', locate), {
    message: 'http://issuer.example/other/.well-known/openid-configuration has no jwks_uri',
  });
});
