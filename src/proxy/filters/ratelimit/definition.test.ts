import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { compileFilter } from '../../../../test/support/compile-filter.ts';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { DataStatus, HeadersStatus, TrailersStatus } from '../../http/filter.ts';
import type { Route } from '../../router/route.ts';
import { ratelimit } from './definition.ts';

const GOOD = { domain: 'd', rateLimitService: { grpcService: { envoyGrpc: { clusterName: 'rls' } } } };

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{ ...GOOD, domain: '' }, 'domain: must not be empty'],
    [{ ...GOOD, stage: 11 }, 'stage: must be at most 10'],
    [{ ...GOOD, requestType: 'any' }, 'request_type: must be internal, external or both'],
    [{ domain: 'd' }, 'rate_limit_service: is needed'],
    [{ ...GOOD, rateLimitService: {} }, 'rate_limit_service.grpc_service: is needed'],
  ];
  for (const [json, want] of table) assert.equal(compileFilter(ratelimit, json).errors[0], want);
});

/** A request that one rule is about, while the service is asked. */
function start(json: JsonObject = {}) {
  const clusters = new FakeClusters('rls', 'backend');
  const { factory } = compileFilter(ratelimit, { ...GOOD, ...json }, { clusters });
  const callbacks = new StubCallbacks({ clusters });
  const descriptor = { entries: [['k', 'v']], limit: undefined };
  const action = {
    kind: 'route',
    rateLimits: [{ stage: 0, disableKey: '', onStreamDone: false, descriptor: () => descriptor }],
  };
  callbacks.route = { action, virtualHost: { rateLimits: [] } } as unknown as Route;
  callbacks.chosenCluster = { name: 'backend' } as typeof callbacks.chosenCluster;
  const filter = factory.create(callbacks)!;
  const status = filter.requestHeaders!(Headers.request('POST', '/', 'a'), false);
  return { clusters, callbacks, filter, status };
}

test('the request waits with its body, and goes on if there is no answer', () => {
  const { clusters, callbacks, filter, status } = start();
  assert.equal(status, HeadersStatus.StopIteration);
  assert.equal(filter.requestData!(Buffer.from('a'), false), DataStatus.StopAndWatermark);
  assert.equal(filter.requestTrailers!(Headers.request('', '', '')), TrailersStatus.Stop);
  clusters.last.fail();
  assert.deepEqual(callbacks.calls, ['continueRequest']);
  assert.equal(filter.requestData!(Buffer.from('a'), false), DataStatus.Continue);
});

test('or does not', () => {
  const { clusters, callbacks } = start({ failureModeDeny: true });
  clusters.last.fail();
  assert.deepEqual(callbacks.calls, ['reply 500 ']);
});

test('a request that ends takes its question back', () => {
  const { clusters, filter } = start();
  filter.destroy!();
  assert.equal(clusters.last.reset_, 'local-reset');
});
