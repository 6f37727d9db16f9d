import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { cluster, HTTP2, httpListener, named } from '../support/envoy-config.ts';
import { readMsgpack } from '../support/msgpack.ts';
import { encodeMessage, exchange, type RawMessage } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

/** Spans for Datadog, SkyWalking and Zipkin's protobuf collectors, and the headers that their contexts travel in. */

type Provider = 'datadog' | 'skywalking' | 'zipkin' | 'shared';

const PROVIDERS: Readonly<Record<Provider, JsonObject>> = {
  datadog: named('envoy.tracers.datadog', 'envoy.config.trace.v3.DatadogConfig', {
    collector_cluster: 'datadog',
    service_name: 'svc',
    collector_hostname: 'agent.test',
  }),
  skywalking: named('envoy.tracers.skywalking', 'envoy.config.trace.v3.SkyWalkingConfig', {
    grpc_service: { envoy_grpc: { cluster_name: 'skywalking' } },
    client_config: { backend_token: 'token' },
  }),
  zipkin: named('envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig', {
    collector_cluster: 'zipkin',
    collector_endpoint: '/api/v2/spans',
    collector_endpoint_version: 'HTTP_PROTO',
    trace_id_128bit: true,
    shared_span_context: false,
  }),
  shared: named('envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig', {
    collector_cluster: 'shared',
    collector_endpoint: '/api/v2/spans',
    collector_endpoint_version: 'HTTP_PROTO',
  }),
};

interface Kind {
  readonly direction: 'INBOUND' | 'OUTBOUND';
  readonly tracing?: JsonObject;
}

const KINDS: Readonly<Record<string, Kind>> = {
  in: { direction: 'INBOUND' },
  out: { direction: 'OUTBOUND' },
  'in, spans of upstreams': { direction: 'INBOUND', tracing: { spawn_upstream_span: true } },
  'out, spans of upstreams': { direction: 'OUTBOUND', tracing: { spawn_upstream_span: true } },
  never: { direction: 'INBOUND', tracing: { random_sampling: { value: 0 }, spawn_upstream_span: true } },
};

const ROUTES: JsonObject[] = [
  { match: { path: '/operation' }, route: { cluster: 'backend' }, decorator: { operation: 'op' } },
  { match: { path: '/dead' }, route: { cluster: 'dead' } },
  { match: { path: '/error' }, direct_response: { status: 500 } },
  {
    match: { path: '/retry' },
    route: { cluster: 'dead', retry_policy: { retry_on: 'connect-failure', num_retries: 1 } },
  },
  { match: { prefix: '/' }, route: { cluster: 'backend' } },
];

interface Case {
  readonly path?: string;
  readonly headers?: readonly (readonly [string, string])[];
}

const datadog = (trace: string, parent: string, ...more: [string, string][]): Case => ({
  headers: [['x-datadog-trace-id', trace], ['x-datadog-parent-id', parent], ...more],
});
const priority = (value: string): [string, string] => ['x-datadog-sampling-priority', value];
const tags = (value: string): [string, string] => ['x-datadog-tags', value];
const w3c = (flags: string, state?: string, trace = '0af7651916cd43dd8448eb211c80319c'): Case => ({
  headers: [
    ['traceparent', `00-${trace}-b7ad6b7169203331-${flags}`],
    ...(state === undefined ? [] : [['tracestate', state] as const]),
  ],
});
const sw8 = (value: string): Case => ({ headers: [['sw8', value]] });
const SW8 = '1-MWEyYjNj-ZDRlNWY2-3-c3Zj-aW5zdA==-L3BhdGg=-cGVlcjo4MA==';

const COMMON: Readonly<Record<string, Case>> = {
  plain: { path: '/a?x=1' },
  'operation of the route': { path: '/operation' },
  'operation that is given': { path: '/operation', headers: [['x-envoy-decorator-operation', 'given']] },
  dead: { path: '/dead' },
  'tried again': { path: '/retry' },
  'an error': { path: '/error' },
  forced: { headers: [['x-envoy-force-trace', 'true']] },
  'decided against before': { headers: [['x-request-id', 'ffffffff-0000-4000-8000-000000000000']] },
};

