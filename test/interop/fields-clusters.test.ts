import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, HTTP2, socketAddress } from '../support/envoy-config.ts';
import { encodeMessage } from '../support/raw-http.ts';
import { withoutReference } from '../support/reference.ts';
import { compareRows, type TwinRow } from '../support/twin-rows.ts';

/** Fields of clusters that no other test of this folder needs, each with requests that it matters to. */

const PROTOCOLS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const protocols = (options: JsonObject): JsonObject => ({
  typed_extension_protocol_options: { [PROTOCOLS]: any(PROTOCOLS, options) },
});
/** Two hosts of different versions; only the second has a name of its own. */
const subsets =
  (config: JsonObject): TwinRow['cluster'] =>
  (env, name) => ({
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: ['backend', 'other'].map((backend) => ({
            endpoint: { address: socketAddress(env.backend(backend)) },
            metadata: { filter_metadata: { 'envoy.lb': { version: backend } } },
          })),
        },
      ],
    },
    lb_subset_config: { subset_selectors: [{ keys: ['version'] }], ...config },
  });
const wanting = (version: string): JsonObject => ({
  metadata_match: { filter_metadata: { 'envoy.lb': { version } } },
});

const ROWS: readonly TwinRow[] = [
  {
    name: 'use_downstream_protocol_config',
    cluster: {
      ...protocols({ use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } }),
      alt_stat_name: 'renamed',
    },
    log: '%UPSTREAM_PROTOCOL%',
    send: [{}],
    stats: ['cluster.own.upstream_rq_total', 'cluster.own.upstream_cx_http'],
  },
  {
    name: 'a protocol that the host does not speak',
    cluster: HTTP2,
    action: { timeout: '5s' },
    send: [{}],
  },
  ...[
    { numerator: 100, denominator: 'HUNDRED' },
    // As good as all, and yet by chance.
    { numerator: 999_999, denominator: 'MILLION' },
  ].map(
    (drop_percentage): TwinRow => ({
      name: `drop_overloads ${drop_percentage.numerator}`,
      cluster: (env, name) => ({
        load_assignment: {
          cluster_name: name,
          endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(env.backend('backend')) } }] }],
          policy: { drop_overloads: [{ category: 'all', drop_percentage }] },
        },
      }),
      send: [{}, { headers: [['content-type', 'application/grpc']] }],
    }),
  ),
  {
    name: 'max_requests of a circuit breaker by default',
    cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } },
    send: [{}],
  },
  {
    name: 'lb_subset_config: NO_FALLBACK',
    cluster: subsets({ fallback_policy: 'NO_FALLBACK' }),
    action: wanting('third'),
    send: [{}],
  },
  {
    name: 'lb_subset_config: DEFAULT_SUBSET',
    cluster: subsets({ fallback_policy: 'DEFAULT_SUBSET', default_subset: { version: 'other' } }),
    action: wanting('third'),
    send: [{}, {}],
  },
  {
    name: 'lb_subset_config: fallback_policy of a selector',
    cluster: subsets({
      fallback_policy: 'NO_FALLBACK',
      default_subset: { version: 'other' },
      subset_selectors: [{ keys: ['version'], fallback_policy: 'DEFAULT_SUBSET' }],
    }),
    action: wanting('third'),
    send: [{}, {}],
  },
  {
    name: 'lb_subset_config: single_host_per_subset',
    cluster: subsets({ subset_selectors: [{ keys: ['version'], single_host_per_subset: true }] }),
    action: wanting('other'),
    send: [{}, {}],
  },
];

test('fields of clusters change what Envoy and ours answer', { skip: withoutReference }, async (t) => {
  await compareRows(t, ROWS, {
    backends: () => ({
      other: (request) => encodeMessage('HTTP/1.1 200 OK', [['x-backend', 'other']], request.startLine),
    }),
  });
});
