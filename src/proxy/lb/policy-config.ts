import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  Cluster_LbPolicySchema,
  Cluster_RingHashLbConfig_HashFunction,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { leastRequest } from './least-request.ts';
import type { Policy } from './load-balancer.ts';
import { maglev } from './maglev.ts';
import {
  choiceCount,
  hashOptions,
  localityOptions,
  maglevOptions,
  ringOptions,
  slowStartOf,
  subsetOptions,
} from './policy-options.ts';
import { random } from './random.ts';
import { ringHash } from './ring-hash.ts';
import { roundRobin } from './round-robin.ts';
import { subsetPolicy } from './subset-balancer.ts';
import { typedPolicy } from './typed-policy.ts';
import { listPolicy } from './zone-aware-balancer.ts';

/**
 * The load balancing policy of a cluster, be it by `lb_policy` or `load_balancing_policy`; undefined if the cluster has
 * to bring its own (`CLUSTER_PROVIDED`), or after an error.
 */
export function policyOf(cluster: Cluster, errors: ConfigErrors): Policy | undefined {
  const common = cluster.commonLbConfig;
  if (cluster.loadBalancingPolicy) {
    if (cluster.lbSubsetConfig) errors.add('load_balancing_policy', 'cannot be combined with lb_subset_config');
    if (common?.localityConfigSpecifier.case !== undefined || common?.consistentHashingLbConfig) {
      errors.add(
        'load_balancing_policy',
        'cannot be combined with zone_aware_lb_config, locality_weighted_lb_config or consistent_hashing_lb_config of common_lb_config',
      );
    }
    return typedPolicy(cluster.loadBalancingPolicy, errors.at('load_balancing_policy'));
  }
  const policy = legacyPolicy(cluster, errors);
  if (policy === undefined || cluster.lbSubsetConfig === undefined) return policy;
  return subsetPolicy(subsetOptions(cluster.lbSubsetConfig, errors.at('lb_subset_config')), policy);
}

function isStrictDns({ clusterDiscoveryType: { case: kind, value } }: Cluster): boolean {
  return kind === 'clusterType'
    ? value.name === 'envoy.cluster.strict_dns'
    : value === Cluster_DiscoveryType.STRICT_DNS;
}

function legacyPolicy(cluster: Cluster, errors: ConfigErrors): Policy | undefined {
  const { lbConfig, commonLbConfig } = cluster;
  if (commonLbConfig?.consistentHashingLbConfig?.useHostnameForHashing && !isStrictDns(cluster)) {
    errors.add(
      'common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing',
      'is for clusters of type STRICT_DNS only',
    );
  }
  const localities = localityOptions(commonLbConfig);
  const hash = () =>
    hashOptions(
      commonLbConfig?.consistentHashingLbConfig,
      localities.weighted,
      errors.at('common_lb_config.consistent_hashing_lb_config'),
    );
  switch (cluster.lbPolicy) {
    case Cluster_LbPolicy.ROUND_ROBIN: {
      const config = lbConfig.case === 'roundRobinLbConfig' ? lbConfig.value : undefined;
      return listPolicy(
        'envoy.load_balancing_policies.round_robin',
        roundRobin(slowStartOf(config?.slowStartConfig)),
        localities,
      );
    }
    case Cluster_LbPolicy.LEAST_REQUEST: {
      const config = lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined;
      const factory = leastRequest({
        choices: choiceCount(config?.choiceCount, errors.at('least_request_lb_config')),
        bias: config?.activeRequestBias?.defaultValue ?? 1,
        fullScan: false,
        slowStart: slowStartOf(config?.slowStartConfig),
      });
      return listPolicy('envoy.load_balancing_policies.least_request', factory, localities);
    }
    case Cluster_LbPolicy.RANDOM:
      return listPolicy('envoy.load_balancing_policies.random', random, localities);
    case Cluster_LbPolicy.RING_HASH: {
      const config = lbConfig.case === 'ringHashLbConfig' ? lbConfig.value : undefined;
      const murmur = config?.hashFunction === Cluster_RingHashLbConfig_HashFunction.MURMUR_HASH_2;
      return ringHash(ringOptions(config, murmur, hash(), errors.at('ring_hash_lb_config')));
    }
    case Cluster_LbPolicy.MAGLEV: {
      const config = lbConfig.case === 'maglevLbConfig' ? lbConfig.value : undefined;
      return maglev(maglevOptions(config, hash(), errors.at('maglev_lb_config')));
    }
    case Cluster_LbPolicy.CLUSTER_PROVIDED:
      return undefined;
    case Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG:
      errors.add('load_balancing_policy', 'is needed with lb_policy LOAD_BALANCING_POLICY_CONFIG');
      return undefined;
    default: {
      const name = Cluster_LbPolicySchema.value[cluster.lbPolicy]?.name ?? cluster.lbPolicy;
      errors.add('lb_policy', `${name} is not supported`);
      return undefined;
    }
  }
}