const OF: Readonly<Record<Provider, Readonly<Record<string, Case>>>> = {
  datadog: {
    'part of a trace': datadog('123', '456', priority('1')),
    'with tags': datadog('123', '456', priority('1'), tags('_dd.p.tid=640cfd8d00000000,_dd.p.dm=-4')),
    'with other tags': datadog('123', '456', priority('1'), tags('other=1,_dd.p.usr=a~b=,broken')),
    'with a bad half': datadog('123', '456', priority('1'), tags('_dd.p.tid=640CFD8D00000000')),
    'from a browser': datadog('123', '456', priority('2'), ['x-datadog-origin', 'rum']),
    'from a browser, without a parent': datadog('123', '0', priority('1'), ['x-datadog-origin', 'rum']),
    'nobody keeps': datadog('123', '456', priority('0')),
    'somebody drops': datadog('123', '456', priority('-1')),
    'nobody has decided': datadog('123', '456'),
    'of the largest number': datadog('18446744073709551615', '18446744073709551615', priority('1')),
    'of W3C': w3c('01'),
    'of W3C with a state': w3c('01', 'dd=s:2;o:rum;p:00000000000000aa;t.dm:-4,a=b'),
    'of W3C with the state of others': w3c('01', 'a=b,c=d'),
    'of W3C that nobody keeps': w3c('00'),
    'of W3C with flags that contradict': w3c('00', 'dd=s:2'),
    'of W3C with flags that contradict the other way': w3c('01', 'dd=s:-1;t.dm:-3'),
    'of W3C with a short id': w3c('01', undefined, '00000000000000008448eb211c80319c'),
    'of both': { headers: [...datadog('123', '456', priority('1')).headers!, ...w3c('01').headers!] },
  },
  skywalking: {
    'part of a trace': sw8(SW8),
    'part of a trace that nobody records': sw8(`0${SW8.slice(1)}`),
    'too few parts': sw8('1-MWEyYjNj-ZDRlNWY2-3'),
    'not a number': sw8(SW8.replace('-3-', '-x-')),
    'not base64': sw8(SW8.replace('MWEyYjNj', '####')),
    'another flag': sw8(`2${SW8.slice(1)}`),
  },
  zipkin: {
    'part of a trace': {
      headers: [
        ['x-b3-traceid', '463ac35c9f6413ad48485a3953bb6124'],
        ['x-b3-spanid', 'a2fb4a1d1a96d312'],
        ['x-b3-parentspanid', '0020000000000001'],
        ['x-b3-sampled', '1'],
      ],
    },
    'a short id': {
      headers: [
        ['x-b3-traceid', '48485a3953bb6124'],
        ['x-b3-spanid', 'a2fb4a1d1a96d312'],
        ['x-b3-sampled', '1'],
      ],
    },
  },
  shared: {},
};

/** What a collector of SkyWalking was sent. */
class Collector {
  readonly segments: Buffer[] = [];
  readonly streams: string[] = [];

  async listen(t: TestContext): Promise<number> {
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      this.streams.push(`${headers[':path']} ${headers.authentication} ${headers['content-type']} ${headers.te}`);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      let rest = Buffer.alloc(0);
      stream.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
          const end = 5 + rest.readUInt32BE(1);
          this.segments.push(rest.subarray(5, end));
          rest = rest.subarray(end);
        }
      });
      stream.on('error', () => {});
    });
    server.on('session', (session) => t.after(() => session.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  }
}

type Fields = Readonly<Record<number, readonly (Buffer | bigint)[]>>;

function fields(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const found: Record<number, (Buffer | bigint)[]> = {};
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const list = (found[field] ??= []);
    if (type === WireType.Varint) list.push(BigInt.asIntN(64, BigInt(reader.uint64())));
    else if (type === WireType.Bit64) list.push(BigInt(reader.fixed64()));
    else list.push(Buffer.from(reader.bytes()));
  }
  return found;
}

const textOf = (all: Fields, field: number) => String(all[field]?.[0] ?? '');

/** A span with the case that it is of; ids as they were sent, times as whether they can be. */
interface Seen {
  readonly of: string;
  readonly [part: string]: unknown;
}

const OWN = /^(?:version|language|runtime-id|process_id)$/;

function sorted(entries: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function skyWalkingSpans(bytes: Buffer): Seen[] {
  const segment = fields(bytes);
  return (segment[3] ?? []).map((one) => {
    const span = fields(one as Buffer);
    const pairs = (span[12] ?? []).map((tag) => {
      const pair = fields(tag as Buffer);
      return [textOf(pair, 1), textOf(pair, 2)] as const;
    });
    const reference = span[5] && Object.entries(fields(span[5][0] as Buffer)).map(([n, v]) => `${n}: ${v}`);
    return {
      of: pairs.find(([name]) => name === 'case')?.[1] ?? '',
      trace: textOf(segment, 1),
      segment: textOf(segment, 2),
      service: `${textOf(segment, 4)} ${textOf(segment, 5)}`,
      numbers: [1, 2, 8, 9, 10, 11, 14].map((field) => `${field}: ${span[field]}`),
      times: Number(span[3]?.[0]) > 0 && Number(span[4]?.[0]) >= Number(span[3]?.[0]),
      reference,
      operation: textOf(span, 6),
      peer: textOf(span, 7),
      tags: sorted(pairs),
    };
  });
}

function datadogSpans(body: Buffer): Seen[] {
  const traces = readMsgpack(body) as readonly (readonly Readonly<Record<string, never>>[])[];
  return traces.flatMap((spans) =>
    spans.map(({ meta, metrics, start, duration, ...rest }) => ({
      of: String((meta as Record<string, string>).case ?? ''),
      ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])),
      times: Number(start) > 0 && Number(duration) >= 0,
      meta: sorted(Object.entries(meta).filter(([name]) => !OWN.test(name))),
      metrics: sorted(Object.entries(metrics).filter(([name]) => !OWN.test(name))),
    })),
  );
}

