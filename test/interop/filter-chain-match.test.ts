import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import type { JsonObject } from '@bufbuild/protobuf';
import { fileLog, named, ROUTER, socketAddress } from '../support/envoy-config.ts';
import { until, withoutReference } from '../support/reference.ts';
import { start, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** Which filter chain a connection comes to, by every criterion of a filter_chain_match and by several together. */

const range = (text: string): JsonObject => {
  const [address, length] = text.split('/');
  return { address_prefix: address!, prefix_len: Number(length) };
};

interface Match {
  readonly port?: number;
  readonly to?: readonly string[];
  readonly names?: readonly string[];
  readonly transport?: string;
  readonly alpn?: readonly string[];
  readonly direct?: readonly string[];
  readonly type?: string;
  readonly from?: readonly string[];
  readonly fromPorts?: readonly number[];
}

function matchOf({ port, to, names, transport, alpn, direct, type, from, fromPorts }: Match): JsonObject {
  return {
    ...(port && { destination_port: port }),
    ...(to && { prefix_ranges: to.map(range) }),
    ...(names && { server_names: [...names] }),
    ...(transport && { transport_protocol: transport }),
    ...(alpn && { application_protocols: [...alpn] }),
    ...(direct && { direct_source_prefix_ranges: direct.map(range) }),
    ...(type && { source_type: type }),
    ...(from && { source_prefix_ranges: from.map(range) }),
    ...(fromPorts && { source_ports: [...fromPorts] }),
  };
}

const BY_HAND: Readonly<Record<string, readonly Match[]>> = {
  port: [{ port: 443 }, { port: 80 }, {}],
  'port, else nothing': [{ port: 443 }],
  // No range at all is the same to Envoy as all addresses: of two chains that differ in that it takes either.
  destination: [{ to: ['10.0.0.0/8'] }, { to: ['10.1.0.0/16', '2001:db8::/32'] }, {}],
  'destination, either family': [{ to: ['0.0.0.0/0'] }, { to: ['::/0'] }],
  'a host': [{ to: ['10.1.2.3/32'] }, { to: ['10.1.2.0/24'] }],
  names: [
    { names: ['a.test', 'b.a.test'] },
    { names: ['*.test'] },
    { names: ['*.a.test'] },
    { names: ['*.deep.a.test'] },
    {},
  ],
  'names without a way back': [{ names: ['a.test'], alpn: ['h2'] }, { names: ['*.test'] }, {}],
  transport: [{ transport: 'tls' }, { transport: 'raw_buffer' }],
  'another transport': [{ transport: 'quic' }, {}],
  'protocols in the order of the client': [{ alpn: ['http/1.1'] }, { alpn: ['h2'] }, {}],
  'protocols in clear': [{ alpn: ['http/1.0'] }, { alpn: ['http/1.1'] }, { alpn: ['h2c'] }, {}],
  'one protocol of several': [{ alpn: ['h3', 'http/1.1'] }, { alpn: ['istio'] }],
  direct: [{ direct: ['127.0.0.2/32'] }, { direct: ['127.0.0.0/8'] }],
  'source type': [{ type: 'SAME_IP_OR_LOOPBACK' }, { type: 'EXTERNAL' }],
  'source type or any': [{ type: 'SAME_IP_OR_LOOPBACK', from: ['10.0.0.0/8'] }, {}],
  'any or external': [{ type: 'EXTERNAL', fromPorts: [1000] }, { type: 'ANY' }],
  source: [{ from: ['10.0.0.0/8'] }, { from: ['10.1.0.0/16'] }, { from: ['2001:db8::/32'] }, {}],
  'source ports': [{ fromPorts: [1000, 1001] }, { fromPorts: [2000] }, {}],
  'source and port': [{ from: ['10.0.0.0/8'], fromPorts: [1000] }, { from: ['10.1.0.0/16'] }, { fromPorts: [2000] }],
  'port before destination': [{ port: 443 }, { to: ['10.1.0.0/16'] }],
  'destination before name': [{ to: ['10.0.0.0/8'] }, { names: ['a.test'] }],
  'name before transport': [{ names: ['*.test'] }, { transport: 'tls' }],
  'transport before protocol': [{ transport: 'tls', names: [] }, { alpn: ['h2'] }],
  'protocol before source': [{ alpn: ['h2'] }, { from: ['10.1.0.0/16'] }],
  'direct before source': [{ direct: ['127.0.0.1/32'] }, { from: ['10.1.0.0/16'] }],
};

/** Draws with a seed of its own, so that a run that fails can be run again. */
function random(seed: number): <T>(from: readonly T[]) => T {
  let state = seed;
  return (from) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)]!;
  };
}

