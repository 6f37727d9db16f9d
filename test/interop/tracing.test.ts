import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, HTTP2, httpListener, named } from '../support/envoy-config.ts';
import { type OtlpSpan, readTraceRequest } from '../support/otlp.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

/** A span as both tracers can be compared: what it is part of is told by names in the order in which they came up. */
interface SeenSpan {
  readonly trace: string;
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  readonly kind: string;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly more?: unknown;
}

type Provider = 'zipkin' | 'shared' | 'w3c' | 'otel' | 'grpc' | 'none';

interface Kind {
  readonly provider: Provider;
  readonly direction: 'INBOUND' | 'OUTBOUND' | 'UNSPECIFIED';
  readonly spawns?: boolean;
  readonly tracing?: JsonObject;
  readonly manager?: JsonObject;
}

const KINDS: Readonly<Record<string, Kind>> = {
  'zipkin-in': { provider: 'zipkin', direction: 'INBOUND' },
  'zipkin-out': { provider: 'zipkin', direction: 'OUTBOUND' },
  'zipkin-up': { provider: 'zipkin', direction: 'UNSPECIFIED', spawns: true },
  'shared-in': { provider: 'shared', direction: 'INBOUND' },
  'shared-out': { provider: 'shared', direction: 'OUTBOUND', spawns: true },
  'otel-in': { provider: 'otel', direction: 'INBOUND' },
  'otel-out': { provider: 'otel', direction: 'OUTBOUND' },
  'otel-up': { provider: 'otel', direction: 'OUTBOUND', spawns: true },
  kept: { provider: 'otel', direction: 'OUTBOUND', spawns: true, tracing: { no_context_propagation: true } },
  'grpc-in': { provider: 'grpc', direction: 'INBOUND' },
  none: { provider: 'none', direction: 'INBOUND' },
  rarely: { provider: 'otel', direction: 'INBOUND', tracing: { random_sampling: { value: 0 } } },
  never: { provider: 'zipkin', direction: 'INBOUND', tracing: { overall_sampling: { value: 0 } } },
  unforced: {
    provider: 'otel',
    direction: 'INBOUND',
    tracing: { client_sampling: { value: 0 }, random_sampling: { value: 0 } },
  },
  'by-nothing': {
    provider: 'otel',
    direction: 'INBOUND',
    tracing: { random_sampling: { value: 0 } },
    manager: {
      request_id_extension: {
        typed_config: any('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
          use_request_id_for_trace_sampling: false,
        }),
      },
    },
  },
  unpacked: {
    provider: 'otel',
    direction: 'INBOUND',
    manager: {
      request_id_extension: {
        typed_config: any('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', { pack_trace_reason: false }),
      },
    },
  },
};

const TAGS: JsonObject[] = [
  { tag: 'literal', literal: { value: 'x' } },
  { tag: 'header', request_header: { name: 'X-A', default_value: 'none' } },
  { tag: 'absent', request_header: { name: 'x-none' } },
  { tag: 'line', value: '%PROTOCOL% %REQ(X-A)% %RESPONSE_CODE%' },
  { tag: 'empty-line', value: '%REQ(x-none)%' },
  { tag: 'environment', environment: { name: 'NO_SUCH_VARIABLE', default_value: 'otherwise' } },
  {
    tag: 'metadata',
    metadata: { kind: { route: {} }, metadata_key: { key: 'ns', path: [{ key: 'a' }, { key: 'b' }] } },
  },
  {
    tag: 'no-metadata',
    metadata: { kind: { request: {} }, metadata_key: { key: 'ns', path: [{ key: 'a' }] }, default_value: 'm' },
  },
];

const ROUTES: JsonObject[] = [
  {
    match: { path: '/operation' },
    route: { cluster: 'backend' },
    decorator: { operation: 'op' },
    metadata: { filter_metadata: { ns: { a: { b: 'deep' } } } },
    tracing: {
      client_sampling: { numerator: 100 },
      random_sampling: { numerator: 100 },
      overall_sampling: { numerator: 100 },
      custom_tags: [
        { tag: 'of-route', literal: { value: 'r' } },
        { tag: 'literal', literal: { value: 'of route' } },
      ],
    },
  },
  { match: { path: '/quiet' }, route: { cluster: 'backend' }, decorator: { operation: 'op', propagate: false } },
  { match: { path: '/dead' }, route: { cluster: 'dead' } },
  { match: { path: '/direct' }, direct_response: { status: 204 } },
  {
    match: { path: '/retry' },
    route: { cluster: 'dead', retry_policy: { retry_on: 'connect-failure', num_retries: 1 } },
  },
  { match: { prefix: '/' }, route: { cluster: 'backend' } },
];

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';
const B3 = [
  ['x-b3-traceid', '463ac35c9f6413ad48485a3953bb6124'],
  ['x-b3-spanid', 'a2fb4a1d1a96d312'],
] as const;

