import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, httpListener } from '../support/envoy-config.ts';
import { withoutReference } from '../support/reference.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Answers every piece in capitals; greets, so that a server that speaks first is seen; ends when it is told to quit. */
async function shouter(t: { after(fn: () => void): void }): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.write('hello\n');
    socket.on('data', (data: Buffer) => {
      const text = data.toString('latin1');
      if (text === 'quit\n') socket.end('bye\n');
      else socket.write(text.toUpperCase());
    });
    socket.on('error', () => {});
  });
  t.after(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

const connect = (authority: string, upgrade: JsonObject, route: string): JsonObject => ({
  match: { connect_matcher: {}, headers: [{ name: ':authority', string_match: { exact: authority } }] },
  route: { cluster: route, upgrade_configs: [{ upgrade_type: 'CONNECT', ...upgrade }] },
});

/** Sends a request, and what follows once the answer has begun; resolves with all that came back. */
function tunnel(port: number, authority: string, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    let next = 0;
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    socket.on('data', (data: Buffer) => {
      received += data.toString('latin1');
      if (!received.startsWith('HTTP/1.1 200')) return;
      // Each piece waits for the answer to the one before, so that none depends on how bytes are cut.
      const answered = received.split('\n').length - received.split('\r\n').length;
      if (answered <= next) return;
      if (next < pieces.length) socket.write(pieces[next++]!);
    });
    socket.on('end', () => socket.end());
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    socket.setTimeout(20_000, () => {
      reject(new Error(`no end after ${JSON.stringify(received)}`));
      socket.destroy();
    });
  });
}

function steady(text: string): string {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [first, ...headers] = head.replace(/^date: .*$/im, 'date: D').split('\r\n');
  return [first, ...headers.sort(), '', ...rest].join('\n');
}

test('CONNECT that ends at the proxy, as Envoy ends it', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: ['main'],
    servers: { shouter },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          httpListener('main', {
            port: env.port('main'),
            log: env.log('main'),
            manager: { upgrade_configs: [{ upgrade_type: 'CONNECT' }], delayed_close_timeout: '0.05s' },
            logFormat: '%UPSTREAM_CLUSTER%',
            routes: [
              connect('tunnel.test:80', { connect_config: {} }, 'shouter'),
              connect('down.test:80', { connect_config: {} }, 'down'),
              connect('off.test:80', { connect_config: {}, enabled: false }, 'shouter'),
            ],
          }),
        ],
        clusters: [cluster('shouter', env.backend('shouter')), cluster('down', 1)],
      },
    }),
  });
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['tunnel.test:80', ['one\n', 'two\n', 'quit\n'], /^HTTP\/1\.1 200 OK[\s\S]*hello\nONE\nTWO\nbye\n$/],
    ['tunnel.test:80', ['quit\n'], /hello\nbye\n$/],
    ['down.test:80', [], /^HTTP\/1\.1 503 /],
    ['off.test:80', [], /^HTTP\/1\.1 403 /],
    ['unknown.test:80', [], /^HTTP\/1\.1 404 /],
  ];
  for (const [authority, pieces, wanted] of cases) {
    await t.test(`${authority} ${JSON.stringify(pieces)}`, async () => {
      const look = async (twin: Twin) => ({
        text: steady(await tunnel(twin.env.port('main'), authority, pieces)),
        log: await twin.logLines('main'),
      });
      const [envoy, isthmus] = await Promise.all([look(twins.envoy), look(twins.isthmus)]);
      assert.match(envoy.text, wanted);
      assert.deepEqual(isthmus, envoy);
    });
  }
});
