import { fromBinary } from '@bufbuild/protobuf';
import type { CircuitBreakers } from '../../api/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts';
import {
  Cluster_ClusterProtocolSelection,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  type Cluster as ClusterProto,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { OutlierDetection } from '../../api/gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
import { RoutingPriority, type TransportSocket } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { HealthCheck } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import type { HttpProtocolOptions as CommonOptions } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { HttpProtocolOptionsSchema } from '../../api/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts';
import type { Http1Options } from '../../wire/http1/head.ts';
import type { Http2Options } from '../../wire/http2/options.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { configSourceSpec, durationMs, metadataOf, numberOr } from '../config/values.ts';
import type { ConfigSourceSpec } from '../context.ts';
import { DEFAULT_HEAD_LIMITS, http1Options, http2Options } from '../http/protocol-options.ts';
import type { Policy } from '../lb/load-balancer.ts';
import { policyOf } from '../lb/policy-config.ts';
import type { Metadata } from './host.ts';
import { DEFAULT_THRESHOLDS, type Thresholds } from './resources.ts';

export type DiscoveryType = 'STATIC' | 'STRICT_DNS' | 'LOGICAL_DNS' | 'EDS' | 'ORIGINAL_DST';

/** Which protocol a cluster speaks, and on what that depends. */
export type UpstreamProtocol =
  /** `explicit_http_config`, and HTTP/1 where nothing is said. */
  | { readonly kind: 'http1' }
  | { readonly kind: 'http2' }
  /** `use_downstream_protocol_config`. */
  | { readonly kind: 'downstream' }
  /** `auto_config`: what ALPN settles. */
  | { readonly kind: 'auto' };

export interface DnsOptions {
  readonly refreshMs: number;
  readonly failureRefreshMs: readonly [base: number, max: number] | undefined;
  readonly respectTtl: boolean;
  readonly family: 'auto' | 'v4-only' | 'v6-only' | 'v4-preferred' | 'all';
}

/** A cluster as configured, with Envoy's defaults filled in. Times in milliseconds. */
export interface ClusterConfig {
  readonly name: string;
  readonly statName: string;
  readonly discovery: DiscoveryType;
  readonly connectTimeoutMs: number;
  readonly bufferLimit: number;
  readonly eds: { readonly serviceName: string; readonly source: ConfigSourceSpec } | undefined;
  readonly loadAssignment: ClusterLoadAssignment | undefined;
  readonly dns: DnsOptions;
  /** Undefined where the cluster itself finds the host of a request (`CLUSTER_PROVIDED`). */
  readonly policy: Policy | undefined;
  /** Percent. */
  readonly panicThreshold: number;
  readonly thresholds: Thresholds;
  readonly highThresholds: Thresholds;
  readonly protocol: UpstreamProtocol;
  readonly http1: Http1Options;
  readonly http2: Http2Options;
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxStreamDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly http2KeepaliveMs: { readonly interval: number; readonly timeout: number } | undefined;
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
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

const HTTP_OPTIONS_KEY = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const DEFAULT_BUFFER_LIMIT = 1024 * 1024;
const HOUR = 3_600_000;

const DISCOVERY: Readonly<Record<Cluster_DiscoveryType, DiscoveryType>> = {
  [Cluster_DiscoveryType.STATIC]: 'STATIC',
  [Cluster_DiscoveryType.STRICT_DNS]: 'STRICT_DNS',
  [Cluster_DiscoveryType.LOGICAL_DNS]: 'LOGICAL_DNS',
  [Cluster_DiscoveryType.EDS]: 'EDS',
  [Cluster_DiscoveryType.ORIGINAL_DST]: 'ORIGINAL_DST',
};

const FAMILIES: Readonly<Record<Cluster_DnsLookupFamily, DnsOptions['family']>> = {
  [Cluster_DnsLookupFamily.AUTO]: 'auto',
  [Cluster_DnsLookupFamily.V4_ONLY]: 'v4-only',
  [Cluster_DnsLookupFamily.V6_ONLY]: 'v6-only',
  [Cluster_DnsLookupFamily.V4_PREFERRED]: 'v4-preferred',
  [Cluster_DnsLookupFamily.ALL]: 'all',
};

/** Reads a Cluster message. What cannot be honoured goes to `errors`. */
export function clusterConfig(proto: ClusterProto, now: () => number, errors: ConfigErrors): ClusterConfig {
  if (proto.name === '') errors.add('name', 'must not be empty');
  const discovery = discoveryType(proto, errors);
  const http = httpProtocol(proto, now, errors);
  const common = http.common;
  const bufferLimit = proto.perConnectionBufferLimitBytes ?? DEFAULT_BUFFER_LIMIT;
  const originalDst = proto.lbConfig.case === 'originalDstLbConfig' ? proto.lbConfig.value : undefined;
  return {
    name: proto.name,
    statName: proto.altStatName || proto.name,
    discovery,
    connectTimeoutMs: durationMs(proto.connectTimeout, 5000),
    bufferLimit,
    eds: discovery === 'EDS' ? edsConfig(proto, errors) : undefined,
    loadAssignment: proto.loadAssignment,
    dns: {
      refreshMs: durationMs(proto.dnsRefreshRate, 5000),
      failureRefreshMs: proto.dnsFailureRefreshRate && [
        durationMs(proto.dnsFailureRefreshRate.baseInterval, 5000),
        durationMs(
          proto.dnsFailureRefreshRate.maxInterval,
          durationMs(proto.dnsFailureRefreshRate.baseInterval, 5000) * 10,
        ),
      ],
      respectTtl: proto.respectDnsTtl,
      family: FAMILIES[proto.dnsLookupFamily],
    },
    policy: policyOf(proto, errors),
    panicThreshold: Math.round(proto.commonLbConfig?.healthyPanicThreshold?.value ?? 50),
    thresholds: thresholds(proto.circuitBreakers, RoutingPriority.DEFAULT),
    highThresholds: thresholds(proto.circuitBreakers, RoutingPriority.HIGH),
    protocol: http.protocol,
    http1: http.http1,
    http2: { ...http.http2, streamBufferLimit: bufferLimit },
    http2KeepaliveMs: http.keepalive,
    idleTimeoutMs: durationMs(common?.idleTimeout, HOUR),
    maxConnectionDurationMs: durationMs(common?.maxConnectionDuration, 0),
    maxStreamDurationMs: durationMs(common?.maxStreamDuration, 0),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? proto.maxRequestsPerConnection ?? 0,
    autoSni: http.autoSni,
    autoSanValidation: http.autoSanValidation,
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

interface HttpProtocol {
  readonly protocol: UpstreamProtocol;
  readonly common: CommonOptions | undefined;
  readonly http1: Http1Options;
  readonly http2: Http2Options;
  readonly keepalive: ClusterConfig['http2KeepaliveMs'];
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
}

/** The options of today (typed_extension_protocol_options) and those of before, which mean the same. */
function httpProtocol(proto: ClusterProto, now: () => number, errors: ConfigErrors): HttpProtocol {
  const any = proto.typedExtensionProtocolOptions[HTTP_OPTIONS_KEY];
  const limits = DEFAULT_HEAD_LIMITS;
  if (any === undefined) {
    let protocol: UpstreamProtocol = proto.http2ProtocolOptions ? { kind: 'http2' } : { kind: 'http1' };
    if (proto.protocolSelection === Cluster_ClusterProtocolSelection.USE_DOWNSTREAM_PROTOCOL)
      protocol = { kind: 'downstream' };
    return {
      protocol,
      common: proto.commonHttpProtocolOptions,
      http1: http1Options(proto.httpProtocolOptions, limits, errors.at('http_protocol_options')),
      http2: http2Options(proto.http2ProtocolOptions, limits, DEFAULT_BUFFER_LIMIT, now),
      keepalive: keepaliveOf(proto.http2ProtocolOptions),
      autoSni: proto.upstreamHttpProtocolOptions?.autoSni ?? false,
      autoSanValidation: proto.upstreamHttpProtocolOptions?.autoSanValidation ?? false,
    };
  }
  const options = fromBinary(HttpProtocolOptionsSchema, any.value);
  const at = errors.at('typed_extension_protocol_options').at(`["${HTTP_OPTIONS_KEY}"]`);
  if (options.httpFilters.length > 0) {
    // The codec filter is what every upstream chain ends in; others would change requests.
    const last = options.httpFilters.length === 1 ? options.httpFilters[0] : undefined;
    if (last?.name !== 'envoy.filters.http.upstream_codec') at.add('http_filters', 'are not supported');
  }
  const given = options.upstreamProtocolOptions;
  let protocol: UpstreamProtocol = { kind: 'http1' };
  let h1 = undefined as Parameters<typeof http1Options>[0];
  let h2 = undefined as Parameters<typeof http2Options>[0];
  if (given.case === 'explicitHttpConfig') {
    const explicit = given.value.protocolConfig;
    if (explicit.case === 'http2ProtocolOptions') {
      protocol = { kind: 'http2' };
      h2 = explicit.value;
    } else if (explicit.case === 'httpProtocolOptions') h1 = explicit.value;
    else at.add('explicit_http_config', 'only HTTP/1 and HTTP/2 are supported');
  } else if (given.case === 'useDownstreamProtocolConfig') {
    protocol = { kind: 'downstream' };
    h1 = given.value.httpProtocolOptions;
    h2 = given.value.http2ProtocolOptions;
    if (given.value.http3ProtocolOptions)
      at.add('use_downstream_protocol_config.http3_protocol_options', 'is not supported');
  } else if (given.case === 'autoConfig') {
    protocol = { kind: 'auto' };
    h1 = given.value.httpProtocolOptions;
    h2 = given.value.http2ProtocolOptions;
    if (given.value.http3ProtocolOptions) at.add('auto_config.http3_protocol_options', 'is not supported');
  }
  return {
    protocol,
    common: options.commonHttpProtocolOptions,
    http1: http1Options(h1, limits, at),
    http2: http2Options(h2, limits, DEFAULT_BUFFER_LIMIT, now),
    keepalive: keepaliveOf(h2),
    autoSni: options.upstreamHttpProtocolOptions?.autoSni ?? false,
    autoSanValidation: options.upstreamHttpProtocolOptions?.autoSanValidation ?? false,
  };
}

function keepaliveOf(h2: Parameters<typeof http2Options>[0]): ClusterConfig['http2KeepaliveMs'] {
  const interval = durationMs(h2?.connectionKeepalive?.interval, 0);
  return interval > 0 ? { interval, timeout: durationMs(h2?.connectionKeepalive?.timeout, 20_000) } : undefined;
}

function sourceAddress(proto: ClusterProto): string | undefined {
  const address = proto.upstreamBindConfig?.sourceAddress?.address;
  // A wildcard leaves the choice to the kernel, which is what no address does.
  return address && address !== '0.0.0.0' && address !== '::' ? address : undefined;
}
