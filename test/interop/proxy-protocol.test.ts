import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, fileLog, named, ROUTER, socketAddress, tcpListener } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** What the PROXY protocol listener filter makes of headers of all kinds, byte for byte, and hands on. */

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const uint16 = (value: number) => String.fromCharCode(value >> 8, value & 255);
const v2 = (command: number, family: number, body: string, length = body.length) =>
  `${SIGNATURE}${String.fromCharCode(command, family)}${uint16(length)}${body}`;
const tlv = (type: number, value: string, length = value.length) =>
  `${String.fromCharCode(type)}${uint16(length)}${value}`;
const IPV4 = `\x0a\x01\x02\x03\x0a\x04\x05\x06${uint16(1000)}${uint16(2000)}`;
const IPV6 = `${'\x20\x01\x0d\xb8'.padEnd(15, '\0')}\x01${'\x20\x01\x0d\xb8'.padEnd(15, '\0')}\x02${uint16(1000)}${uint16(2000)}`;
const CRC_LESS = tlv(0x02, 'auth.test') + tlv(0xea, '\x01vpc-1') + tlv(0x05, 'id\xff\xc3');

const HEADERS: Readonly<Record<string, string>> = {
  none: '',
  'v1 TCP4': 'PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\n',
  'v1 TCP6': 'PROXY TCP6 2001:db8::1 ::2 10 20\r\n',
  'v1 UNKNOWN': 'PROXY UNKNOWN\r\n',
  'v1 UNKNOWN with more': 'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n',
  'v1 UNKNOWNS': 'PROXY UNKNOWNS\r\n',
  'v1 without a protocol': 'PROXY\r\n',
  'v1 with a space too many': 'PROXY  TCP4 1.2.3.4 5.6.7.8 10 20\r\n',
  'v1 with a space at the end': 'PROXY TCP4 1.2.3.4 5.6.7.8 10 20 \r\n',
  'v1 with a word too many': 'PROXY TCP4 1.2.3.4 5.6.7.8 10 20 30\r\n',
  'v1 with a word too few': 'PROXY TCP4 1.2.3.4 5.6.7.8 10\r\n',
  'v1 LF': 'PROXY TCP4 1.2.3.4 5.6.7.8 10 20\n',
  'v1 of the wrong family': 'PROXY TCP4 ::1 ::2 10 20\r\n',
  'v1 TCP6 with IPv4': 'PROXY TCP6 1.2.3.4 5.6.7.8 10 20\r\n',
  'v1 in small letters': 'proxy tcp4 1.2.3.4 5.6.7.8 10 20\r\n',
  'v1 UDP4': 'PROXY UDP4 1.2.3.4 5.6.7.8 10 20\r\n',
  'v1 port with zeros': 'PROXY TCP4 1.2.3.4 5.6.7.8 010 20\r\n',
  'v1 port 0': 'PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n',
  'v1 port 65536': 'PROXY TCP4 1.2.3.4 5.6.7.8 65536 20\r\n',
  'v1 negative port': 'PROXY TCP4 1.2.3.4 5.6.7.8 -1 20\r\n',
  'v1 port with a sign': 'PROXY TCP4 1.2.3.4 5.6.7.8 +1 20\r\n',
  'v1 address with zeros': 'PROXY TCP4 01.2.3.4 5.6.7.8 10 20\r\n',
  'v1 address out of range': 'PROXY TCP4 256.2.3.4 5.6.7.8 10 20\r\n',
  'v1 short address': 'PROXY TCP4 1.2 5.6.7.8 10 20\r\n',
  'v1 mapped address': 'PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 10 20\r\n',
  'v1 any address': 'PROXY TCP4 0.0.0.0 5.6.7.8 10 20\r\n',
  'v1 broadcast': 'PROXY TCP4 255.255.255.255 224.0.0.1 10 20\r\n',
  'v1 multicast': 'PROXY TCP4 224.0.0.1 5.6.7.8 10 20\r\n',
  'v1 too long': `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`,
  'v1 as long as may be': `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`,
  'v2 TCP4': v2(0x21, 0x11, IPV4),
  'v2 TCP6': v2(0x21, 0x21, IPV6),
  'v2 LOCAL': v2(0x20, 0x00, ''),
  'v2 LOCAL with addresses': v2(0x20, 0x11, IPV4),
  'v2 LOCAL with extensions': v2(0x20, 0x11, IPV4 + CRC_LESS),
  'v2 unspecified': v2(0x21, 0x00, ''),
  'v2 unspecified with more': v2(0x21, 0x00, 'abcdef'),
  'v2 UDP4': v2(0x21, 0x12, IPV4),
  'v2 UDP6': v2(0x21, 0x22, IPV6),
  'v2 Unix': v2(0x21, 0x31, '/a'.padEnd(216, '\0')),
  'v2 unknown family': v2(0x21, 0x41, IPV4),
  'v2 unknown transport': v2(0x21, 0x13, IPV4),
  'v2 transport unspecified': v2(0x21, 0x10, IPV4),
  'v2 family unspecified': v2(0x21, 0x01, IPV4),
  'v2 version 1': v2(0x11, 0x11, IPV4),
  'v2 version 3': v2(0x31, 0x11, IPV4),
  'v2 unknown command': v2(0x22, 0x11, IPV4),
  'v2 too short': v2(0x21, 0x11, IPV4.slice(0, 11)),
  'v2 too short for TCP6': v2(0x21, 0x21, IPV4),
  'v2 with extensions': v2(0x21, 0x11, IPV4 + CRC_LESS),
  'v2 TCP6 with extensions': v2(0x21, 0x21, IPV6 + CRC_LESS),
  'v2 extension twice': v2(0x21, 0x11, IPV4 + tlv(2, 'a') + tlv(2, 'b')),
  'v2 empty extension': v2(0x21, 0x11, IPV4 + tlv(2, '')),
  'v2 half an extension': v2(0x21, 0x11, `${IPV4}\x02\0`),
  'v2 extension too long': v2(0x21, 0x11, IPV4 + tlv(2, 'abc', 9)),
  'v2 extension, then half of one': v2(0x21, 0x11, `${IPV4}${tlv(3, 'abc')}\x02`),
  'v2 any address': v2(0x21, 0x11, `\0\0\0\0${IPV4.slice(4)}`),
  'v2 multicast': v2(0x21, 0x11, `\xe0\0\0\x01${IPV4.slice(4)}`),
  'v2 twice': v2(0x21, 0x11, IPV4) + v2(0x21, 0x11, IPV4),
  'v1, then v2': `PROXY TCP4 1.2.3.4 5.6.7.8 10 20\r\n${v2(0x21, 0x11, IPV4)}`,
  'v2 with a bad signature': v2(0x21, 0x11, IPV4).replace('QUIT', 'QUIT'.toLowerCase()),
};