function atRandom(seed: number): Match[] {
  const draw = random(seed);
  const seen = new Set<string>();
  return Array.from({ length: 24 }, (): Match => {
    const sometimes = <T>(value: T): T | undefined => (draw([0, 0, 1]) === 1 ? value : undefined);
    return {
      port: sometimes(draw([443, 80])),
      to: sometimes([draw(['10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32'])]),
      names: sometimes([draw(['a.test', '*.test', '*.a.test'])]),
      transport: sometimes(draw(['tls', 'raw_buffer'])),
      alpn: sometimes([draw(['h2', 'http/1.1', 'istio'])]),
      direct: sometimes([draw(['127.0.0.2/32', '127.0.0.0/8'])]),
      type: sometimes(draw(['SAME_IP_OR_LOOPBACK', 'EXTERNAL'])),
      from: sometimes([draw(['10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32'])]),
      fromPorts: sometimes([draw([1000, 2000])]),
    };
  }).filter((match) => {
    const key = JSON.stringify(match);
    return seen.size < seen.add(key).size;
  });
}

const TABLES: Readonly<Record<string, readonly Match[]>> = {
  ...BY_HAND,
  ...Object.fromEntries(Array.from({ length: 24 }, (_, i) => [`at random ${i}`, atRandom(i + 1)])),
};

/** A connection as the PROXY protocol tells of it, and what it says first. */
interface Visit {
  readonly from?: string;
  readonly fromPort?: number;
  readonly to?: string;
  readonly port?: number;
  readonly directly?: string;
  readonly hello?: { readonly servername?: string; readonly ALPNProtocols?: string[] };
  readonly text?: string;
}

