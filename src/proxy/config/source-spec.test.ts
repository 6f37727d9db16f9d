import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { GrpcService_EnvoyGrpcSchema } from '../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import { streamBackoff } from './source-spec.ts';

test('how soon a stream of configuration is opened again', () => {
  const backoff = (retryBackOff: object | undefined) =>
    streamBackoff(create(GrpcService_EnvoyGrpcSchema, { clusterName: 'xds', retryPolicy: { retryBackOff } }));
  assert.deepEqual(backoff(undefined), {});
  assert.deepEqual(streamBackoff(create(GrpcService_EnvoyGrpcSchema, {})), {});
  const baseInterval = { seconds: 0n, nanos: 250_000_000 };
  assert.deepEqual(backoff({ baseInterval }), { backoff: { initialMs: 250, maxMs: 2500 } });
  assert.deepEqual(backoff({ baseInterval, maxInterval: { seconds: 5n } }), {
    backoff: { initialMs: 250, maxMs: 5000 },
  });
});
