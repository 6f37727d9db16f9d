import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import {
  type TcpProxy,
  TcpProxySchema,
} from '../../api/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts';
import { HashPolicySchema } from '../../api/gen/envoy/type/v3/hash_policy_pb.ts';
import { durationOf } from '../features.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import { domainName } from '../names.ts';
import { filter } from '../proto/any.ts';
import { duration, optionalDuration } from '../proto/values.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { subsetOf } from '../traffic-policy.ts';

export const TCP_PROXY = 'envoy.filters.network.tcp_proxy';

export interface TcpOptions {
  readonly listenerClass: ListenerClass;
  readonly statPrefix: string;
  readonly cluster: string | WeightedCluster[];
  /** Of the destination; of several, the first's. */
  readonly rule?: DestinationRule | undefined;
  readonly subset?: string;
  /** It leads nowhere: there is nothing to log. */
  readonly silent?: boolean;
  /** Whether a DestinationRule's tunnel counts. */
  readonly tunnels?: boolean;
}

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
}

/** The network filter that sends a connection to a cluster. */
export function tcpProxyFilter(proxy: ProxyView, options: TcpOptions): Filter {
  return create(FilterSchema, filter(TCP_PROXY, TcpProxySchema, tcpProxy(proxy, options)));
}

function tcpProxy(proxy: ProxyView, options: TcpOptions): TcpProxy {
  const { cluster, listenerClass, rule, silent = false, statPrefix, subset = '' } = options;
  const pool = rule?.spec.trafficPolicy?.connectionPool?.tcp;
  const idleTimeout = pool?.idleTimeout ?? (silent ? undefined : durationOf(proxy.node.idleTimeout));
  const lifetime = optionalDuration(pool?.maxConnectionDuration);
  return create(TcpProxySchema, {
    statPrefix,
    clusterSpecifier:
      typeof cluster === 'string'
        ? { case: 'cluster', value: cluster }
        : { case: 'weightedClusters', value: { clusters: cluster } },
    ...(idleTimeout === undefined ? {} : { idleTimeout: duration(idleTimeout) }),
    ...(lifetime === undefined ? {} : { maxDownstreamConnectionDuration: lifetime }),
    accessLog: silent ? [] : [...accessLogs(proxy, listenerClass).tcp],
    hashPolicy: hashesBySource(rule, subset)
      ? [create(HashPolicySchema, { policySpecifier: { case: 'sourceIp', value: {} } })]
      : [],
    ...(options.tunnels ? tunneling(rule, subset) : {}),
  });
}

/** A subset that has a load balancer decides for itself. */
function hashesBySource(rule: DestinationRule | undefined, subset: string): boolean {
  const general = rule?.spec.trafficPolicy?.loadBalancer;
  const own = subsetOf(rule, subset)?.trafficPolicy?.loadBalancer;
  return (own ?? general)?.consistentHash?.useSourceIp === true;
}

/** Carries connections inside of CONNECT or POST requests to a proxy (DestinationRule `tunnel`). */
function tunneling(
  rule: DestinationRule | undefined,
  subset: string,
): Pick<MessageInitShape<typeof TcpProxySchema> & object, 'tunnelingConfig'> {
  const tunnel = subsetOf(rule, subset)?.trafficPolicy?.tunnel ?? rule?.spec.trafficPolicy?.tunnel;
  if (tunnel === undefined) return {};
  return {
    tunnelingConfig: {
      hostname: domainName(tunnel.targetHost ?? '', tunnel.targetPort ?? 0),
      usePost: tunnel.protocol === 'POST',
    },
  };
}
