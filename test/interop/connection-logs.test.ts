import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, fileLog, httpListener, tcpListener } from '../support/envoy-config.ts';
import { TestPki } from '../support/pki.ts';
import { scratch, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What the logs of a listener, and of its last filter, tell of connections on which something is wrong. */

const OPERATORS = [
  'RESPONSE_CODE',
  'RESPONSE_FLAGS',
  'RESPONSE_FLAGS_LONG',
  'RESPONSE_CODE_DETAILS',
  'CONNECTION_TERMINATION_DETAILS',
  'DOWNSTREAM_TRANSPORT_FAILURE_REASON',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'PROTOCOL',
  'REQ(:METHOD)',
  'REQ(:PATH)',
  'REQ(:AUTHORITY)',
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'UPSTREAM_HOST',
  'UPSTREAM_CLUSTER',
  'ROUTE_NAME',
  'FILTER_CHAIN_NAME',
  'REQUESTED_SERVER_NAME',
  'DOWNSTREAM_TLS_VERSION',
  'DOWNSTREAM_PEER_SUBJECT',
  'DOWNSTREAM_PEER_URI_SAN',
  'DOWNSTREAM_PEER_FINGERPRINT_256',
];
const format = (who: string) => `${who} ${OPERATORS.map((name) => `${name}=%${name}%`).join(' ')}`;

/** Bytes, and how many lines come of them; the client waits until the proxy ends the connection, or `leaves`. */
const REQUESTS: Readonly<Record<string, { readonly bytes: string; readonly lines?: number; readonly leaves?: true }>> =
  {
    'no HTTP': { bytes: 'hello world, this is nothing\r\n\r\n' },
    'a method that is none': { bytes: 'G@T / HTTP/1.1\r\nhost: a\r\n\r\n' },
    'no host': { bytes: 'GET / HTTP/1.1\r\n\r\n' },
    'a length that is none': { bytes: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n' },
    'two framings': {
      bytes: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
    },
    'a chunk that is none': { bytes: 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n' },
    'a header too large': { bytes: `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(70_000)}\r\n\r\n` },
    'headers too many': {
      bytes: `GET / HTTP/1.1\r\nhost: a\r\n${Array.from({ length: 120 }, (_, i) => `x${i}: 1\r\n`).join('')}\r\n`,
    },
    'HTTP/0.9': { bytes: 'GET /\r\n\r\n' },
    'HTTP/1.0': { bytes: 'GET / HTTP/1.0\r\n\r\n' },
    'a version that is none': { bytes: 'GET / HTTP/3.7\r\nhost: a\r\n\r\n' },
    'a zero byte': { bytes: 'GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n' },
    'trailers that are none': {
      bytes: 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nb@d : x\r\n\r\n',
    },
    'a request that is answered': { bytes: 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n' },
    'an upgrade that is refused': {
      bytes: 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: foo\r\n\r\n',
    },
    'half a head': { bytes: 'GET / HTTP/1.1\r\nhost: a\r\n', leaves: true },
    'half a line': { bytes: 'GET / HT', leaves: true },
    'half a body': { bytes: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc', leaves: true },
    'a client that does not wait': { bytes: 'GET /never HTTP/1.1\r\nhost: a\r\n\r\n', leaves: true },
    nothing: { bytes: '', leaves: true, lines: 1 },
    'an idle head': { bytes: 'GET / HTTP/1.1\r\nhos' },
  };

const HELLO = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';

function say(port: number, bytes: string, leaves: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: false }, () => {
      socket.write(bytes, 'latin1', () => {
        if (leaves) socket.end();
      });
    });
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

function shakeHands(port: number, options: tls.ConnectionOptions): Promise<void> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () =>
      socket.write(HELLO),
    );
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

test('connections are logged as by Envoy', { skip: withoutReference }, async (t) => {
  const pki = await TestPki.make(scratch(t));
  const own = await pki.issue({ dnsNames: ['a.test'] });
  const friend = await pki.issue({ dnsNames: ['c.test'], uris: ['spiffe://cluster.local/ns/a/sa/b'] });
  const stranger = await (await TestPki.make(scratch(t))).issue({ uris: ['spiffe://elsewhere/x'] });
  const secure = (version: string): JsonObject => ({
    name: 'chain',
    transport_socket: {
      name: 'tls',
      typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
        require_client_certificate: true,
        common_tls_context: {
          tls_params: { tls_minimum_protocol_version: version, tls_maximum_protocol_version: version },
          tls_certificates: [
            { certificate_chain: { inline_string: own.cert }, private_key: { inline_string: own.key } },
          ],
          validation_context: { trusted_ca: { inline_string: pki.roots } },
        },
      }),
    },
  });
  const web = (env: TwinEnv, name: string, chain: JsonObject = {}) => {
    const listener = httpListener(name, {
      port: env.port(name),
      log: env.log(name),
      routes: [
        { name: 'never', match: { prefix: '/never' }, route: { cluster: 'never' } },
        { name: 'rest', match: { prefix: '/' }, route: { cluster: 'backend' } },
      ],
      manager: { access_log: [fileLog(env.log(name), format('request'))], request_headers_timeout: '0.3s' },
      listener: { access_log: [fileLog(env.log(name), format('connection'))] },
    });
    Object.assign((listener.filter_chains as JsonObject[])[0], chain);
    return listener;
  };
  const plain = (env: TwinEnv, name: string, to: string) =>
    tcpListener(name, {
      port: env.port(name),
      log: env.log(name),
      proxy: { cluster: to, access_log: [fileLog(env.log(name), format('proxy'))] },
      listener: { access_log: [fileLog(env.log(name), format('connection'))] },
    });
  const twins = await twinProxies(t, {
    listeners: ['web', 'tls 1.2', 'tls 1.3', 'tcp', 'down'],
    servers: {
      silent: async (inner) => {
        const server = net.createServer((socket) => socket.on('error', () => {}).resume());
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        inner.after(() => server.close());
        return (server.address() as net.AddressInfo).port;
      },
    },
    bootstrap: (env) => ({
      static_resources: {
        listeners: [
          web(env, 'web'),
          web(env, 'tls 1.2', secure('TLSv1_2')),
          web(env, 'tls 1.3', secure('TLSv1_3')),
          plain(env, 'tcp', 'backend'),
          plain(env, 'down', 'down'),
        ],
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('never', env.backend('silent')),
          cluster('down', 1),
        ],
      },
    }),
  });
  const both = async (listener: string, lines: number, visit: (port: number) => Promise<void>) => {
    const seen = async (twin: Twin) => {
      await visit(twin.env.port(listener));
      return (await twin.logLines(listener, lines)).sort();
    };
    const [envoy, isthmus] = [await seen(twins.envoy), await seen(twins.isthmus)];
    assert.deepEqual(
      isthmus.map((line) => line.split(' ')),
      envoy.map((line) => line.split(' ')),
    );
  };
  for (const [name, { bytes, leaves = false, lines = 2 }] of Object.entries(REQUESTS)) {
    await t.test(name, () => both('web', lines, (port) => say(port, bytes, leaves)));
  }
  await t.test('bytes that pass', () => both('tcp', 2, (port) => say(port, HELLO, true)));
  await t.test('an upstream that is not there', () => both('down', 2, (port) => say(port, HELLO, false)));
  for (const listener of ['tls 1.2', 'tls 1.3']) {
    const other = listener === 'tls 1.3' ? { maxVersion: 'TLSv1.2' as const } : { minVersion: 'TLSv1.3' as const };
    const name = { servername: 'a.test' };
    for (const [what, lines, options] of [
      ['no certificate', 1, name],
      ["a stranger's certificate", 1, { ...name, ...stranger }],
      ['a good certificate', 2, { ...name, ...friend }],
      ['another version', 1, { ...name, ...other, ...friend }],
    ] as const) {
      await t.test(`${listener}: ${what}`, () => both(listener, lines, (port) => shakeHands(port, options)));
    }
    await t.test(`${listener}: plain text`, () => both(listener, 1, (port) => say(port, HELLO, false)));
    await t.test(`${listener}: nothing`, () => both(listener, 1, (port) => say(port, '', true)));
    await t.test(`${listener}: half a hello`, () =>
      both(listener, 1, (port) => say(port, '\x16\x03\x01\x02\x00\x01\x00', true)),
    );
  }
  await t.test('statistics', async () => {
    const stats = async (twin: Twin) =>
      (
        await twin.admin(
          '/stats?filter=^http\\.web\\.downstream_rq_(total|completed|rx_reset|tx_reset|header_timeout|.xx)',
        )
      )
        .split('\n')
        .sort();
    assert.deepEqual(await stats(twins.isthmus), await stats(twins.envoy));
  });
});
