import { fromBinary, type Message } from '@bufbuild/protobuf';
import type { LoadBalancingPolicy } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { LeastRequest } from '../../api/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.ts';
import type { Maglev } from '../../api/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.ts';
import type { OverrideHost } from '../../api/gen/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.ts';
import type { Random } from '../../api/gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.ts';
import type { RingHash } from '../../api/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.ts';
import type { RoundRobin } from '../../api/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.ts';
import type { Subset } from '../../api/gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.ts';
import type { WrrLocality } from '../../api/gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.ts';
import type { MetadataKey } from '../../api/gen/envoy/type/metadata/v3/metadata_pb.ts';
import { schemaOf, typeNameOf } from '../../api/registry.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { leastRequest } from './least-request.ts';
import type { Policy } from './load-balancer.ts';
import { maglev } from './maglev.ts';
import { type MetadataPath, type OverrideSource, overrideHost } from './override-host.ts';
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
import { SUPPORTED } from './supported.ts';
import { listPolicy } from './zone-aware-balancer.ts';

const PACKAGE = 'envoy.extensions.load_balancing_policies';

// Values of the typed policies' enums: their modules are loaded only when somebody uses them.
const FULL_SCAN = 1;
const MURMUR_HASH_2 = 2;

/** Reads one kind of typed configuration. Undefined after an error, or if the cluster has to bring the policy. */
type Reader = (config: Message, errors: ConfigErrors) => Policy | undefined;

function reader<T extends Message>(
  name: T['$typeName'],
  read: (config: T, errors: ConfigErrors) => Policy | undefined,
): readonly [string, Reader] {
  return [name, (config, errors) => read(config as T, errors)];
}

const READERS: ReadonlyMap<string, Reader> = new Map([
  reader<RoundRobin>(`${PACKAGE}.round_robin.v3.RoundRobin`, (config) =>
    listPolicy(
      'envoy.load_balancing_policies.round_robin',
      roundRobin(slowStartOf(config.slowStartConfig)),
      localityOptions(config.localityLbConfig),
    ),
  ),
  reader<LeastRequest>(`${PACKAGE}.least_request.v3.LeastRequest`, (config, errors) => {
    const factory = leastRequest({
      choices: choiceCount(config.choiceCount, errors),
      bias: config.activeRequestBias?.defaultValue ?? 1,
      fullScan: Number(config.selectionMethod) === FULL_SCAN || config.enableFullScan === true,
      slowStart: slowStartOf(config.slowStartConfig),
    });
    return listPolicy('envoy.load_balancing_policies.least_request', factory, localityOptions(config.localityLbConfig));
  }),
  reader<Random>(`${PACKAGE}.random.v3.Random`, (config) =>
    listPolicy('envoy.load_balancing_policies.random', random, localityOptions(config.localityLbConfig)),
  ),
  reader<RingHash>(`${PACKAGE}.ring_hash.v3.RingHash`, (config, errors) => {
    const weighted = config.localityWeightedLbConfig !== undefined;
    const hash = hashOptions(config.consistentHashingLbConfig ?? config, weighted, errors);
    return ringHash(ringOptions(config, Number(config.hashFunction) === MURMUR_HASH_2, hash, errors));
  }),
  reader<Maglev>(`${PACKAGE}.maglev.v3.Maglev`, (config, errors) => {
    const weighted = config.localityWeightedLbConfig !== undefined;
    return maglev(maglevOptions(config, hashOptions(config.consistentHashingLbConfig, weighted, errors), errors));
  }),
  reader<Subset>(`${PACKAGE}.subset.v3.Subset`, (config, errors) => {
    const policy = needed(config.subsetLbPolicy, errors.at('subset_lb_policy'));
    return policy && subsetPolicy(subsetOptions(config, errors), policy);
  }),
  reader<WrrLocality>(`${PACKAGE}.wrr_locality.v3.WrrLocality`, (config, errors) => {
    const at = errors.at('endpoint_picking_policy');
    const policy = needed(config.endpointPickingPolicy, at);
    if (policy && !policy.byLocality) at.add('', 'must be a policy that chooses among the hosts of a list');
    return policy?.byLocality?.();
  }),
  reader<OverrideHost>(`${PACKAGE}.override_host.v3.OverrideHost`, overridePolicy),
  [`${PACKAGE}.cluster_provided.v3.ClusterProvided`, () => undefined],
]);

function needed(config: LoadBalancingPolicy | undefined, errors: ConfigErrors): Policy | undefined {
  if (config !== undefined) return typedPolicy(config, errors);
  errors.add('', 'is needed');
  return undefined;
}

/** Takes the first policy of the list that is known, as Envoy does. */
export function typedPolicy(config: LoadBalancingPolicy, errors: ConfigErrors): Policy | undefined {
  for (let i = 0; i < config.policies.length; i++) {
    const extension = config.policies[i].typedExtensionConfig;
    const any = extension?.typedConfig;
    const at = errors.at('policies').at(i).at('typed_extension_config');
    if (any === undefined) {
      at.add('typed_config', 'is needed');
      return undefined;
    }
    const name = typeNameOf(any.typeUrl);
    const read = READERS.get(name);
    const schema = schemaOf(name);
    if (read !== undefined && schema !== undefined) {
      const here = at.at('typed_config');
      const message = fromBinary(schema, any.value);
      const before = errors.list.length;
      checkSupported(schema, message, SUPPORTED, here);
      return errors.list.length > before ? undefined : read(message, here);
    }
    if (ENVOYS_OWN.has(name)) {
      // Envoy would take it; the next one in the list would be something else than what was asked for.
      at.add('typed_config', `${any.typeUrl} is not supported`);
      return undefined;
    }
  }
  const names = config.policies.map(({ typedExtensionConfig }) => typedExtensionConfig?.name ?? '').join(', ');
  errors.add('policies', `none of the policies is known: [${names}]`);
  return undefined;
}

/** Policies that Envoy has and we do not. */
const ENVOYS_OWN: ReadonlySet<string> = new Set([
  `${PACKAGE}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`,
]);

function overridePolicy(config: OverrideHost, errors: ConfigErrors): Policy | undefined {
  const at = errors.at('override_host_sources');
  if (config.overrideHostSources.length === 0) at.add('', 'must not be empty');
  const sources = config.overrideHostSources.map(({ header, metadata }, i): OverrideSource => {
    if ((header === '') === (metadata === undefined)) at.at(i).add('', 'either header or metadata is needed');
    return metadata === undefined ? { header: header.toLowerCase() } : { metadata: metadataPath(metadata) };
  });
  const fallback = needed(config.fallbackPolicy, errors.at('fallback_policy'));
  const selected = config.selectedHostKey && metadataPath(config.selectedHostKey);
  return fallback && overrideHost({ sources, selected }, fallback);
}

function metadataPath({ key, path }: MetadataKey): MetadataPath {
  return { key, path: path.map(({ segment }) => segment.value ?? '') };
}