interface Case {
  readonly path?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly answer?: string;
}

const grpc = (status: number): Case => ({
  headers: [
    ['content-type', 'application/grpc'],
    ['grpc-timeout', '5S'],
  ],
  answer: encodeMessage(
    'HTTP/1.1 200 OK',
    [
      ['content-type', 'application/grpc'],
      ['grpc-status', String(status)],
      ['grpc-message', 'text'],
    ],
    'x',
  ).toString(),
});

const CASES: Readonly<Record<string, Case>> = {
  plain: {
    path: '/a?x=1',
    headers: [
      ['x-a', 'av'],
      ['user-agent', 'ua'],
    ],
  },
  operation: { path: '/operation', headers: [['x-envoy-decorator-operation', 'given']] },
  'operation of the route': { path: '/operation' },
  'operation that stays': { path: '/quiet' },
  'operation of the response': {
    answer: encodeMessage('HTTP/1.1 200 OK', [['x-envoy-decorator-operation', 'answered']], 'x').toString(),
  },
  dead: { path: '/dead' },
  retried: { path: '/retry' },
  direct: { path: '/direct' },
  'a long path': { path: `/${'a'.repeat(300)}` },
  'not found': { answer: encodeMessage('HTTP/1.1 404 Not Found', [], 'x').toString() },
  'an error': { answer: encodeMessage('HTTP/1.1 500 Oh', [], 'x').toString() },
  'part of a W3C trace': {
    headers: [
      ['traceparent', `${TRACEPARENT}01`],
      ['tracestate', 'a=b,c=d'],
    ],
  },
  'part of a W3C trace that nobody records': { headers: [['traceparent', `${TRACEPARENT}00`]] },
  'part of a broken W3C trace': { headers: [['traceparent', '00-0af7-b7ad-01']] },
  'part of a B3 trace': { headers: [...B3, ['x-b3-parentspanid', '0020000000000001'], ['x-b3-sampled', '1']] },
  'part of a B3 trace that nobody records': { headers: [...B3, ['x-b3-sampled', '0']] },
  'part of a B3 trace without a decision': { headers: B3 },
  'part of a debugged B3 trace': { headers: [...B3, ['x-b3-flags', '1']] },
  'part of a broken B3 trace': {
    headers: [
      ['x-b3-traceid', 'xyz'],
      ['x-b3-spanid', 'a2fb4a1d1a96d312'],
    ],
  },
  'part of a single B3 trace': {
    headers: [['b3', '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90']],
  },
  'a B3 decision': { headers: [['b3', '0']] },
  'another B3 decision': { headers: [['x-b3-sampled', '0']] },
  forced: { headers: [['x-envoy-force-trace', 'true']] },
  'forced by the client': { headers: [['x-client-trace-id', 'client']] },
  'decided before': { headers: [['x-request-id', '00000000-0000-9000-8000-000000000000']] },
  'decided against before': { headers: [['x-request-id', 'ffffffff-0000-4000-8000-000000000000']] },
  'an id that is none': { headers: [['x-request-id', 'mine']] },
  ...Object.fromEntries([0, 1, 2, 3, 4, 7, 8, 12, 13, 14, 15].map((code) => [`gRPC status ${code}`, grpc(code)])),
};

/** A gRPC collector of traces: keeps what it gets. */
class Collector {
  readonly requests: Buffer[] = [];

  async listen(t: TestContext): Promise<number> {
    const server = http2.createServer();
    server.on('stream', (stream: http2.ServerHttp2Stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        this.requests.push(Buffer.concat(chunks).subarray(5));
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      });
      stream.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return (server.address() as AddressInfo).port;
  }
}

