import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { PercentSchema } from '../../api/gen/envoy/type/v3/percent_pb.ts';
import type { LoadBalancer, ZoneAwareLoadBalancer } from '../../config/kinds/shared/traffic-policy.ts';
import type { Endpoint } from '../../registry/endpoint.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { applyLocality, localitySettings, zoneAwareSettings } from '../endpoint/locality.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';

/** How a cluster chooses among its endpoints (DestinationRule `loadBalancer`); least requests unless told otherwise. */
export function applyLoadBalancer(
  proxy: ProxyView,
  cluster: Cluster,
  settings: LoadBalancer | undefined,
  port: ServicePort,
  service: Service,
  members: readonly (readonly Endpoint[])[],
): void {
  const { features, mesh } = proxy;
  // Rather nobody answers than one that said it cannot.
  cluster.commonLbConfig!.healthyPanicThreshold ??= create(PercentSchema, { value: 0 });
  const locality = localitySettings(mesh, settings, service);
  const failover = cluster.outlierDetection !== undefined || locality?.always === true;
  const weighted =
    features.localityWeightedLb ||
    (failover && (locality?.setting.failover !== undefined || locality?.setting.failoverPriority !== undefined)) ||
    locality?.setting.distribute !== undefined;
  const zoneAware = zoneAwareSettings(mesh, settings, service);
  if (zoneAware !== undefined) {
    applyZoneAwareness(cluster, zoneAware);
  } else if (weighted) {
    cluster.commonLbConfig!.localityConfigSpecifier = create(Cluster_CommonLbConfigSchema, {
      localityConfigSpecifier: { case: 'localityWeightedLbConfig', value: {} },
    }).localityConfigSpecifier;
  }
  if (cluster.loadAssignment !== undefined && locality !== undefined) {
    applyLocality(cluster.loadAssignment, members, proxy, locality, failover);
  }

  if (discoveryType(cluster) === Cluster_DiscoveryType.ORIGINAL_DST) {
    cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
    return;
  }
  if (features.redisFilter && port.protocol === 'Redis') {
    cluster.lbPolicy = Cluster_LbPolicy.MAGLEV;
    return;
  }
  switch (settings?.simple) {
    case 'RANDOM':
      cluster.lbPolicy = Cluster_LbPolicy.RANDOM;
      break;
    case 'ROUND_ROBIN':
      cluster.lbPolicy = Cluster_LbPolicy.ROUND_ROBIN;
      applyWarmup(cluster, 'roundRobinLbConfig', settings);
      break;
    case 'PASSTHROUGH':
      cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
      cluster.clusterDiscoveryType = { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST };
      cluster.loadAssignment = undefined;
      break;
    default:
      cluster.lbPolicy = Cluster_LbPolicy.LEAST_REQUEST;
      applyWarmup(cluster, 'leastRequestLbConfig', settings);
  }
  applyConsistentHash(cluster, settings);
}

/** The proxy keeps to its own zone as far as that has its share of the endpoints (`zone_aware_lb_config`). */
function applyZoneAwareness(cluster: Cluster, { enabled, minClusterSize }: ZoneAwareLoadBalancer): void {
  cluster.commonLbConfig!.localityConfigSpecifier = create(Cluster_CommonLbConfigSchema, {
    localityConfigSpecifier: {
      case: 'zoneAwareLbConfig',
      value: {
        ...(enabled === false ? { routingEnabled: { value: 0 } } : {}),
        ...(minClusterSize === undefined ? {} : { minClusterSize: BigInt(minClusterSize) }),
      },
    },
  }).localityConfigSpecifier;
}

/** The `type` of a cluster; undefined for a custom one. */
export function discoveryType(cluster: Cluster): Cluster_DiscoveryType | undefined {
  return cluster.clusterDiscoveryType.case === 'type' ? cluster.clusterDiscoveryType.value : undefined;
}

/** New endpoints get their share of requests little by little. */
function applyWarmup(
  cluster: Cluster,
  policy: 'roundRobinLbConfig' | 'leastRequestLbConfig',
  settings: LoadBalancer | undefined,
): void {
  const { warmup, warmupDurationSecs } = settings ?? {};
  const window = warmup?.duration ?? warmupDurationSecs;
  if (window === undefined) return;
  cluster.lbConfig = create(ClusterSchema, {
    lbConfig: {
      case: policy,
      value: {
        slowStartConfig: {
          slowStartWindow: duration(window),
          ...(warmup === undefined
            ? {}
            : {
                aggression: { defaultValue: warmup.aggression ?? 1, runtimeKey: NO_RUNTIME_KEY },
                minWeightPercent: { value: warmup.minimumPercent ?? 10 },
              }),
        },
      },
    },
  }).lbConfig;
}

/** Envoy wants a name under which the value could be changed at run time. This one is nobody's. */
const NO_RUNTIME_KEY = '(';

function applyConsistentHash(cluster: Cluster, settings: LoadBalancer | undefined): void {
  const hash = settings?.consistentHash;
  if (hash === undefined) return;
  if (hash.maglev !== undefined) {
    cluster.lbPolicy = Cluster_LbPolicy.MAGLEV;
    if (!hash.maglev.tableSize) return;
    const tableSize = BigInt(hash.maglev.tableSize);
    cluster.lbConfig = create(ClusterSchema, { lbConfig: { case: 'maglevLbConfig', value: { tableSize } } }).lbConfig;
    return;
  }
  cluster.lbPolicy = Cluster_LbPolicy.RING_HASH;
  const size = hash.ringHash === undefined ? hash.minimumRingSize || 1024 : hash.ringHash.minimumRingSize;
  if (!size) return;
  cluster.lbConfig = create(ClusterSchema, {
    lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(size) } },
  }).lbConfig;
}
