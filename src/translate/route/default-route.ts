import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Route,
  type RouteActionSchema,
  RouteSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { HttpRetry } from '../../config/kinds/shared/http-policy.ts';
import type { ConsistentHash } from '../../config/kinds/shared/traffic-policy.ts';
import type { Protocol } from '../../registry/protocol.ts';
import { duration } from '../proto/values.ts';
import { hashPolicy } from './hash-policy.ts';
import { matchAll } from './match.ts';
import { retryPolicy } from './retry.ts';

/** Name of routes that nobody wrote. */
const DEFAULT_ROUTE = 'default';
const NO_TIMEOUT = 0;

export interface DefaultRoute {
  readonly cluster: string;
  /** What the route is called in traces: `host:port/*`. */
  readonly operation: string;
}

function defaultRoute({ cluster, operation }: DefaultRoute, action: MessageInitShape<typeof RouteActionSchema>): Route {
  return create(RouteSchema, {
    name: DEFAULT_ROUTE,
    match: matchAll(),
    decorator: { operation },
    action: {
      case: 'route',
      value: { clusterSpecifier: { case: 'cluster', value: cluster }, timeout: duration(NO_TIMEOUT), ...action },
    },
  });
}

/** The route to a service for which there is no VirtualService. */
export function defaultOutboundRoute(
  parts: DefaultRoute,
  retries: HttpRetry | undefined,
  hash: ConsistentHash | undefined,
): Route {
  const policy = hashPolicy(hash);
  const retry = retryPolicy(retries, false);
  return defaultRoute(parts, {
    maxGrpcTimeout: duration(NO_TIMEOUT),
    ...(retry === undefined ? {} : { retryPolicy: retry }),
    hashPolicy: policy === undefined ? [] : [policy],
  });
}

/** The route from a sidecar to its program. Time limits are the caller's. */
export function defaultInboundRoute(parts: DefaultRoute, protocol: Protocol): Route {
  return defaultRoute(parts, {
    maxStreamDuration: { maxStreamDuration: duration(NO_TIMEOUT), grpcTimeoutHeaderMax: duration(NO_TIMEOUT) },
    // A program may close an idle connection just when a request is sent on it. Streams of gRPC cannot be sent again.
    ...(!isGrpc(protocol) ? { retryPolicy: { retryOn: 'reset-before-request', numRetries: 2 } } : {}),
  });
}

function isGrpc(protocol: Protocol): boolean {
  return protocol === 'GRPC' || protocol === 'GRPC-Web';
}

/** What traces call requests for a host that no VirtualService speaks of. */
export function traceOperation(hostname: string, port: number): string {
  return `${hostname}:${port}/*`;
}