const rule = (type: number, key: string, namespace = ''): JsonObject => ({
  tlv_type: type,
  on_tlv_present: { key, ...(namespace && { metadata_namespace: namespace }) },
});

const FILTERS: Readonly<Record<string, JsonObject>> = {
  plain: {},
  lenient: { allow_requests_without_proxy_protocol: true },
  'with rules': {
    stat_prefix: 'ruled',
    rules: [rule(2, 'authority'), rule(0xea, 'vpc', 'aws'), rule(5, 'id'), rule(2, 'again', 'aws')],
  },
  'passes some': { pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [2, 0xea] } },
  'passes all': { pass_through_tlvs: { match_type: 'INCLUDE_ALL' } },
  'no v1': { disallowed_versions: ['V1'] },
  'no v2': { disallowed_versions: ['V2'] },
  'no v1, lenient': { disallowed_versions: ['V1'], allow_requests_without_proxy_protocol: true },
  'no v2, lenient': { disallowed_versions: ['V2'], allow_requests_without_proxy_protocol: true },
};

const REQUEST = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
const NAMESPACES = ['envoy.filters.listener.proxy_protocol', 'aws'].map((n) => `%DYNAMIC_METADATA(${n})%`).join(' ');
const FORMAT = `%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% ${NAMESPACES} %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%`;

function httpChain(log: string): JsonObject {
  const manager = named(
    'envoy.filters.network.http_connection_manager',
    'network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'x',
      access_log: [fileLog(log, `http: %RESPONSE_CODE% ${FORMAT}`)],
      use_remote_address: true,
      delayed_close_timeout: '0s',
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
        ],
      },
      http_filters: [ROUTER],
    },
  );
  return { filters: [manager] };
}

function listener(env: TwinEnv, name: string): JsonObject {
  return {
    name,
    address: socketAddress(env.port(name)),
    access_log: [fileLog(env.log(name), `listener: ${FORMAT}`)],
    listener_filters: [
      named('envoy.filters.listener.proxy_protocol', 'listener.proxy_protocol.v3.ProxyProtocol', FILTERS[name]),
    ],
    filter_chains: [httpChain(env.log(name))],
  };
}

