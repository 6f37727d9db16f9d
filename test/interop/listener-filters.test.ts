import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, fileLog, named, ROUTER, socketAddress } from '../support/envoy-config.ts';
import { type TestCertificate, TestPki } from '../support/pki.ts';
import { scratch, until, withoutReference } from '../support/reference.ts';
import { type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Which filter chain a connection comes to by its first bytes, with the inspectors that a listener has and without. */

const FORMAT = '%FILTER_CHAIN_NAME% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %REQUESTED_SERVER_NAME%';

const TLS_INSPECTOR = named('envoy.filters.listener.tls_inspector', 'listener.tls_inspector.v3.TlsInspector');
const HTTP_INSPECTOR = named('envoy.filters.listener.http_inspector', 'listener.http_inspector.v3.HttpInspector');
const INSPECTORS: Readonly<Record<string, readonly JsonObject[]>> = {
  none: [],
  tls: [TLS_INSPECTOR],
  http: [HTTP_INSPECTOR],
  both: [TLS_INSPECTOR, HTTP_INSPECTOR],
};

interface Chain {
  readonly match?: JsonObject;
  /** Terminates TLS. */
  readonly secure?: boolean;
}

const CHAINS: Readonly<Record<string, readonly Chain[]>> = {
  raw: [{ match: { transport_protocol: 'raw_buffer' } }],
  tls: [{ match: { transport_protocol: 'tls' } }],
  name: [{ match: { server_names: ['a.test'] } }],
  http1: [{ match: { application_protocols: ['http/1.1'] } }],
  'h2 or any': [{ match: { application_protocols: ['h2'] } }, {}],
  either: [{ match: { transport_protocol: 'tls' } }, { match: { transport_protocol: 'raw_buffer' } }],
  secure: [{ secure: true }],
  'raw or secure': [
    { match: { transport_protocol: 'raw_buffer' } },
    { match: { transport_protocol: 'tls' }, secure: true },
  ],
  'name or any': [{ match: { server_names: ['a.test'] }, secure: true }, {}],
  'raw name': [{ match: { transport_protocol: 'raw_buffer', server_names: ['a.test'] } }, {}],
};

const SENT: Readonly<Record<string, (port: number) => net.Socket>> = {
  'TLS to a.test': (port) => hello(port, { servername: 'a.test', ALPNProtocols: ['h2', 'http/1.1'] }),
  'TLS to nobody': (port) => hello(port, { ALPNProtocols: ['http/1.1'] }),
  'TLS to a.test without ALPN': (port) => hello(port, { servername: 'a.test' }),
  'HTTP/1.1': (port) => say(port, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
  'HTTP/2': (port) => say(port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'),
  neither: (port) => say(port, 'hello world, this is nothing\r\n'),
};

function say(port: number, text: string): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port });
  socket.write(text, 'latin1');
  return socket;
}

function hello(port: number, options: tls.ConnectionOptions): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port });
  const secure = tls.connect({ socket, rejectUnauthorized: false, ...options }, () => secure.end());
  secure.on('error', () => {});
  return socket;
}

/** What becomes of a connection first: bytes, the peer's end or reset of it, or nothing. */
async function outcome(socket: net.Socket): Promise<string> {
  let end: string | undefined;
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    end ??= code === 'ECONNRESET' || code === 'EPIPE' ? 'reset' : String(code);
  });
  socket.on('end', () => {
    end ??= 'end';
  });
  socket.on('close', () => {
    end ??= 'end';
  });
  socket.resume();
  await until('something becomes of it', () => end !== undefined || socket.bytesRead > 0 || undefined, 1500).catch(
    () => {},
  );
  socket.destroy();
  return socket.bytesRead > 0 ? 'bytes' : (end ?? 'nothing');
}

function chain({ match, secure }: Chain, index: number, log: string, leaf: TestCertificate): JsonObject {
  const manager = named(
    'envoy.filters.network.http_connection_manager',
    'network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'x',
      access_log: [fileLog(log, FORMAT)],
      route_config: {
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: `${index}` } } }],
          },
        ],
      },
      http_filters: [ROUTER],
    },
  );
  return {
    name: `chain-${index}`,
    filters: [manager],
    ...(match === undefined ? {} : { filter_chain_match: match }),
    ...(secure && {
      transport_socket: {
        name: 'tls',
        typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
          common_tls_context: {
            tls_certificates: [
              { certificate_chain: { inline_string: leaf.cert }, private_key: { inline_string: leaf.key } },
            ],
          },
        }),
      },
    }),
  };
}

const LISTENERS = Object.keys(CHAINS).flatMap((chains) =>
  Object.keys(INSPECTORS).map((inspectors) => ({ chains, inspectors, name: `${chains}; inspectors: ${inspectors}` })),
);

const plain = (lines: readonly string[]) => [...lines].sort();

/** What became of each connection of a listener. */
async function visit(twin: Twin, name: string, inspectors: string): Promise<string[]> {
  const results: string[] = [];
  for (const [what, send] of Object.entries(SENT)) results.push(`${what}: ${await outcome(send(twin.env.port(name)))}`);
  // What was not read yet when Envoy closed without a look at it is a matter of luck.
  return inspectors === 'none' ? results.map((result) => result.replace(/(end|reset)$/, 'gone')) : results;
}

test('connections come to filter chains by their first bytes as with Envoy', { skip: withoutReference }, async (t) => {
  const leaf = await (await TestPki.make(scratch(t))).issue({ dnsNames: ['a.test'] });
  const twins = await twinProxies(t, {
    listeners: LISTENERS.map(({ name }) => name),
    bootstrap: (env) => ({
      static_resources: {
        listeners: LISTENERS.map(({ name, chains, inspectors }) => ({
          name,
          address: socketAddress(env.port(name)),
          listener_filters: [...INSPECTORS[inspectors]!],
          filter_chains: CHAINS[chains]!.map((one, i) => chain(one, i, env.log(name), leaf)),
          access_log: [fileLog(env.log(name), `listener: ${FORMAT}`)],
        })),
      },
    }),
  });
  await Promise.all(
    LISTENERS.map(({ name, inspectors }) =>
      t.test(name, async () => {
        const { envoy, isthmus } = twins;
        assert.deepEqual(await visit(isthmus, name, inspectors), await visit(envoy, name, inspectors));
        // Lines are written when a connection is over, which may be later than its client sees.
        const written = { envoy: [] as string[], isthmus: [] as string[] };
        const isSame = async () => {
          for (const program of ['envoy', 'isthmus'] as const) {
            written[program].push(...(await twins[program].logLines(name, 0)));
          }
          const { envoy, isthmus } = written;
          return envoy.length >= Object.keys(SENT).length && isDeepStrictEqual(plain(isthmus), plain(envoy));
        };
        await until('the same lines', isSame, 10_000).catch(() => {});
        assert.deepEqual(plain(written.isthmus), plain(written.envoy));
      }),
    ),
  );
});
