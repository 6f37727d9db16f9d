import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
  RateLimitResponseSchema,
} from '../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { GrpcError } from '../ca/service/grpc-error.ts';
import type { Authenticator } from '../ca/tokens/authenticator.ts';
import { authenticate, type StreamPeer } from '../discovery/server/authentication.ts';
import type { UnaryMethod } from '../discovery/server/grpc-server.ts';
import type { RateLimitService } from '../ratelimit/service.ts';
import { GrpcCode } from '../wire/grpc/transport.ts';

/** How long a connection that has proven who it is is taken at its word, milliseconds. */
const PROVEN_MS = 60_000;

/**
 * `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, as a method of the control plane's gRPC ports: for
 * workloads of the mesh alone. What a connection has shown is looked at once a minute, not with each request.
 */
export function rateLimitMethod(
  service: RateLimitService,
  authenticators: readonly Authenticator[],
  clock: Clock,
  log: Logger,
): UnaryMethod {
  const proven = new WeakMap<readonly Uint8Array[], number>();
  const prove = async (peer: StreamPeer) => {
    const { certificates } = peer;
    const until = certificates && proven.get(certificates);
    if (until !== undefined && clock.now() < until) return;
    const caller = await authenticate(peer, authenticators, (reason) =>
      log.warn(`${peer.address} asks for rate limits and is refused: ${reason}`),
    );
    if ('code' in caller) throw new GrpcError(GrpcCode.Unauthenticated, caller.message);
    if (certificates) proven.set(certificates, clock.now() + PROVEN_MS);
  };
  return {
    path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
    call: async (bytes, peer) => {
      await prove(peer);
      return toBinary(RateLimitResponseSchema, service.shouldRateLimit(decode(bytes)));
    },
  };
}

function decode(bytes: Uint8Array): RateLimitRequest {
  try {
    return fromBinary(RateLimitRequestSchema, bytes);
  } catch (error) {
    throw new GrpcError(GrpcCode.InvalidArgument, `not a rate limit request: ${messageOf(error)}`);
  }
}