function providerOf(provider: Provider): JsonObject {
  if (provider === 'none') return {};
  if (provider === 'otel' || provider === 'grpc') {
    return {
      provider: named('envoy.tracers.opentelemetry', 'envoy.config.trace.v3.OpenTelemetryConfig', {
        service_name: 'svc',
        ...(provider === 'grpc'
          ? { grpc_service: { envoy_grpc: { cluster_name: 'grpc' } } }
          : {
              http_service: {
                http_uri: { uri: 'http://collector.test/v1/traces', cluster: 'otel', timeout: '1s' },
                request_headers_to_add: [{ header: { key: 'X-Key', value: 'v' } }],
              },
            }),
      }),
    };
  }
  return {
    provider: named('envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig', {
      collector_cluster: provider,
      collector_endpoint: '/api/v2/spans',
      collector_endpoint_version: 'HTTP_JSON',
      ...(provider === 'zipkin' ? { trace_id_128bit: true, shared_span_context: false } : {}),
    }),
  };
}

test('requests are traced as Envoy traces them', { skip: withoutReference, timeout: 180_000 }, async (t) => {
  const collectors = new Map<number, Collector>();
  const accepted = () => encodeMessage('HTTP/1.1 202 Accepted', [], 'x');
  const twins = await twinProxies(t, {
    listeners: Object.keys(KINDS),
    backends: () => ({ otel: accepted, zipkin: accepted, shared: accepted }),
    servers: {
      async grpc(context) {
        const collector = new Collector();
        const port = await collector.listen(context);
        collectors.set(port, collector);
        return port;
      },
    },
    bootstrap: (env) => ({
      node: { id: 'node-id', cluster: 'node-cluster', locality: { zone: 'zone' } },
      layered_runtime: {
        layers: [
          {
            name: 'static',
            static_layer: { 'tracing.zipkin.min_flush_spans': 1, 'tracing.opentelemetry.min_flush_spans': 1 },
          },
        ],
      },
      static_resources: {
        listeners: Object.entries(KINDS).map(([name, kind]) => listenerOf(env, name, kind)),
        clusters: [
          ...['backend', 'otel', 'zipkin', 'shared'].map((name) => cluster(name, env.backend(name))),
          cluster('grpc', env.backend('grpc'), HTTP2),
          cluster('dead', 1),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];

  for (const [listener, kind] of Object.entries(KINDS)) {
    for (const [name, one] of Object.entries(CASES)) {
      await t.test(`${listener}: ${name}`, async () => {
        const [envoy, isthmus] = await Promise.all(
          both.map((twin) => observe(twin, listener, kind.provider, one, collectors)),
        );
        assert.deepEqual(isthmus, envoy);
      });
    }
  }

  await t.test('what a collector is sent', async () => {
    for (const provider of ['otel', 'zipkin', 'shared']) {
      const [envoy, isthmus] = both.map((twin) => last.get(twin)?.get(provider));
      assert.deepEqual(isthmus, envoy, provider);
    }
  });

  await t.test('what is counted', async () => {
    const [envoy, isthmus] = await Promise.all(both.map((twin) => twin.admin('/stats?filter=tracing')));
    const shown = (text: string) =>
      text
        .split('\n')
        .filter((line) => !line.includes('timer_flushed'))
        .sort();
    assert.deepEqual(shown(isthmus), shown(envoy));
  });

  function listenerOf(env: TwinEnv, name: string, { provider, direction, spawns = false, tracing, manager }: Kind) {
    return httpListener(name, {
      port: env.port(name),
      log: env.log(name),
      logFormat: '%TRACE_ID%',
      routes: ROUTES,
      manager: {
        tracing: { ...providerOf(provider), custom_tags: TAGS, spawn_upstream_span: spawns, ...tracing },
        ...manager,
      },
      listener: { traffic_direction: direction },
    });
  }
});

const ID = /\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b/g;
const REQUEST_ID = /\b[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
/** Headers that tell a trace. */
const CONTEXT = /^(?:traceparent|tracestate|b3|x-b3-.*|x-request-id|x-envoy-decorator-operation|x-client-trace-id)$/;
/** What differs between two programs, or two requests of one. */
const CHANGING = /^(?:user-agent|content-length|transfer-encoding)$/;

/** What each collector was sent last, but for the body. */
const last = new Map<Twin, Map<string, readonly string[]>>();
/** Spans that have come, by twin and provider. */
const received = new Map<string, number>();

async function observe(
  twin: Twin,
  listener: string,
  provider: Provider,
  one: Case,
  collectors: ReadonlyMap<number, Collector>,
): Promise<unknown> {
  const backend = twin.backends.get('backend')!;
  const { handler } = backend;
  backend.take();
  if (one.answer !== undefined) backend.handler = () => one.answer;
  const headers = [['host', 'h.test'] as const, ...(one.headers ?? [])];
  const bytes = requestBytes({ path: one.path ?? '/', headers });
  const response = await exchange(twin.env.port(listener), [bytes]).finally(() => (backend.handler = handler));
  // The log is written when the spans have been finished: all that will be sent has been counted then.
  const log = await twin.logLines(listener);
  const spans = await spansOf(twin, provider, collectors);
  const upstream = backend
    .take()
    .map((request) =>
      request.headers.filter(([name]) => CONTEXT.test(name)).map(([name, value]) => `${name}: ${value}`),
    );
  const ofResponse = response.headers.filter(([name]) => CONTEXT.test(name));
  return withoutIds({ upstream: upstream.map((list) => list.sort()), log, ofResponse, spans }, twin);
}

/** Ids by the order in which they come up, and of those of requests nothing but what they say of the trace. */
function withoutIds(seen: unknown, twin: Twin): unknown {
  const names = new Map<string, string>();
  const named = (id: string) => {
    let name = names.get(id);
    if (name === undefined) names.set(id, (name = `<${id.length === 32 ? 'trace' : 'span'} ${names.size}>`));
    return name;
  };
  const text = JSON.stringify(seen)
    .replace(REQUEST_ID, (id, reason: string) => (/^(?:0{8}|f{8})/.test(id) ? id : `<request id ${reason}>`))
    .replace(ID, named);
  return JSON.parse(twin.named(text));
}

async function spansOf(
  twin: Twin,
  provider: Provider,
  collectors: ReadonlyMap<number, Collector>,
): Promise<readonly SeenSpan[]> {
  if (provider === 'none') return [];
  const zipkin = provider === 'zipkin' || provider === 'shared';
  const stat = `tracing.${zipkin ? 'zipkin' : 'opentelemetry'}.spans_sent`;
  const found: SeenSpan[] = [];
  const key = `${twin.program} ${zipkin}`;
  const [line] = (await twin.admin(`/stats?filter=^${stat}$`)).split('\n');
  const sent = Number(line.split(': ')[1] ?? 0);
  await until(`${twin.program}: ${sent} spans at ${provider}`, () => {
    const taken = take(twin, provider, collectors);
    found.push(...taken);
    received.set(key, (received.get(key) ?? 0) + taken.length);
    return received.get(key) === sent || undefined;
  });
  return found.sort((a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? 1 : -1));
}

function take(twin: Twin, provider: Provider, collectors: ReadonlyMap<number, Collector>): SeenSpan[] {
  if (provider === 'grpc') {
    const { requests } = collectors.get(twin.env.backend('grpc'))!;
    return requests.splice(0).flatMap((body) => readTraceRequest(body).spans.map(otelSpan));
  }
  const requests = twin.backends.get(provider)!.take();
  for (const { startLine, headers } of requests) {
    const lines = headers.filter(([name]) => !CHANGING.test(name)).map(([name, value]) => `${name}: ${value}`);
    if (!last.has(twin)) last.set(twin, new Map());
    last.get(twin)!.set(provider, [startLine, ...lines.sort()]);
  }
  return requests.flatMap(({ body }) =>
    provider === 'otel'
      ? readTraceRequest(body).spans.map(otelSpan)
      : (JSON.parse(body.toString()) as ZipkinSpan[]).map(zipkinSpan),
  );
}

const otelSpan = (span: OtlpSpan): SeenSpan => ({
  trace: span.traceId,
  id: span.spanId,
  parent: span.parentId,
  name: span.name,
  kind: String(span.kind),
  tags: sorted(span.attributes),
  more: [span.traceState, span.status, span.flags, span.start > 0n && span.end >= span.start],
});

interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly annotations: readonly { readonly value: string }[];
  readonly localEndpoint: unknown;
  readonly shared?: boolean;
  readonly timestamp?: number;
  readonly duration?: number;
}

const zipkinSpan = (span: ZipkinSpan): SeenSpan => ({
  trace: span.traceId,
  id: span.id,
  parent: span.parentId ?? '',
  name: span.name,
  kind: span.kind,
  tags: sorted(span.tags),
  more: [
    span.annotations.map(({ value }) => value),
    sorted(span.localEndpoint as Record<string, unknown>),
    span.shared,
    span.timestamp !== undefined,
    span.duration !== undefined,
    span.traceId.endsWith(span.id),
  ],
});

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
