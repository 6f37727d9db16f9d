import type { CircuitBreakers } from '../../api/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts';
import {
  Cluster_DiscoveryType,
  type Cluster as ClusterProto,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { OutlierDetection } from '../../api/gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
import { RoutingPriority, type TransportSocket } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { HealthCheck } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { configSourceSpec, durationMs, metadataOf, numberOr } from '../config/values.ts';
import type { ConfigSourceSpec } from '../context.ts';
import type { Policy } from '../lb/load-balancer.ts';
import { policyOf } from '../lb/policy-config.ts';
import { type DnsConfig, dnsConfig } from './dns/config.ts';
import { DEFAULT_RESOLVER } from './dns/resolver.ts';
import type { Metadata } from './host.ts';
import { type HttpConfig, httpConfig } from './protocol-config.ts';
import { DEFAULT_THRESHOLDS, type Thresholds } from './resources.ts';

export type DiscoveryType = 'STATIC' | 'STRICT_DNS' | 'LOGICAL_DNS' | 'EDS' | 'ORIGINAL_DST';

/** A cluster as configured, with Envoy's defaults filled in. Times in milliseconds. */
export interface ClusterConfig extends HttpConfig {
  readonly name: string;
  readonly statName: string;
  readonly discovery: DiscoveryType;
  readonly connectTimeoutMs: number;
  readonly bufferLimit: number;
  readonly eds: { readonly serviceName: string; readonly source: ConfigSourceSpec } | undefined;
  readonly loadAssignment: ClusterLoadAssignment | undefined;
  /** Undefined for clusters that ask no DNS. */
  readonly dns: DnsConfig | undefined;
  /** Undefined where the cluster itself finds the host of a request (`CLUSTER_PROVIDED`). */
  readonly policy: Policy | undefined;
  /** Percent. */
  readonly panicThreshold: number;
  readonly thresholds: Thresholds;
  readonly highThresholds: Thresholds;
  /** Sockets by preference; the last one, without a match, is for hosts that nothing else matches. */
  readonly transports: readonly TransportMatch[];
  readonly tcpKeepalive: { readonly initialDelayMs: number } | undefined;
  readonly sourceAddress: string | undefined;
  readonly metadata: Metadata;
  readonly healthChecks: readonly HealthCheck[];
  readonly outlierDetection: OutlierDetection | undefined;
  readonly cleanupIntervalMs: number;
  readonly originalDst: { readonly header: string | undefined; readonly portOverride: number };
  readonly ignoreHealthOnRemoval: boolean;
  readonly closeOnHealthFailure: boolean;
}

export interface TransportMatch {
  readonly name: string;
  /** Label values that `envoy.transport_socket_match` metadata of a host must have; empty matches any. */
  readonly match: Readonly<Record<string, unknown>>;
  readonly socket: TransportSocket | undefined;
}

const DEFAULT_BUFFER_LIMIT = 1024 * 1024;

const DISCOVERY: Readonly<Record<Cluster_DiscoveryType, DiscoveryType>> = {
  [Cluster_DiscoveryType.STATIC]: 'STATIC',
  [Cluster_DiscoveryType.STRICT_DNS]: 'STRICT_DNS',
  [Cluster_DiscoveryType.LOGICAL_DNS]: 'LOGICAL_DNS',
  [Cluster_DiscoveryType.EDS]: 'EDS',
  [Cluster_DiscoveryType.ORIGINAL_DST]: 'ORIGINAL_DST',
};

/** Reads a Cluster message. What cannot be honoured goes to `errors`. */
export function clusterConfig(proto: ClusterProto, now: () => number, errors: ConfigErrors): ClusterConfig {
  if (proto.name === '') errors.add('name', 'must not be empty');
  const discovery = discoveryType(proto, errors);
  const bufferLimit = proto.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT;
  const originalDst = proto.lbConfig.case === 'originalDstLbConfig' ? proto.lbConfig.value : undefined;
  return {
    ...httpConfig(proto, bufferLimit, now, errors),
    name: proto.name,
    statName: proto.altStatName || proto.name,
    discovery,
    connectTimeoutMs: durationMs(proto.connectTimeout, 5000),
    bufferLimit,
    eds: discovery === 'EDS' ? edsConfig(proto, errors) : undefined,
    loadAssignment: proto.loadAssignment,
    dns: discovery.endsWith('_DNS') ? dnsConfig(proto, DEFAULT_RESOLVER, errors) : undefined,
    policy: policyOf(proto, errors),
    panicThreshold: Math.round(proto.commonLbConfig?.healthyPanicThreshold?.value ?? 50),
    thresholds: thresholds(proto.circuitBreakers, RoutingPriority.DEFAULT),
    highThresholds: thresholds(proto.circuitBreakers, RoutingPriority.HIGH),
    transports: [
      ...proto.transportSocketMatches.map(({ name, match, transportSocket }) => ({
        name,
        match: match ?? {},
        socket: transportSocket,
      })),
      { name: 'default', match: {}, socket: proto.transportSocket },
    ],
    tcpKeepalive: proto.upstreamConnectionOptions?.tcpKeepalive && {
      initialDelayMs: numberOr(proto.upstreamConnectionOptions.tcpKeepalive.keepaliveTime, 7200) * 1000,
    },
    sourceAddress: sourceAddress(proto),
    metadata: metadataOf(proto.metadata),
    healthChecks: proto.healthChecks,
    outlierDetection: proto.outlierDetection,
    cleanupIntervalMs: durationMs(proto.cleanupInterval, 5000),
    originalDst: {
      header: originalDst?.useHttpHeader ? originalDst.httpHeaderName || 'x-envoy-original-dst-host' : undefined,
      portOverride: originalDst?.upstreamPortOverride ?? 0,
    },
    ignoreHealthOnRemoval: proto.ignoreHealthOnHostRemoval,
    closeOnHealthFailure: proto.closeConnectionsOnHostHealthFailure,
  };
}

function discoveryType(proto: ClusterProto, errors: ConfigErrors): DiscoveryType {
  const specifier = proto.clusterDiscoveryType;
  if (specifier.case === 'clusterType') {
    errors.add('cluster_type', `${specifier.value.name} is not supported`);
    return 'STATIC';
  }
  return DISCOVERY[specifier.value ?? Cluster_DiscoveryType.STATIC];
}

function edsConfig(proto: ClusterProto, errors: ConfigErrors): ClusterConfig['eds'] {
  const source = configSourceSpec(proto.edsClusterConfig?.edsConfig, errors.at('eds_cluster_config').at('eds_config'));
  return source && { serviceName: proto.edsClusterConfig?.serviceName || proto.name, source };
}

function thresholds(breakers: CircuitBreakers | undefined, priority: RoutingPriority): Thresholds {
  const d = DEFAULT_THRESHOLDS;
  const given = breakers?.thresholds.find((t) => t.priority === priority);
  const perHost = breakers?.perHostThresholds.find((t) => t.priority === priority);
  return {
    maxConnections: given?.maxConnections ?? d.maxConnections,
    maxPendingRequests: given?.maxPendingRequests ?? d.maxPendingRequests,
    maxRequests: given?.maxRequests ?? d.maxRequests,
    maxRetries: given?.maxRetries ?? d.maxRetries,
    maxConnectionPools: given?.maxConnectionPools ?? d.maxConnectionPools,
    retryBudgetPercent: given?.retryBudget && (given.retryBudget.budgetPercent?.value ?? 20),
    retryBudgetMinConcurrency: given?.retryBudget?.minRetryConcurrency ?? d.retryBudgetMinConcurrency,
    trackRemaining: given?.trackRemaining ?? d.trackRemaining,
    maxConnectionsPerHost: perHost?.maxConnections ?? d.maxConnectionsPerHost,
  };
}

function sourceAddress(proto: ClusterProto): string | undefined {
  const address = proto.upstreamBindConfig?.sourceAddress?.address;
  // A wildcard leaves the choice to the kernel, which is what no address does.
  return address && address !== '0.0.0.0' && address !== '::' ? address : undefined;
}
