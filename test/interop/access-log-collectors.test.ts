import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createRegistry, fromBinary, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { StreamAccessLogsMessageSchema } from '../../src/api/gen/envoy/service/accesslog/v3/als_pb.ts';
import { cluster, HTTP2, httpListener, named, tcpListener } from '../support/envoy-config.ts';
import { GrpcCollector } from '../support/grpc-collector.ts';
import { readLogsRequest } from '../support/otlp.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, type TwinEnv, twinProxies } from '../support/twin-proxies.ts';

const common = (logName: string, more: JsonObject = {}): JsonObject => ({
  log_name: logName,
  grpc_service: { envoy_grpc: { cluster_name: 'collector' } },
  transport_api_version: 'V3',
  buffer_flush_interval: '0.05s',
  ...more,
});

const CONTENTS: JsonObject = {
  filter_state_objects_to_log: ['object', 'none'],
  custom_tags: [
    { tag: 'literal', literal: { value: 'x' } },
    { tag: 'header', request_header: { name: 'x-a' } },
    { tag: 'absent', request_header: { name: 'x-none' } },
  ],
};

const HTTP = named('http', 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
  common_config: common('http-log', CONTENTS),
  additional_request_headers_to_log: ['X-A', 'x-none', ':method'],
  additional_response_headers_to_log: ['X-B'],
  additional_response_trailers_to_log: ['x-t'],
});

const TCP = named('tcp', 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig', {
  common_config: common('tcp-log', CONTENTS),
});

const text = (value: string): JsonObject => ({ string_value: value });

const OTEL = named('otel', 'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig', {
  common_config: common('otel-log'),
  body: text('%RESPONSE_CODE% %REQ(X-A)% %REQ(X-NONE)%'),
  attributes: {
    values: [
      { key: 'protocol', value: text('%PROTOCOL%') },
      { key: 'list', value: { array_value: { values: [text('%ROUTE_NAME%'), text('plain')] } } },
      { key: 'map', value: { kvlist_value: { values: [{ key: 'cluster', value: text('%UPSTREAM_CLUSTER%') }] } } },
    ],
  },
  resource_attributes: { values: [{ key: 'of', value: text('%PROTOCOL%') }] },
});

const BARE = named('bare', 'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig', {
  common_config: common('bare-log'),
  disable_builtin_labels: true,
  stat_prefix: 'bare.',
});

const listeners = (env: TwinEnv): JsonObject[] => [
  httpListener('main', {
    port: env.port('main'),
    log: env.log('main'),
    filters: [
      named('state', 'http.set_filter_state.v3.Config', {
        on_request_headers: [
          {
            object_key: 'object',
            factory_key: 'envoy.string',
            format_string: { text_format_source: { inline_string: 'value' } },
          },
        ],
      }),
    ],
    routes: [
      { match: { path: '/dead' }, route: { cluster: 'dead' } },
      { match: { path: '/retried' }, route: { cluster: 'dead', retry_policy: { retry_on: 'connect-failure' } } },
      { match: { path: '/direct' }, direct_response: { status: 403, body: { inline_string: 'no' } } },
      { match: { path: '/missing' }, route: { cluster: 'missing' } },
      { name: 'rewritten', match: { prefix: '/a' }, route: { cluster: 'backend', prefix_rewrite: '/new' } },
    ],
    routeConfig: { validate_clusters: false },
    manager: { access_log: [HTTP, OTEL, BARE] },
  }),
  tcpListener('tcp', { port: env.port('tcp'), log: env.log('tcp'), proxy: { access_log: [TCP, OTEL] } }),
];

const REQUESTS: readonly (readonly [listener: string, method: string, path: string])[] = [
  ['main', 'GET', '/a?b=1'],
  ['main', 'POST', '/a'],
  ['main', 'GET', '/dead'],
  ['main', 'GET', '/retried'],
  ['main', 'DELETE', '/direct'],
  ['main', 'BREW', '/direct'],
  ['main', 'GET', '/missing'],
  ['main', 'GET', '/nowhere'],
  ['tcp', 'GET', '/'],
];

