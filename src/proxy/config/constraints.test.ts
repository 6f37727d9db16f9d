import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { HeaderValueSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { HealthCheckSchema } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import { HttpUriSchema } from '../../api/gen/envoy/config/core/v3/http_uri_pb.ts';
import { HistogramBucketSettingsSchema } from '../../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import {
  DirectResponseActionSchema,
  RouteMatchSchema,
  VirtualHostSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { HttpConnectionManagerSchema } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { checkConstraints } from './constraints.ts';
import { ConfigErrors } from './errors.ts';

function problems(schema: DescMessage, json: JsonObject): string {
  const errors = new ConfigErrors();
  checkConstraints(schema, fromJson(schema, json), errors);
  return errors.toString();
}

const MANAGER = { statPrefix: 'a', rds: { configSource: { ads: {} }, routeConfigName: 'r' } };

test('the rules of the API', () => {
  const table: readonly (readonly [DescMessage, JsonObject, string])[] = [
    [HttpConnectionManagerSchema, MANAGER, ''],
    [HttpConnectionManagerSchema, { ...MANAGER, statPrefix: '' }, 'stat_prefix: must not be empty'],
    [
      HttpConnectionManagerSchema,
      { statPrefix: 'a' },
      'route_specifier: is needed: rds, route_config or scoped_routes',
    ],
    [
      HttpConnectionManagerSchema,
      { ...MANAGER, maxRequestHeadersKb: 8193 },
      'max_request_headers_kb: must be greater than 0 and at most 8192',
    ],
    [HttpConnectionManagerSchema, { ...MANAGER, codecType: 17 }, 'codec_type: 17 is not one of its values'],
    [VirtualHostSchema, { name: 'v', domains: ['*'] }, ''],
    [VirtualHostSchema, { name: 'v' }, 'domains: must not be empty'],
    [VirtualHostSchema, { name: 'v', domains: ['a', 'b\n'] }, 'domains[1]: has characters that a header must not have'],
    [RouteMatchSchema, { pathSeparatedPrefix: '/a' }, ''],
    [RouteMatchSchema, { pathSeparatedPrefix: '/a/' }, 'path_separated_prefix: must match ^[^?#]+[^?#/]$'],
    [DirectResponseActionSchema, { status: 199 }, 'status: must be at least 200 and less than 600'],
    [HeaderValueSchema, { key: 'a', value: 'b' }, ''],
    [HeaderValueSchema, { key: '', value: 'b' }, 'key: must not be empty'],
    [HeaderValueSchema, { key: 'a', value: 'b\r' }, 'value: has characters that a header must not have'],
    [HeaderValueSchema, { key: 'a', value: 'x'.repeat(16385) }, 'value: must be at most 16384 bytes long'],
    [ClusterSchema, { name: 'c', connectTimeout: '0s' }, 'connect_timeout: must be greater than 0s'],
    [ClusterSchema, { name: 'c', connectTimeout: '0.000000001s' }, ''],
    [HttpUriSchema, { uri: 'a', cluster: 'c' }, 'timeout: is needed'],
    [
      HealthCheckSchema,
      { timeout: '1s', interval: '1s', tcpHealthCheck: {} },
      'unhealthy_threshold: is needed; healthy_threshold: is needed',
    ],
    [
      HistogramBucketSettingsSchema,
      { match: { exact: 'a' }, buckets: [1, 0, 1] },
      'buckets: has an item twice; buckets[1]: must be greater than 0',
    ],
  ];
  for (const [schema, json, want] of table) {
    assert.equal(problems(schema, json), want, `${schema.name} ${JSON.stringify(json)}`);
  }
});

test('of fields that exclude one another only the one that is set is looked at', () => {
  assert.equal(problems(RouteMatchSchema, { prefix: '/' }), '');
  assert.equal(
    problems(RouteMatchSchema, {}),
    'path_specifier: is needed: prefix, path, safe_regex, connect_matcher, path_separated_prefix or path_match_policy',
  );
});
