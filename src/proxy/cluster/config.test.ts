import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { clusterProto } from '../../../test/support/hosts.ts';
import { ConfigErrors } from '../config/errors.ts';
import { bindingOf, sourceFor } from './bind.ts';
import { clusterConfig } from './config.ts';
import type { ClusterDefaults } from './defaults.ts';
import { DEFAULT_RESOLVER } from './dns/resolver.ts';

const DEFAULTS: ClusterDefaults = {
  resolver: DEFAULT_RESOLVER,
  binding: undefined,
  localCluster: undefined,
  outlierLogPath: undefined,
};

function read(json: JsonObject) {
  const errors = new ConfigErrors();
  const config = clusterConfig(clusterProto(json), DEFAULTS, () => 0, errors);
  return { config, errors: errors.list.map(({ path }) => path) };
}

const CHECK = { timeout: '1s', interval: '1s', unhealthy_threshold: 1, healthy_threshold: 1 };
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const httpOptions = (fields: JsonObject): JsonObject => ({
  typed_extension_protocol_options: { [HTTP_OPTIONS]: { '@type': `type.googleapis.com/${HTTP_OPTIONS}`, ...fields } },
});

test("Envoy's defaults", () => {
  const { config, errors } = read({});
  assert.deepEqual(errors, []);
  assert.deepEqual(
    {
      discovery: config.discovery,
      connectTimeoutMs: config.connectTimeoutMs,
      bufferLimit: config.bufferLimit,
      panicThreshold: config.panicThreshold,
      maxRequests: config.breakers.default.maxRequests,
      maxRetries: config.breakers.high.maxRetries,
      protocol: config.protocol.kind,
      idleTimeoutMs: config.idleTimeoutMs,
      warmOnInit: config.warmOnInit,
    },
    {
      discovery: 'STATIC',
      connectTimeoutMs: 5000,
      bufferLimit: 1_048_576,
      panicThreshold: 50,
      maxRequests: 1024,
      maxRetries: 3,
      protocol: 'http1',
      idleTimeoutMs: 3_600_000,
      warmOnInit: true,
    },
  );
});

test('protocols, in the form of today and of before', () => {
  for (const [json, kind] of [
    [{ http2_protocol_options: {} }, 'http2'],
    [{ protocol_selection: 'USE_DOWNSTREAM_PROTOCOL' }, 'downstream'],
    [httpOptions({ explicit_http_config: { http2_protocol_options: {} } }), 'http2'],
    [httpOptions({ explicit_http_config: { http_protocol_options: {} } }), 'http1'],
    [httpOptions({ use_downstream_protocol_config: {} }), 'downstream'],
    [httpOptions({ auto_config: {} }), 'auto'],
  ] as const) {
    const { config, errors } = read(json);
    assert.deepEqual([config.protocol.kind, errors], [kind, []]);
  }
});

test('ways to find hosts', () => {
  for (const [json, discovery] of [
    [{ type: 'STRICT_DNS' }, 'STRICT_DNS'],
    [{ cluster_type: { name: 'envoy.cluster.logical_dns' } }, 'LOGICAL_DNS'],
    [{ cluster_type: { name: 'envoy.cluster.original_dst' }, lb_policy: 'CLUSTER_PROVIDED' }, 'ORIGINAL_DST'],
  ] as const) {
    const { config, errors } = read(json);
    assert.deepEqual([config.discovery, errors], [discovery, []]);
  }
});

test('what cannot be honoured is named by its path', () => {
  for (const [json, path] of [
    [{ connect_timeout: '0s' }, 'connect_timeout'],
    [{ cluster_type: { name: 'envoy.clusters.aggregate' } }, 'cluster_type'],
    [{ health_checks: [{ ...CHECK, http_health_check: {} }] }, 'health_checks[0].http_health_check.path'],
    [{ health_checks: [CHECK] }, 'health_checks[0].health_checker'],
    [
      { health_checks: [{ ...CHECK, tcp_health_check: { send: { text: 'xyz' } } }] },
      'health_checks[0].tcp_health_check.send.text',
    ],
    [{ outlier_detection: { max_ejection_percent: 101 } }, 'outlier_detection.max_ejection_percent'],
    [{ preconnect_policy: { per_upstream_preconnect_ratio: 4 } }, 'preconnect_policy.per_upstream_preconnect_ratio'],
    [{ type: 'STRICT_DNS', dns_refresh_rate: '0.001s' }, 'dns_refresh_rate'],
    [{ circuit_breakers: { per_host_thresholds: [{ max_requests: 1 }] } }, 'circuit_breakers.per_host_thresholds[0]'],
    [httpOptions({}), `typed_extension_protocol_options["${HTTP_OPTIONS}"].upstream_protocol_options`],
  ] as const) {
    assert.deepEqual(read(json as JsonObject).errors, [path]);
  }
});

test('connections are bound to the address of the family that they go to', () => {
  const errors = new ConfigErrors();
  const { upstreamBindConfig } = clusterProto({
    upstream_bind_config: {
      source_address: { address: '127.0.0.2', port_value: 0 },
      extra_source_addresses: [{ address: { address: '::1', port_value: 0 } }],
    },
  });
  const binding = bindingOf(upstreamBindConfig, errors);
  assert.deepEqual(errors.list, []);
  assert.equal(sourceFor(binding, { address: '10.0.0.1', port: 1, family: 4 })?.address?.address, '127.0.0.2');
  assert.equal(sourceFor(binding, { address: '::2', port: 1, family: 6 })?.address?.address, '::1');
  assert.equal(sourceFor(binding, { address: '/socket', port: 0, family: 0 }), undefined);
  const wildcard = { address: '0.0.0.0', port: 0, family: 4 } as const;
  const to = { address: '10.0.0.1', port: 1, family: 4 } as const;
  assert.equal(sourceFor({ 4: { address: wildcard, options: [] } }, to), undefined);
  // Without a choice of address its options hold all the same.
  const options = [{ level: 1, name: 9, value: new Uint8Array(4), state: 'prebind' }] as const;
  assert.deepEqual(sourceFor({ 4: { address: wildcard, options } }, to), { address: undefined, options });
});