test('access logs go to collectors as with Envoy', { skip: withoutReference }, async (t) => {
  const collectors = new Map<number, GrpcCollector>();
  const collector = async (context: TestContext) => {
    const server = new GrpcCollector();
    const port = await server.listen(context);
    collectors.set(port, server);
    return port;
  };
  const answer = encodeMessage(
    'HTTP/1.1 200 OK',
    [
      ['x-b', 'bv'],
      ['transfer-encoding', 'chunked'],
    ],
    '3\r\nabc\r\n0\r\nx-t: tv\r\n\r\n',
  );
  const twins = await twinProxies(t, {
    listeners: ['main', 'tcp'],
    backends: () => ({ backend: () => answer }),
    servers: { collector },
    bootstrap: (env) => ({
      node: { id: 'node-id', cluster: 'node-cluster', locality: { zone: 'zone' } },
      static_resources: {
        listeners: listeners(env),
        clusters: [
          cluster('backend', env.backend('backend')),
          cluster('collector', env.backend('collector'), HTTP2),
          cluster('dead', 1),
        ],
      },
    }),
  });
  const both = [twins.envoy, twins.isthmus];
  const identifiers = new Map<Twin, JsonValue[]>();

  for (const [listener, method, path] of REQUESTS) {
    await t.test(`${listener} ${method} ${path}`, async () => {
      const [envoy, isthmus] = await Promise.all(
        both.map(async (twin) => {
          const headers = [
            ['host', 'h.test:80'],
            ['x-a', 'av'],
            ['user-agent', 'ua'],
            ['referer', 'rf'],
            ['x-forwarded-for', '10.0.0.9'],
            ['connection', 'close'],
          ] as const;
          const body = method === 'POST' ? 'hello' : undefined;
          await exchange(twin.env.port(listener), [requestBytes({ method, path, headers, body })]);
          const server = collectors.get(twin.env.backend('collector'))!;
          const wanted = listener === 'main' ? 3 : 2;
          return await told(twin, server, wanted, identifiers);
        }),
      );
      assert.deepEqual(isthmus, envoy);
    });
  }

  await t.test('who tells', () => {
    const [envoy, isthmus] = both.map((twin) => identifiers.get(twin));
    assert.deepEqual(isthmus, envoy);
  });

  await t.test('the names of what is counted', async () => {
    const names = async (twin: Twin) => {
      const stats = await twin.admin('/stats?filter=^access_logs');
      return stats.split('\n').map((line) => line.split(':')[0]);
    };
    assert.deepEqual(await names(twins.isthmus), await names(twins.envoy));
  });
});

const registry = createRegistry(StringValueSchema);

/** Bytes on the wire, which our proxy does not count, heads, of which our codecs write parts, and what is called by the program. */
const UNTOLD =
  /(?:Wire|Header)Bytes|^(?:extensions|userAgentName|userAgentBuildVersion|clientFeatures|requestHeadersBytes|responseHeadersBytes)$/;
/** Of these it is told whether they are known. */
const TIMES = /^(?:timeTo|duration$|startTime$)/;

/** What came of one exchange, sorted: entries, and records with their resources. */
async function told(
  twin: Twin,
  collector: GrpcCollector,
  wanted: number,
  identifiers: Map<Twin, JsonValue[]>,
): Promise<unknown> {
  const found: { readonly kind: string; readonly what: unknown }[] = [];
  await until(`${twin.program}: ${wanted} entries`, () => {
    for (const { path, bytes } of collector.take()) {
      if (path.endsWith('/Export')) {
        const { resource, records } = readLogsRequest(bytes);
        const kind = `otel ${JSON.stringify(sorted(resource as JsonObject))}`;
        for (const { time, ...record } of records) found.push({ kind, what: { ...record, dated: time > 0n } });
        continue;
      }
      const message = toJson(StreamAccessLogsMessageSchema, fromBinary(StreamAccessLogsMessageSchema, bytes), {
        registry,
      }) as { identifier?: JsonValue; httpLogs?: { logEntry: JsonValue[] }; tcpLogs?: { logEntry: JsonValue[] } };
      if (message.identifier !== undefined) {
        identifiers.set(twin, [...(identifiers.get(twin) ?? []), cleaned(message.identifier)]);
      }
      for (const entry of message.httpLogs?.logEntry ?? []) found.push({ kind: 'http', what: cleaned(entry) });
      for (const entry of message.tcpLogs?.logEntry ?? []) found.push({ kind: 'tcp', what: cleaned(entry) });
    }
    return found.length >= wanted || undefined;
  });
  const text = JSON.stringify(found.sort((a, b) => (a.kind < b.kind ? -1 : 1)));
  return JSON.parse(twin.named(text).replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>'));
}

function cleaned(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== 'object' || value === null) return value;
  const ports = new Set(['downstreamRemoteAddress', 'downstreamDirectRemoteAddress', 'upstreamLocalAddress']);
  return Object.fromEntries(
    Object.entries(sorted(value as JsonObject))
      .filter(([name]) => !UNTOLD.test(name))
      .map(([name, item]) => {
        if (TIMES.test(name)) return [name, '<time>'];
        if (name === 'downstreamLocalAddress' || name === 'upstreamRemoteAddress') return [name, '<address>'];
        return [name, ports.has(name) ? '<some port>' : cleaned(item!)];
      }),
  );
}

function sorted(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
