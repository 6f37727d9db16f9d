import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { echo, type Twin, twinProxies } from '../support/twin-proxies.ts';

type End = 'fin' | 'reset';

/** Asks for the paths one after the other and leaves: after the last answer, or where there is none, once it was asked. */
async function visit(twin: Twin, paths: readonly string[], end: End): Promise<void> {
  const socket = net.connect({ host: '127.0.0.1', port: twin.env.port('main'), allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  const backend = twin.backends.get('backend')!;
  for (const path of paths) {
    backend.take();
    received = '';
    socket.write(`GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`);
    const isAnswered = () => (path.startsWith('/never') ? backend.requests.length > 0 : received.includes('\r\n\r\n'));
    await until(`${twin.program}: ${path}`, () => isAnswered() || undefined);
  }
  if (end === 'reset') socket.resetAndDestroy();
  else socket.end();
}

/** How connections and requests ended, by statistics that are not 0. */
async function ends(twin: Twin): Promise<string[]> {
  const filter = '^(http.main.downstream|cluster.backend.upstream)_(cx_(destroy|active|protocol_error)|rq_.*reset)';
  const text = await twin.admin(`/stats?filter=${encodeURIComponent(filter)}`);
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(': 0'))
    .sort();
}

test('a client that leaves ends its requests as with Envoy', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    backends: () => ({ backend: (request) => (request.startLine.includes('/never') ? '' : echo(request)) }),
    bootstrap: (env) => ({
      static_resources: {
        listeners: [httpListener('main', { port: env.port('main'), log: env.log('main') })],
        clusters: [cluster('backend', env.backend('backend'))],
      },
    }),
  });
  const visits: readonly (readonly [readonly string[], End, number])[] = [
    [[], 'fin', 0],
    [['/'], 'fin', 1],
    [['/never'], 'fin', 1],
    [['/', '/never'], 'fin', 2],
    [['/'], 'reset', 1],
    [['/never'], 'reset', 1],
  ];
  let destroyed = 0;
  for (const [paths, end, lines] of visits) {
    destroyed++;
    const gone = `http.main.downstream_cx_destroy: ${destroyed}`;
    const [envoy, isthmus] = await Promise.all(
      [twins.envoy, twins.isthmus].map(async (twin) => {
        await visit(twin, paths, end);
        await until(`${twin.program}: ${gone}`, async () => (await ends(twin)).includes(gone) || undefined);
        return lines > 0 ? await twin.logLines('main', lines) : [];
      }),
    );
    const name = `${paths.join(', then ')} ${end}`;
    assert.deepEqual(isthmus, envoy, name);
    const expected = await ends(twins.envoy);
    // An upstream connection may go an event later than its request.
    await until(name, async () => isDeepStrictEqual(await ends(twins.isthmus), expected), 3000).catch(() => {});
    assert.deepEqual(await ends(twins.isthmus), expected, name);
    if (paths.includes('/never')) assert.match(envoy!.at(-1)!, /^0 downstream_remote_disconnect DC/);
  }
});