/** Sends everything and tells how it ended, with the first line of what came back. */
async function say(port: number, text: string, pieces = 1): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port });
  let got = '';
  let end: string | undefined;
  socket.setNoDelay(true);
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    end = 'closed';
  });
  const size = Math.ceil(text.length / pieces);
  for (let at = 0; at < text.length; at += size) {
    socket.write(text.slice(at, at + size), 'latin1');
    if (pieces > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until('it ends', () => end, 1000).catch(() => {});
  socket.destroy();
  return `${got.split('\r\n')[0]} ${end ?? 'open'}`;
}

/** What was found where a header came in pieces Envoy counts more than once. */
async function counters(twin: Twin): Promise<string[]> {
  const text = await twin.admin('/stats?filter=proxy_proto|listener_filter_error|pre_cx|no_filter_chain');
  return twin
    .named(text.replaceAll(/127\.0\.0\.1_(\d+)/g, '127.0.0.1:$1'))
    .split('\n')
    .filter((line) => !line.startsWith('listener.admin.'))
    .map((line) => line.replace(/(versions.*): \d+$/, '$1'))
    .sort();
}

test('PROXY protocol headers as Envoy takes them', { skip: withoutReference }, async (t) => {
  const names = Object.keys(FILTERS);
  const twins = await twinProxies(t, {
    listeners: names,
    bootstrap: (env) => ({ static_resources: { listeners: names.map((name) => listener(env, name)) } }),
  });
  const both = [twins.envoy, twins.isthmus] as const;
  await Promise.all(
    names.map((name) =>
      t.test(name, async () => {
        const [envoy, isthmus] = await Promise.all(
          both.map(async (twin) => {
            const seen: string[] = [];
            for (const [what, header] of Object.entries(HEADERS)) {
              seen.push(`${what}: ${await say(twin.env.port(name), header + REQUEST)}`);
            }
            for (const what of ['v1 TCP4', 'v2 with extensions', 'v2 LOCAL']) {
              seen.push(`${what} in pieces: ${await say(twin.env.port(name), HEADERS[what] + REQUEST, 12)}`);
            }
            return seen;
          }),
        );
        assert.deepEqual(isthmus, envoy);
        const lines: string[][] = [[], []];
        const read = async () => {
          for (const [i, twin] of both.entries()) lines[i]!.push(...(await twin.logLines(name, 0)));
          return isDeepStrictEqual(lines[1], lines[0]) && lines[0]!.length > 0;
        };
        const shown = (some: string[]) => some.map((line) => line.replace(/(127\.0\.0\.1):\d+/g, '$1'));
        await until('the same lines', read, 2000).catch(() => {});
        assert.deepEqual(shown(lines[1]!), shown(lines[0]!));
      }),
    ),
  );
  await t.test('statistics', async () => {
    assert.deepEqual(await counters(twins.isthmus), await counters(twins.envoy));
  });
});

/** A server that tells what a connection begins with. */
async function recorder(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (chunk) => socket.end(chunk.toString('hex')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

/** What a cluster hands on. */
const UPSTREAM: Readonly<Record<string, JsonObject>> = {
  nothing: { version: 'V2' },
  all: { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE_ALL' } },
  some: { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [0xea, 5] } },
  'of version 1': { version: 'V1', pass_through_tlvs: { match_type: 'INCLUDE_ALL' } },
};

test('extensions go on to upstreams as with Envoy', { skip: withoutReference }, async (t) => {
  const listeners = Object.keys(FILTERS).slice(0, 5);
  const pairs = listeners.flatMap((down) => Object.keys(UPSTREAM).map((up) => ({ down, up, name: `${down}, ${up}` })));
  const twins = await twinProxies(t, {
    listeners: pairs.map(({ name }) => name),
    servers: { recorder },
    bootstrap: (env) => ({
      static_resources: {
        listeners: pairs.map(({ down, up, name }) =>
          tcpListener(name, {
            port: env.port(name),
            log: env.log(name),
            proxy: { cluster: up },
            listener: {
              listener_filters: [
                named(
                  'envoy.filters.listener.proxy_protocol',
                  'listener.proxy_protocol.v3.ProxyProtocol',
                  FILTERS[down],
                ),
              ],
            },
          }),
        ),
        clusters: Object.entries(UPSTREAM).map(([name, config]) =>
          cluster(name, env.backend('recorder'), {
            transport_socket: {
              name: 'envoy.transport_sockets.upstream_proxy_protocol',
              typed_config: any('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
                config,
                transport_socket: {
                  name: 'raw',
                  typed_config: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
                },
              }),
            },
          }),
        ),
      },
    }),
  });
  for (const { name } of pairs) {
    await t.test(name, async () => {
      const [envoy, isthmus] = await Promise.all(
        [twins.envoy, twins.isthmus].map(async (twin) => {
          const seen: string[] = [];
          for (const what of [
            'v1 TCP4',
            'v2 TCP4',
            'v2 with extensions',
            'v2 TCP6 with extensions',
            'v2 extension twice',
          ]) {
            seen.push(`${what}: ${await say(twin.env.port(name), HEADERS[what]!)}`);
          }
          return seen;
        }),
      );
      assert.deepEqual(isthmus, envoy);
    });
  }
});