function zipkinSpans(body: Buffer): Seen[] {
  return (fields(body)[1] ?? []).map((one) => {
    const span = fields(one as Buffer);
    const pairs = (span[11] ?? []).map((tag) => {
      const pair = fields(tag as Buffer);
      return [textOf(pair, 1), textOf(pair, 2)] as const;
    });
    const endpoint = fields(span[8]![0] as Buffer);
    const hex = (field: number) => (span[field]?.[0] as Buffer | undefined)?.toString('hex') ?? '';
    return {
      of: pairs.find(([name]) => name === 'case')?.[1] ?? '',
      trace: hex(1),
      parent: hex(2),
      id: hex(3),
      kind: String(span[4]),
      name: textOf(span, 5),
      times: Number(span[6]![0]) > 0 && Number(span[7]![0]) > 0,
      endpoint: [textOf(endpoint, 1), (endpoint[2]?.[0] as Buffer)?.length],
      annotations: span[10]?.map((annotation) => textOf(fields(annotation as Buffer), 2)),
      tags: sorted(pairs),
      shared: String(span[13]),
    };
  });
}

/** Texts of `sw8` are in base64. */
const readable = (name: string, value: string) =>
  name === 'sw8'
    ? value
        .split('-')
        .map((part, i) => (i === 0 || i === 3 ? part : Buffer.from(part, 'base64').toString()))
        .join(' ')
    : value;

const CONTEXT = /^(?:traceparent|tracestate|b3|x-b3-.*|x-datadog-.*|sw8)$/;
const CHANGING =
  /^(?:user-agent|x-envoy-expected-rq-timeout-ms|content-length|transfer-encoding|datadog-meta-.*|x-datadog-trace-count)$/;

