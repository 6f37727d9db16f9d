import {
  type Cluster_CommonLbConfig,
  type Cluster_LbSubsetConfig,
  Cluster_LbSubsetConfig_LbSubsetFallbackPolicy as FallbackPolicy,
  Cluster_LbSubsetConfig_LbSubsetMetadataFallbackPolicy as MetadataFallback,
  Cluster_LbSubsetConfig_LbSubsetSelector_LbSubsetSelectorFallbackPolicy as SelectorFallback,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { RuntimeDouble } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type {
  ConsistentHashingLbConfig,
  LocalityLbConfig,
} from '../../api/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.ts';
import type { Subset } from '../../api/gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.ts';
import type { Percent } from '../../api/gen/envoy/type/v3/percent_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { durationMs } from '../config/values.ts';
import type { HashOptions } from './hash-balancer.ts';
import { DEFAULT_TABLE_SIZE, MAXIMUM_TABLE_SIZE, type MaglevOptions } from './maglev.ts';
import { DEFAULT_MINIMUM_RING_SIZE, MAXIMUM_RING_SIZE, type RingOptions } from './ring-hash.ts';
import type { SlowStart } from './slow-start.ts';
import type { SubsetFallback, SubsetOptions, SubsetSelector } from './subset-options.ts';
import type { LocalityOptions } from './zone-aware-balancer.ts';
import { DEFAULT_ZONE_AWARE } from './zone-routing.ts';

/** Both forms of it: in `round_robin_lb_config` and its like, and in the typed policies. */
interface SlowStartConfig {
  readonly slowStartWindow?: Parameters<typeof durationMs>[0];
  readonly aggression?: RuntimeDouble;
  readonly minWeightPercent?: Percent;
}

/** Reads `slow_start_config`; undefined without a window. */
export function slowStartOf(config: SlowStartConfig | undefined): SlowStart | undefined {
  const windowMs = durationMs(config?.slowStartWindow, 0);
  if (config === undefined || windowMs === 0) return undefined;
  const aggression = config.aggression?.defaultValue ?? 1;
  return {
    windowMs,
    aggression: aggression > 0 ? aggression : 1,
    minWeightPercent: config.minWeightPercent?.value ?? 10,
  };
}

/** `choice_count` of the least-request policies. */
export function choiceCount(configured: number | undefined, errors: ConfigErrors): number {
  if (configured !== undefined && configured < 2) errors.add('choice_count', 'must be 2 or more');
  return configured ?? 2;
}

/** `locality_lb_config` of a typed policy, or the same fields of `common_lb_config`. */
export function localityOptions(config: LocalityLbConfig | Cluster_CommonLbConfig | undefined): LocalityOptions {
  const specifier = config?.localityConfigSpecifier;
  const zoneAware = specifier?.case === 'zoneAwareLbConfig' ? specifier.value : undefined;
  return {
    weighted: specifier?.case === 'localityWeightedLbConfig',
    zoneAware: {
      routingEnabled: Math.round(zoneAware?.routingEnabled?.value ?? DEFAULT_ZONE_AWARE.routingEnabled),
      minClusterSize: Number(zoneAware?.minClusterSize ?? DEFAULT_ZONE_AWARE.minClusterSize),
      failTrafficOnPanic: zoneAware?.failTrafficOnPanic ?? false,
    },
  };
}

/** Reads `ConsistentHashingLbConfig`. */
export function hashOptions(
  config: Pick<ConsistentHashingLbConfig, 'useHostnameForHashing' | 'hashBalanceFactor'> | undefined,
  localityWeighted: boolean,
  errors: ConfigErrors,
): HashOptions {
  const balanceFactor = config?.hashBalanceFactor ?? 0;
  if (balanceFactor > 0 && balanceFactor < 100) errors.add('hash_balance_factor', 'must be 100 or more');
  return { useHostname: config?.useHostnameForHashing ?? false, balanceFactor, localityWeighted };
}

/** Reads the sizes of `RING_HASH`, from 1024 to 8M entries unless told; `murmur`: hashes are Murmur's. */
export function ringOptions(
  config: { readonly minimumRingSize?: bigint; readonly maximumRingSize?: bigint } | undefined,
  murmur: boolean,
  hash: HashOptions,
  errors: ConfigErrors,
): RingOptions {
  const minimumSize = Number(config?.minimumRingSize ?? DEFAULT_MINIMUM_RING_SIZE);
  const maximumSize = Number(config?.maximumRingSize ?? MAXIMUM_RING_SIZE);
  const tooLarge = `must not be above ${MAXIMUM_RING_SIZE}`;
  if (minimumSize > MAXIMUM_RING_SIZE) errors.add('minimum_ring_size', tooLarge);
  if (maximumSize > MAXIMUM_RING_SIZE) errors.add('maximum_ring_size', tooLarge);
  if (minimumSize > maximumSize) {
    errors.add('', `ring hash: minimum_ring_size (${minimumSize}) > maximum_ring_size (${maximumSize})`);
  }
  return { ...hash, minimumSize, maximumSize, murmur };
}

/** Reads the table size of `MAGLEV`, a prime; 65537 unless told. */
export function maglevOptions(
  config: { readonly tableSize?: bigint } | undefined,
  hash: HashOptions,
  errors: ConfigErrors,
): MaglevOptions {
  const tableSize = Number(config?.tableSize ?? DEFAULT_TABLE_SIZE);
  if (tableSize > MAXIMUM_TABLE_SIZE) errors.add('table_size', `must not be above ${MAXIMUM_TABLE_SIZE}`);
  else if (!isPrime(tableSize)) errors.add('table_size', 'The table size of maglev must be prime number');
  return { ...hash, tableSize };
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
}

const FALLBACK: Readonly<Record<number, SubsetFallback>> = {
  [FallbackPolicy.NO_FALLBACK]: 'none',
  [FallbackPolicy.ANY_ENDPOINT]: 'any',
  [FallbackPolicy.DEFAULT_SUBSET]: 'default',
};

const SELECTOR_FALLBACK: Readonly<Record<number, SubsetSelector['fallback']>> = {
  [SelectorFallback.NO_FALLBACK]: 'none',
  [SelectorFallback.ANY_ENDPOINT]: 'any',
  [SelectorFallback.DEFAULT_SUBSET]: 'default',
  [SelectorFallback.KEYS_SUBSET]: 'keys',
};

/** The numbers of both enums are the same in `lb_subset_config` and in the typed policy. */
export function subsetOptions(config: Cluster_LbSubsetConfig | Subset, errors: ConfigErrors): SubsetOptions {
  return {
    fallback: FALLBACK[config.fallbackPolicy] ?? 'none',
    defaultSubset: config.defaultSubset ?? {},
    selectors: config.subsetSelectors.map((selector, i) => {
      const at = errors.at('subset_selectors').at(i);
      const keys = [...new Set(selector.keys)].sort();
      const fallbackKeys = [...new Set(selector.fallbackKeysSubset)].sort();
      const fallback = SELECTOR_FALLBACK[selector.fallbackPolicy];
      checkFallbackKeys(keys, fallbackKeys, fallback, at);
      return { keys, fallback, fallbackKeys, singleHost: selector.singleHostPerSubset };
    }),
    localityWeightAware: config.localityWeightAware,
    scaleLocalityWeight: config.scaleLocalityWeight,
    panicModeAny: config.panicModeAny,
    listAsAny: config.listAsAny,
    fallbackList: Number(config.metadataFallbackPolicy) === MetadataFallback.FALLBACK_LIST,
    redundantKeys: 'allowRedundantKeys' in config && config.allowRedundantKeys,
  };
}

function checkFallbackKeys(
  keys: readonly string[],
  fallbackKeys: readonly string[],
  fallback: SubsetSelector['fallback'],
  errors: ConfigErrors,
): void {
  const add = (message: string) => errors.add('fallback_keys_subset', message);
  if (fallback !== 'keys') {
    if (fallbackKeys.length > 0) add('can be set only for KEYS_SUBSET fallback_policy');
  } else if (fallbackKeys.length === 0) add('cannot be empty');
  else if (!fallbackKeys.every((key) => keys.includes(key))) add('must be a subset of selector keys');
  else if (fallbackKeys.length === keys.length) add('cannot be equal to keys');
}
