import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TestedMesh } from '../support/local-mesh.ts';
import { type TestCertificate, TestPki } from '../support/pki.ts';
import { scratch, until } from '../support/reference.ts';

/** One program, in plain text on one port and with TLS of its own on another. */
const PROGRAM = `
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
const { HOST, ISTHMUS_POD_ROOT } = process.env;
const read = (name) => fs.readFileSync(ISTHMUS_POD_ROOT + '/etc/own/' + name);
http.createServer((_, response) => response.end('plain')).listen(3000, HOST);
https.createServer({ key: read('key'), cert: read('cert') }, (_, response) => response.end('over TLS')).listen(3443, HOST);
`;

const route = (name: string, port: string, tls: object) => ({
  apiVersion: 'route.openshift.io/v1',
  kind: 'Route',
  metadata: { name },
  spec: { host: `${name}.example`, to: { kind: 'Service', name: 'web' }, port: { targetPort: port }, tls },
});

/**
 * A service with a sidecar, and Routes to its ports that terminate TLS, and that encrypt anew for the program's own: two
 * to the same port, each under an authority of its own.
 */
function meshOf(
  edge: TestCertificate,
  renewed: TestCertificate,
  own: TestCertificate,
  authorities: readonly [anew: string, twin: string],
): string {
  const ports = [
    { name: 'http', port: 80, targetPort: 3000 },
    { name: 'https', port: 443, targetPort: 3443 },
  ];
  const mount = { name: 'own', mountPath: '/etc/own' };
  const container = { name: 'web', command: ['node', 'web.mjs'], volumeMounts: [mount] };
  const reencrypt = { termination: 'reencrypt', certificate: renewed.cert, key: renewed.key };
  const labels = { app: 'web' };
  const objects = [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'own' }, stringData: { ...own } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { selector: labels, ports } },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels },
      spec: {
        containers: [{ ...container, ports: ports.map(({ targetPort }) => ({ containerPort: targetPort })) }],
        volumes: [{ name: 'own', secret: { secretName: 'own' } }],
      },
    },
    route('edge', 'http', { termination: 'edge', certificate: edge.cert, key: edge.key }),
    route('anew', 'https', { ...reencrypt, destinationCACertificate: authorities[0] }),
    route('twin', 'https', { ...reencrypt, destinationCACertificate: authorities[1] }),
  ];
  return objects.map((object) => JSON.stringify(object)).join('\n---\n');
}

test('OpenShift Routes: TLS ends at the gateway, or goes on to the program under an authority of its own', async (t) => {
  const folder = scratch(t);
  const outer = await TestPki.make(path.join(folder, 'outer'));
  const inner = await TestPki.make(path.join(folder, 'inner'));
  const edge = await outer.issue({ dnsNames: ['edge.example'] });
  const renewed = await outer.issue({ dnsNames: ['anew.example', 'twin.example'] });
  // OpenShift's router asks for the authority that a Route names, and for no name.
  const own = await inner.issue({ dnsNames: ['program.internal'] });
  const yaml = (...roots: [string, string]) => ({ 'web.mjs': PROGRAM, 'mesh.yaml': meshOf(edge, renewed, own, roots) });
  const mesh = await TestedMesh.start(t, yaml(inner.roots, outer.roots));
  const [ip, port] = mesh.gateway(443).split(':');
  const get = async (host: string) => {
    const resolve = ['--resolve', `${host}:${port}:${ip}`, '-w', ' %{http_code}'];
    return (await mesh.curl(['-k', ...resolve, `https://${host}:${port}/`])).stdout;
  };
  assert.equal(await get('edge.example'), 'plain 200');
  assert.equal(await get('anew.example'), 'over TLS 200');
  assert.match(await get('twin.example'), / 503$/, 'another authority is no good');
  assert.equal(await get('anew.example'), 'over TLS 200', 'whatever the other Route has met');

  fs.writeFileSync(path.join(mesh.dir, 'mesh.yaml'), yaml(outer.roots, inner.roots)['mesh.yaml']);
  await until('the authorities are changed', async () => (await get('anew.example')).endsWith(' 503') || undefined);
  await until('each for its own Route', async () => (await get('twin.example')) === 'over TLS 200' || undefined);
  assert.equal(await get('edge.example'), 'plain 200', 'what that leaves alone');
});
