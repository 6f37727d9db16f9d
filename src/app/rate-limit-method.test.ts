import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  RateLimitResponse_Code as Code,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from '../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import { ManualClock } from '../base/clock.ts';
import { Logging } from '../base/log.ts';
import { GrpcError } from '../ca/service/grpc-error.ts';
import { AuthenticationError, type Authenticator } from '../ca/tokens/authenticator.ts';
import { Limits } from '../ratelimit/limits.ts';
import { RateLimitService } from '../ratelimit/service.ts';
import { GrpcCode } from '../wire/grpc/transport.ts';
import { rateLimitMethod } from './rate-limit-method.ts';

const GOOD = [new Uint8Array([1])];
const REQUEST = toBinary(
  RateLimitRequestSchema,
  create(RateLimitRequestSchema, { domain: 'd', descriptors: [{ entries: [{ key: 'k', value: 'v' }] }] }),
);

function started() {
  const clock = new ManualClock(0);
  const service = new RateLimitService(clock);
  service.setLimits(new Limits([['d', [{ key: 'k', rate_limit: { unit: 'day', requests_per_unit: 1 } }]]]));
  let asked = 0;
  const authenticator: Authenticator = {
    name: 'test',
    authenticate({ peerCertificates }) {
      asked++;
      if (peerCertificates === undefined) return Promise.resolve(null);
      if (peerCertificates !== GOOD) return Promise.reject(new AuthenticationError('not one of ours'));
      const identity = { trustDomain: 'cluster.local', namespace: 'n', serviceAccount: 's' };
      return Promise.resolve({ identity, via: 'certificate', expiresAt: Number.POSITIVE_INFINITY });
    },
  };
  const lines: string[] = [];
  const log = new Logging({ format: 'istio', stream: { write: (line) => lines.push(line) } }).scope('ratelimit');
  const method = rateLimitMethod(service, [authenticator], clock, log);
  const ask = (certificates: readonly Uint8Array[] | undefined, bytes = REQUEST) =>
    method.call(bytes, { address: '10.0.0.1:1', authorization: undefined, certificates });
  return { ask, clock, lines, asked: () => asked };
}

const isRefusal = (code: number) => (error: unknown) => error instanceof GrpcError && error.code === code;

test('a workload of the mesh is answered, and what it showed is looked at once a minute', async () => {
  const { ask, asked, clock } = started();
  const codes: Code[] = [];
  for (let i = 0; i < 3; i++) codes.push(fromBinary(RateLimitResponseSchema, await ask(GOOD)).overallCode);
  assert.deepEqual(codes, [Code.OK, Code.OVER_LIMIT, Code.OVER_LIMIT]);
  assert.equal(asked(), 1);
  clock.advance(60_000);
  await ask(GOOD);
  assert.equal(asked(), 2);
});

test('nobody else is, and nothing is counted for them', async () => {
  const { ask, lines } = started();
  await assert.rejects(ask(undefined), isRefusal(GrpcCode.Unauthenticated));
  await assert.rejects(ask([new Uint8Array([2])]), isRefusal(GrpcCode.Unauthenticated));
  assert.match(lines.join(''), /10\.0\.0\.1:1 asks for rate limits and is refused: test: not one of ours/);
  assert.equal(fromBinary(RateLimitResponseSchema, await ask(GOOD)).overallCode, Code.OK);
});

test('what is no request is refused as such', async () => {
  const { ask } = started();
  await assert.rejects(ask(GOOD, new Uint8Array([0xff, 0xff])), isRefusal(GrpcCode.InvalidArgument));
});
