import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { GrpcServiceSchema } from '../../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import { encodeMessage } from '../../../wire/grpc/framing.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { grpcService } from './grpc-service.ts';

function start(more: JsonObject = {}, clusters = new FakeClusters('c'), timeoutMs = 100) {
  const timers = new ManualTimers();
  const errors = new ConfigErrors();
  const proto = fromJson(GrpcServiceSchema, { envoyGrpc: { clusterName: 'c' }, ...more });
  const service = grpcService(proto, { clusters, timers, localAddress: '10.0.0.9' }, timeoutMs, errors);
  assert.deepEqual(errors.list, []);
  const results: (string | number)[] = [];
  const info = new StreamInfo(stubConnection(), 0, 0);
  info.routeName = 'r';
  const call = service.unary('/a.B/C', Buffer.from('ask'), info, (result) =>
    results.push(result instanceof Uint8Array ? Buffer.from(result).toString() : result.code),
  );
  return { clusters, timers, results, call };
}

function answer(clusters: FakeClusters, status: string, message?: string): void {
  const { handler } = clusters.last;
  handler.onHeaders(Headers.response(200, 'content-type', 'application/grpc'), false);
  if (message !== undefined) handler.onData(encodeMessage(Buffer.from(message)), false);
  handler.onTrailers(Headers.response(0, 'grpc-status', status));
}

test('a message and its answer', () => {
  const { clusters, results, timers } = start({ initialMetadata: [{ key: 'X-Route', value: '%ROUTE_NAME%' }] });
  const { headers, body } = clusters.last;
  assert.deepEqual([headers.path, headers.authority, headers.get('x-route')], ['/a.B/C', 'c', 'r']);
  assert.deepEqual([headers.get('x-envoy-internal'), headers.get('x-forwarded-for')], ['true', '10.0.0.9']);
  assert.equal(headers.get('grpc-timeout'), '100m');
  assert.equal(body, '\0\0\0\0\x03ask');
  answer(clusters, '0', 'told');
  assert.deepEqual(results, ['told']);
  assert.equal(timers.waiting, 0);
});

test('an authority of its own', () => {
  assert.equal(start({ envoyGrpc: { clusterName: 'c', authority: 'a' } }).clusters.last.headers.authority, 'a');
});

test('what ends without an answer', async () => {
  const denied = start();
  answer(denied.clusters, '7');
  assert.deepEqual(denied.results, [7]);
  const empty = start();
  answer(empty.clusters, '0');
  assert.deepEqual(empty.results, [13]);
  const refusing = new FakeClusters('c');
  refusing.refusing = true;
  const refused = start({}, refusing);
  assert.deepEqual([refused.results, refused.timers.waiting], [[14], 0]);
  const slow = start();
  slow.timers.advance(100);
  assert.deepEqual(slow.results, [4]);
  assert.equal(slow.clusters.last.reset_, 'local-reset');
  const nowhere = start({}, new FakeClusters());
  await Promise.resolve();
  assert.deepEqual([nowhere.results, nowhere.timers.waiting], [[14], 0]);
});

test('nothing comes after it was cancelled, and no time means any', () => {
  const { call, clusters, results, timers } = start();
  call.cancel();
  timers.advance(1000);
  assert.deepEqual([results, clusters.last.reset_], [[], 'local-reset']);
  assert.equal(start({}, new FakeClusters('c'), 0).timers.waiting, 0);
});
