import { create, toBinary } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import {
  CircuitBreakers_Thresholds_RetryBudgetSchema,
  CircuitBreakersSchema,
} from '../../api/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts';
import { UpstreamConnectionOptionsSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { HttpProtocolOptionsSchema } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import type { ConnectionPool, TcpKeepalive, TrafficPolicy } from '../../config/kinds/shared/traffic-policy.ts';
import { isHttp, isHttp2 } from '../../registry/protocol.ts';
import type { ServicePort } from '../../registry/service.ts';
import type { Mesh } from '../mesh.ts';
import { duration } from '../proto/values.ts';
import { messageField } from '../proto/wire.ts';
import type { ClusterDraft } from './draft.ts';

/** Envoy's own limits of 1024, and of 3 retries, do not suit a mesh: there is none unless somebody sets one. */
const UNLIMITED = 2 ** 32 - 1;

/** Limits and timeouts of a cluster's connections (DestinationRule `connectionPool`). Zero counts as not set. */
export function applyConnectionPool(
  draft: ClusterDraft,
  mesh: Mesh,
  pool: ConnectionPool | undefined,
  retryBudget?: RetryBudget,
): void {
  const { cluster } = draft;
  const { tcp, http } = pool ?? {};
  cluster.connectTimeout = duration(tcp?.connectTimeout ?? mesh.connectTimeout);
  applyKeepalive(draft, [mesh.tcpKeepalive, tcp?.tcpKeepalive]);
  cluster.circuitBreakers = create(CircuitBreakersSchema, {
    thresholds: [
      {
        maxConnections: tcp?.maxConnections || UNLIMITED,
        maxPendingRequests: http?.http1MaxPendingRequests || UNLIMITED,
        maxRequests: http?.http2MaxRequests || UNLIMITED,
        maxRetries: http?.maxRetries || UNLIMITED,
        ...(retryBudget === undefined ? {} : { retryBudget: budgetOf(retryBudget) }),
      },
    ],
  });
  const idleTimeout = http?.idleTimeout ?? tcp?.idleTimeout;
  const maxDuration = tcp?.maxConnectionDuration;
  const maxRequests = http?.maxRequestsPerConnection || undefined;
  const maxStreams = http?.maxConcurrentStreams || undefined;
  const keepAlive = http?.http2KeepAlive;
  if ([idleTimeout, maxDuration, maxRequests, maxStreams, keepAlive].some((setting) => setting !== undefined)) {
    draft.http.commonHttpProtocolOptions = create(HttpProtocolOptionsSchema, {
      ...(idleTimeout === undefined ? {} : { idleTimeout: duration(idleTimeout) }),
      ...(maxDuration === undefined ? {} : { maxConnectionDuration: duration(maxDuration) }),
      ...(maxRequests === undefined ? {} : { maxRequestsPerConnection: maxRequests }),
    });
    draft.setHttp2({
      ...(maxStreams === undefined ? {} : { maxConcurrentStreams: maxStreams }),
      ...(keepAlive === undefined ? {} : { connectionKeepalive: keepaliveOf(keepAlive) }),
    });
  }
  // The case of header names is preserved where the port itself said HTTP/1.1.
  if (http?.useClientProtocol) draft.useClientProtocol(draft.isHttp1 ? undefined : {});
}

type RetryBudget = NonNullable<TrafficPolicy['retryBudget']>;
type Http2KeepAlive = NonNullable<NonNullable<ConnectionPool['http']>['http2KeepAlive']>;

/** Per cent of the active requests, and how many retries are always let through. */
const RETRY_BUDGET = { percent: 20, minRetryConcurrency: 3 };

/** Field of Envoy's RetryBudget that is newer than the API that we are built with. */
const BUDGET_INTERVAL_FIELD = 3;

function budgetOf({ minRetryConcurrency, percent, budgetInterval }: RetryBudget) {
  const budget = create(CircuitBreakers_Thresholds_RetryBudgetSchema, {
    budgetPercent: { value: percent ?? RETRY_BUDGET.percent },
    minRetryConcurrency: minRetryConcurrency || RETRY_BUDGET.minRetryConcurrency,
  });
  if (budgetInterval !== undefined) {
    budget.$unknown = [messageField(BUDGET_INTERVAL_FIELD, toBinary(DurationSchema, duration(budgetInterval)))];
  }
  return budget;
}

/** Pings of HTTP/2 by which a connection that died is found out. */
function keepaliveOf({ interval, timeout }: Http2KeepAlive) {
  return {
    ...(interval === undefined ? {} : { interval: duration(interval) }),
    ...(timeout === undefined ? {} : { timeout: duration(timeout) }),
  };
}

/** Each of the settings over the one before. Even empty settings turn keepalive on, with the system's intervals. */
function applyKeepalive({ cluster }: ClusterDraft, settings: readonly (TcpKeepalive | undefined)[]): void {
  for (const keepalive of settings) {
    if (keepalive === undefined) continue;
    cluster.upstreamConnectionOptions ??= create(UpstreamConnectionOptionsSchema, { tcpKeepalive: {} });
    const target = cluster.upstreamConnectionOptions.tcpKeepalive!;
    if (keepalive.probes) target.keepaliveProbes = keepalive.probes;
    if (keepalive.time !== undefined) target.keepaliveTime = Math.floor(keepalive.time / 1000);
    if (keepalive.interval !== undefined) target.keepaliveInterval = Math.floor(keepalive.interval / 1000);
  }
}

/** HTTP/1.1 upgraded to HTTP/2 on the way, as the policy says, else the mesh; the mesh's only for ports known to be HTTP. */
export function applyH2Upgrade(
  draft: ClusterDraft,
  mesh: Mesh,
  port: ServicePort,
  pool: ConnectionPool | undefined,
): void {
  const policy = pool?.http?.h2UpgradePolicy;
  if (policy === 'DO_NOT_UPGRADE') return;
  // HTTP/2 has no case to preserve.
  if (draft.preservesCase && !isHttp2(port.protocol)) return;
  if (policy === 'UPGRADE' || (isHttp(port.protocol) && mesh.h2UpgradePolicy === 'UPGRADE')) draft.useHttp2();
}