const VISITS: readonly Visit[] = [
  { hello: { servername: 'a.test', ALPNProtocols: ['h2', 'http/1.1'] } },
  { hello: { servername: 'A.Test', ALPNProtocols: ['http/1.1', 'h2'] }, from: '127.0.0.1' },
  { hello: { servername: 'b.a.test' }, port: 443, fromPort: 2000 },
  { hello: { servername: 'x.deep.a.test' }, to: '10.200.0.1', directly: '127.0.0.2' },
  { hello: { servername: 'deep.a.test', ALPNProtocols: ['istio'] }, from: '10.2.0.1' },
  { hello: { servername: 'test' }, port: 443 },
  { hello: { ALPNProtocols: ['h3', 'http/1.1'] }, to: '192.168.0.1', from: '10.1.1.1' },
  { text: 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', from: '10.1.2.3', to: '10.1.2.3' },
  { text: 'GET / HTTP/1.0\r\n\r\n', fromPort: 1001, directly: '127.0.0.2', port: 443 },
  {
    text: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\x01',
    from: '2001:db8::1',
    to: '2001:db8::2',
    fromPort: 2000,
  },
  { text: 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', from: '::1', to: '2001:db9::2', port: 443 },
  { text: 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', from: '127.0.0.5', to: '127.0.0.9' },
];

async function visit(twin: Twin, name: string, how: Visit): Promise<string> {
  const { from = '10.1.0.1', fromPort = 1000, to = '10.1.0.2', port = 80, directly, hello, text = '' } = how;
  const socket = net.connect({ host: '127.0.0.1', port: twin.env.port(name), localAddress: directly });
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.write(`PROXY ${from.includes(':') ? 'TCP6' : 'TCP4'} ${from} ${to} ${fromPort} ${port}\r\n${text}`);
  if (hello) tls.connect({ socket, rejectUnauthorized: false, ...hello }).on('error', () => {});
  else socket.resume();
  await until(`${twin.program} ends it`, () => closed);
  const [line] = await twin.logLines(name);
  return `${JSON.stringify(how)}: ${line}`;
}

function chain(name: string, match: Match | undefined): JsonObject {
  const manager = named(
    'envoy.filters.network.http_connection_manager',
    'network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'x',
      delayed_close_timeout: '0s',
      route_config: {
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
        ],
      },
      http_filters: [ROUTER],
    },
  );
  return { name, filters: [manager], ...(match && { filter_chain_match: matchOf(match) }) };
}

function listener(env: TwinEnv, name: string, chains: readonly Match[]): JsonObject {
  return {
    name,
    address: socketAddress(env.port(name)),
    access_log: [fileLog(env.log(name), '%FILTER_CHAIN_NAME% %RESPONSE_CODE_DETAILS%')],
    listener_filters: [
      named('envoy.filters.listener.proxy_protocol', 'listener.proxy_protocol.v3.ProxyProtocol'),
      named('envoy.filters.listener.tls_inspector', 'listener.tls_inspector.v3.TlsInspector'),
      named('envoy.filters.listener.http_inspector', 'listener.http_inspector.v3.HttpInspector'),
    ],
    filter_chains: chains.map((match, i) => chain(`chain-${i}`, match)),
    ...(name.length % 3 === 0 && { default_filter_chain: chain('default', undefined) }),
  };
}

test('filter chains are chosen as Envoy chooses them', { skip: withoutReference }, async (t) => {
  const names = Object.keys(TABLES);
  const twins = await twinProxies(t, {
    listeners: names,
    bootstrap: (env) => ({
      static_resources: { listeners: names.map((name) => listener(env, name, TABLES[name]!)) },
    }),
  });
  const all = async (twin: Twin, name: string) => {
    const seen: string[] = [];
    for (const how of VISITS) seen.push(await visit(twin, name, how));
    return seen;
  };
  await Promise.all(
    names.map((name) =>
      t.test(name, async () => {
        const [envoy, isthmus] = await Promise.all([all(twins.envoy, name), all(twins.isthmus, name)]);
        assert.deepEqual(isthmus, envoy);
      }),
    ),
  );
});

/** Chains of which one connection could come to either, and names that cannot be. */
const REFUSED: Readonly<Record<string, readonly Match[]>> = {
  'the same chain twice': [{ port: 80 }, { port: 80 }],
  'two that match everything': [{}, {}],
  'a name of two chains': [{ names: ['a.test', 'b.test'] }, { names: ['b.test'] }],
  'a range of two chains': [{ to: ['10.0.0.0/8'] }, { to: ['10.1.2.3/8'] }],
  'a port of two chains': [{ fromPorts: [1, 2] }, { fromPorts: [2, 3] }],
  'names in capitals': [{ names: ['A.test'] }, { names: ['a.test'] }],
  'a wildcard in the middle': [{ names: ['a.*.test'] }],
  'a wildcard alone': [{ names: ['*'] }],
  'a range too long is as long as can be': [{ to: ['10.0.0.1/33'] }, { to: ['10.0.0.1/32'] }],
  'not an address': [{ from: ['10.0.0/8'] }],
};

test('filter chains that Envoy refuses', { skip: withoutReference }, async (t) => {
  for (const [name, chains] of Object.entries(REFUSED)) {
    await t.test(name, async (t) => {
      for (const program of ['envoy', 'isthmus'] as const) {
        const starting = start(t, program, {
          listeners: ['main'],
          bootstrap: (env) => ({ static_resources: { listeners: [listener(env, 'main', chains)] } }),
        });
        await assert.rejects(starting, /ended/, program);
      }
    });
  }
});
