import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { stubConnection } from '../../../test/support/filter-callbacks.ts';
import { RateLimitSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { Headers } from '../../wire/headers.ts';
import { ConfigErrors } from '../config/errors.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import { rateLimitRules } from './rate-limits.ts';

function compile(json: JsonObject) {
  const errors = new ConfigErrors();
  const [rule] = rateLimitRules([fromJson(RateLimitSchema, json)], errors);
  return { rule, errors: errors.list.map(({ path, message }) => `${path}: ${message}`) };
}

const info = new StreamInfo(stubConnection(), 0, 0);
info.upstreamCluster = 'up';
info.dynamicMetadata = new Map([['ns', { a: { b: 'dynamic', n: 1 }, limit: { requests_per_unit: 7, unit: 'HOUR' } }]]);
info.routeMetadata = new Map([['ns', { a: 'of the route' }]]);

/** Entries that actions make for one request. */
function entries(...actions: JsonObject[]) {
  const { rule, errors } = compile({ actions });
  assert.deepEqual(errors, []);
  const headers = Headers.request('GET', '/p?q=1', 'host', 'x-a', '1', 'x-a', '2', 'x-empty', '');
  return rule.descriptor(headers, info, 'local')?.entries;
}

test('actions', () => {
  const header = (name: string, more: JsonObject = {}) => ({
    requestHeaders: { headerName: name, descriptorKey: 'k', ...more },
  });
  const meta = (path: string[], more: JsonObject = {}) => ({
    metadata: { descriptorKey: 'k', metadataKey: { key: 'ns', path: path.map((key) => ({ key })) }, ...more },
  });
  const matching = (expectMatch: boolean, name: string) => ({
    headerValueMatch: { descriptorValue: 'v', expectMatch, headers: [{ name, presentMatch: true }] },
  });
  const query = (name: string, more: JsonObject = {}) => ({
    queryParameterValueMatch: { descriptorValue: 'v', queryParameters: [{ name, presentMatch: true }], ...more },
  });
  const table: [JsonObject[], [string, string][] | undefined][] = [
    [[{ sourceCluster: {} }], [['source_cluster', 'local']]],
    [[{ destinationCluster: {} }], [['destination_cluster', 'up']]],
    [[header('X-A')], [['k', '1']]],
    [[header('x-empty')], [['k', '']]],
    [[header(':path')], [['k', '/p?q=1']]],
    [[header('Host')], [['k', 'host']]],
    [[header('x-none')], undefined],
    [[header('x-none', { skipIfAbsent: true })], []],
    [[{ sourceCluster: {} }, header('x-none')], undefined],
    [[{ remoteAddress: {} }], [['remote_address', '10.0.0.1']]],
    [[{ maskedRemoteAddress: { v4PrefixMaskLen: 8 } }], [['masked_remote_address', '10.0.0.0/8']]],
    [[{ maskedRemoteAddress: {} }], [['masked_remote_address', '10.0.0.1/32']]],
    [[{ genericKey: { descriptorValue: 'v' } }], [['generic_key', 'v']]],
    [[{ genericKey: { descriptorValue: 'v', descriptorKey: 'own' } }], [['own', 'v']]],
    [[matching(true, 'x-a')], [['header_match', 'v']]],
    [[matching(false, 'x-a')], undefined],
    [[matching(false, 'x-none')], [['header_match', 'v']]],
    [[query('q')], [['query_match', 'v']]],
    [[query('r')], undefined],
    [[query('r', { expectMatch: false, descriptorKey: 'own' })], [['own', 'v']]],
    [[meta(['a', 'b'])], [['k', 'dynamic']]],
    [[meta(['a', 'n'])], undefined],
    [[meta(['a', 'n'], { defaultValue: 'd' })], [['k', 'd']]],
    [[meta(['a', 'x'], { skipIfAbsent: true })], []],
    [[meta(['a'], { source: 'ROUTE_ENTRY' })], [['k', 'of the route']]],
  ];
  for (const [actions, want] of table) assert.deepEqual(entries(...actions), want, JSON.stringify(actions));
});

test('a limit that the request brings', () => {
  const limit = (key: string) => {
    const { rule } = compile({
      actions: [{ sourceCluster: {} }],
      limit: { dynamicMetadata: { metadataKey: { key: 'ns', path: [{ key }] } } },
    });
    return rule.descriptor(Headers.request('GET', '/', ''), info, '')?.limit;
  };
  assert.deepEqual(limit('limit'), { requestsPerUnit: 7, unit: 3 });
  assert.equal(limit('a'), undefined);
});

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{}, '[0].actions: must not be empty'],
    [{ actions: [{}] }, '[0].actions[0].action_specifier: is not supported'],
    [{ stage: 11, actions: [{ sourceCluster: {} }] }, '[0].stage: must be at most 10'],
    [{ actions: [{ genericKey: {} }] }, '[0].actions[0].generic_key.descriptor_value: must not be empty'],
    [
      { actions: [{ requestHeaders: { headerName: 'a' } }] },
      '[0].actions[0].request_headers.descriptor_key: must not be empty',
    ],
    [{ actions: [{ metadata: { descriptorKey: 'a' } }] }, '[0].actions[0].metadata.metadata_key: is needed'],
    [
      { actions: [{ maskedRemoteAddress: { v4PrefixMaskLen: 33 } }] },
      '[0].actions[0].masked_remote_address.v4_prefix_mask_len: must be at most 32',
    ],
  ];
  for (const [json, want] of table) assert.equal(compile(json).errors[0], want);
});
