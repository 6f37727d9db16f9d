import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, named, socketAddress } from '../support/envoy-config.ts';
import { assignment, group } from '../support/host-groups.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import type { TwinEnv } from '../support/twin-proxies.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

const protocols = (options: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      options,
    ),
  },
});
const PROPER_CASE = { header_key_format: { proper_case_words: {} } };
const LOCAL = '%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%';
const PLAIN = { filter_metadata: { 'envoy.transport_socket_match': { speaks: 'plain' } } };
const TLS: JsonObject = {
  transport_socket: named('tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    common_tls_context: {},
  }),
};
const MATCHES: JsonObject = {
  transport_socket_matches: [
    {
      name: 'plain',
      match: { speaks: 'plain' },
      transport_socket: named('raw_buffer', 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
    },
  ],
};
const toA = (env: TwinEnv, endpoint: JsonObject = {}, locality: JsonObject = {}): JsonObject =>
  assignment([group(env, [['a', endpoint]], locality)]);
const ORIGINAL_DST: JsonObject = {
  type: 'ORIGINAL_DST',
  lb_policy: 'CLUSTER_PROVIDED',
  load_assignment: undefined as never,
};

const ROWS: readonly TwinRow[] = [
  {
    name: 'alt_stat_name',
    cluster: (_, name) => ({ alt_stat_name: `alt-${name}` }),
    log: '%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW%',
    send: [{}],
    stats: ['cluster.(alt-)?own.upstream_rq_total'],
  },
  {
    name: 'upstream_bind_config: source_address',
    cluster: { upstream_bind_config: { source_address: { address: '127.0.0.6', port_value: 0 } } },
    log: LOCAL,
    send: [{}],
  },
  {
    name: 'upstream_bind_config: extra_source_addresses',
    cluster: {
      upstream_bind_config: {
        source_address: { address: '::1', port_value: 0 },
        extra_source_addresses: [{ address: { address: '127.0.0.7', port_value: 0 } }],
      },
    },
    log: LOCAL,
    send: [{}],
  },
  {
    name: 'upstream_bind_config: additional_source_addresses',
    cluster: {
      upstream_bind_config: {
        source_address: { address: '::1', port_value: 0 },
        additional_source_addresses: [{ address: '127.0.0.8', port_value: 0 }],
      },
    },
    log: LOCAL,
    send: [{}],
  },
  {
    name: 'protocol_selection',
    base: { cluster: { http2_protocol_options: {} } },
    cluster: { protocol_selection: 'USE_DOWNSTREAM_PROTOCOL' },
    send: [{}],
    only: ['status', 'upstream'],
  },
  {
    name: 'http_protocol_options',
    cluster: { http_protocol_options: PROPER_CASE },
    send: [{ headers: [['x-a', '1']] }],
  },
  {
    name: 'use_downstream_protocol_config: http_protocol_options',
    base: { cluster: protocols({ explicit_http_config: { http2_protocol_options: {} } }) },
    cluster: protocols({ use_downstream_protocol_config: { http_protocol_options: PROPER_CASE } }),
    send: [{ headers: [['x-a', '1']] }],
    only: ['status', 'upstream'],
  },
  {
    name: 'max_requests_per_connection',
    cluster: { max_requests_per_connection: 1 },
    send: [{}, {}],
    stats: ['cluster.own.upstream_cx_(total|max_requests)'],
  },
  {
    name: 'common_http_protocol_options: max_headers_count',
    cluster: { common_http_protocol_options: { max_headers_count: 3 } },
    send: [
      {
        answer: encodeMessage(
          'HTTP/1.1 200 OK',
          ['a', 'b', 'c', 'd', 'e'].map((n) => [n, '1'] as const),
          'x',
        ),
      },
    ],
  },
  {
    name: 'Endpoint.additional_addresses',
    cluster: (env) =>
      assignment([
        {
          lb_endpoints: [
            {
              endpoint: {
                address: socketAddress(1),
                additional_addresses: [{ address: socketAddress(env.backend('a')) }],
              },
            },
          ],
        },
      ]),
    send: [{}],
    only: ['status', 'body', 'log'],
  },
  {
    name: 'transport_socket_matches by a host',
    base: { cluster: (env) => ({ ...TLS, ...toA(env, { metadata: PLAIN }) }) },
    cluster: MATCHES,
    send: [{}],
    only: ['status', 'body'],
    stats: ['cluster.own.transport_socket_match.plain.total_match_count'],
  },
  {
    name: 'transport_socket_matches by a locality',
    base: { cluster: (env) => ({ ...TLS, ...toA(env, {}, { metadata: PLAIN }) }) },
    cluster: MATCHES,
    send: [{}],
    only: ['status', 'body'],
  },
  {
    name: 'original_dst_lb_config: use_http_header',
    base: { cluster: ORIGINAL_DST },
    cluster: (env) => ({
      original_dst_lb_config: { use_http_header: true, upstream_port_override: env.backend('a') },
    }),
    send: [{ headers: [['x-envoy-original-dst-host', '127.0.0.1:1']] }, {}],
    log: '%UPSTREAM_HOST%',
  },
  {
    name: 'original_dst_lb_config: http_header_name',
    base: { cluster: ORIGINAL_DST },
    cluster: (env) => ({
      original_dst_lb_config: {
        use_http_header: true,
        http_header_name: 'X-To',
        upstream_port_override: env.backend('a'),
      },
    }),
    send: [{ headers: [['x-to', '127.0.0.1:1']] }, { headers: [['x-envoy-original-dst-host', '127.0.0.9:1']] }],
    log: '%UPSTREAM_HOST%',
  },
  {
    name: 'circuit_breakers: priority',
    base: { action: { priority: 'HIGH' }, cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } } },
    cluster: { circuit_breakers: { thresholds: [{ priority: 'HIGH', max_requests: 0 }] } },
    send: [{}],
  },
];

test('options of clusters change what Envoy and ours answer', { skip: withoutReference }, async (t) => {
  const answer = (name: string) => () => encodeMessage('HTTP/1.1 200 OK', [], name);
  await compareRows(t, ROWS, { backends: () => ({ a: answer('a') }) });
});