/** Numbers that each request has anew, by the order in which they come up. */
function withoutIds(seen: unknown, twin: Twin): unknown {
  const names = new Map<string, string>();
  const text = JSON.stringify(seen)
    .replace(/(t\.dm:|_dd\.p\.dm[=":]+)-[01]\b/g, '$1<dm>')
    .replace(/;t\.ksr:1|,_dd\.p\.ksr=1|"_dd\.p\.ksr":"1",/g, '')
    .replace(/[A-Za-z0-9+/]{44,}=*/g, (id) => named(id, 'text'))
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, (id) =>
      id.startsWith('ffffffff') ? id : named(id, 'uuid'),
    )
    .replace(/\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b/g, (id) =>
      /^0*$|0{8}$/.test(id) && id.length === 16 ? '<half>' : hexName(id),
    )
    .replace(/\b\d{17,20}\b/g, (id) => hexName(BigInt(id).toString(16).padStart(16, '0')));
  function named(id: string, kind: string): string {
    let name = names.get(id);
    if (name === undefined) names.set(id, (name = `<${kind} ${names.size}>`));
    return name;
  }
  /** The low half of a trace's id may be a span's. */
  function hexName(id: string): string {
    return id.length === 32 ? `<trace ${named(id.slice(16), 'id')}>` : named(id, 'id');
  }
  return JSON.parse(twin.named(text));
}

for (const provider of Object.keys(PROVIDERS) as Provider[]) {
  test(`requests are traced as Envoy traces them for ${provider}`, { skip: withoutReference }, async (t) => {
    const collectors = new Map<number, Collector>();
    const accepted = () => encodeMessage('HTTP/1.1 202 Accepted', [], 'x');
    const rates = () => encodeMessage('HTTP/1.1 200 OK', [], '{"rate_by_service":{"service:,env:":1.0}}');
    const names = Object.keys(KINDS);
    const cases = { ...COMMON, ...OF[provider] };
    const twins = await twinProxies(t, {
      listeners: names,
      backends: () => ({ datadog: rates, zipkin: accepted, shared: accepted }),
      servers: {
        async skywalking(context) {
          const collector = new Collector();
          const port = await collector.listen(context);
          collectors.set(port, collector);
          return port;
        },
      },
      bootstrap: (env) => ({
        node: { id: 'node-id', cluster: 'node-cluster', locality: { zone: 'zone' } },
        layered_runtime: { layers: [{ name: 'static', static_layer: { 'tracing.zipkin.min_flush_spans': 1 } }] },
        static_resources: {
          listeners: names.map((name) =>
            httpListener(name, {
              port: env.port(name),
              log: env.log(name),
              logFormat: '%TRACE_ID%',
              routes: ROUTES,
              manager: {
                tracing: {
                  provider: PROVIDERS[provider],
                  custom_tags: [{ tag: 'case', request_header: { name: 'x-case' } }],
                  ...KINDS[name]!.tracing,
                },
              },
              listener: { traffic_direction: KINDS[name]!.direction },
            }),
          ),
          clusters: [
            ...['backend', 'datadog', 'zipkin', 'shared'].map((name) => cluster(name, env.backend(name))),
            cluster('skywalking', env.backend('skywalking'), HTTP2),
            cluster('dead', 1),
          ],
        },
      }),
    });
    const both = [twins.envoy, twins.isthmus] as const;
    const spans = new Map<Twin, Seen[]>(both.map((twin) => [twin, []]));
    const sent = new Map<Twin, string>();
    const gather = (twin: Twin) => {
      const found = spans.get(twin)!;
      if (provider === 'skywalking') {
        const collector = collectors.get(twin.env.backend('skywalking'))!;
        for (const segment of collector.segments.splice(0)) found.push(...skyWalkingSpans(segment));
        // Each thread of Envoy has a stream of its own.
        sent.set(twin, [...new Set(collector.streams)].join());
        return;
      }
      for (const request of twin.backends.get(provider)!.take()) {
        found.push(...(provider === 'datadog' ? datadogSpans : zipkinSpans)(request.body));
        sent.set(twin, described(request));
      }
    };
    const seen = async (twin: Twin) => {
      const upstream = new Map<string, unknown>();
      for (const name of names) {
        for (const [what, one] of Object.entries(cases)) {
          const backend = twin.backends.get('backend')!;
          backend.take();
          const headers = [
            ['host', 'h.test'] as const,
            ['x-case', `${name}: ${what}`] as const,
            ...(one.headers ?? []),
          ];
          await exchange(twin.env.port(name), [requestBytes({ path: one.path ?? '/', headers })]);
          const log = await twin.logLines(name);
          const told = backend.take().map((request) =>
            request.headers
              .filter(([h]) => CONTEXT.test(h))
              .map(([h, v]) => `${h}: ${readable(h, v)}`)
              .sort(),
          );
          upstream.set(`${name}: ${what}`, { told, log });
        }
      }
      return upstream;
    };
    const [envoy, isthmus] = await Promise.all(both.map(seen));
    const count = async (twin: Twin) => {
      gather(twin);
      return spans.get(twin)!.length;
    };
    // All of Envoy's have come when no more do.
    await until('spans of both', async () => {
      const before = await count(twins.envoy);
      await new Promise((resolve) => setTimeout(resolve, provider === 'datadog' ? 2500 : 500));
      return (await count(twins.envoy)) === before && (await count(twins.isthmus)) >= 0;
    });
    await until('as many', async () => (await count(twins.isthmus)) >= spans.get(twins.envoy)!.length, 5000).catch(
      () => {},
    );
    for (const name of envoy!.keys()) {
      await t.test(name, () => {
        const of = (twin: Twin, told: unknown) => {
          const own = spans.get(twin)!.filter((span) => span.of === name);
          own.sort((a, b) => (order(a) < order(b) ? -1 : 1));
          return withoutIds([told, own], twin);
        };
        assert.deepEqual(of(twins.isthmus, isthmus!.get(name)), of(twins.envoy, envoy!.get(name)));
      });
    }
    await t.test('what a collector is sent', () => {
      assert.deepEqual(sent.get(twins.isthmus), sent.get(twins.envoy));
    });
    await t.test('the names of what is counted', async () => {
      const [theirs, ours] = await Promise.all(both.map((twin) => twin.admin('/stats?filter=^tracing')));
      const shown = (text: string) => text.replace(/: \d+/g, '').split('\n').sort();
      assert.deepEqual(shown(ours!), shown(theirs!));
    });
  });
}

const order = (span: Seen) => JSON.stringify([span.resource, span.numbers, span.kind, span.name, span.times]);

function described({ startLine, headers }: RawMessage): string {
  const lines = headers.filter(([name]) => !CHANGING.test(name)).map(([name, value]) => `${name}: ${value}`);
  return [startLine, ...lines.sort()].join('\n');
}
