import type { Subset } from '../config/kinds/destination-rule/schema.ts';
import type { PortTrafficPolicy, TrafficPolicy } from '../config/kinds/shared/traffic-policy.ts';
import type { DestinationRule } from './index/destination-rules.ts';
import type { Mesh } from './mesh.ts';

/** The parts of a traffic policy that make a cluster. */
export type ClusterPolicy = Omit<TrafficPolicy, 'portLevelSettings' | 'tunnel'>;

/**
 * What the policy of a DestinationRule says about a port, and where it says nothing, MeshConfig `defaultTrafficPolicy`:
 * a part that the rule has hides the whole of the mesh's.
 */
export function generalPolicy(mesh: Mesh, rule: DestinationRule | undefined, port: number): ClusterPolicy | undefined {
  const own = policyForPort(rule?.spec.trafficPolicy, port);
  const defaults = mesh.defaultTrafficPolicy;
  return defaults === undefined ? own : { ...defaults, ...(own && defined(own)) };
}

/**
 * What a policy says about a port. Settings for the port stand for themselves: what they leave out is at its default and
 * not as in the rest of the policy (DestinationRule `portLevelSettings`).
 */
function policyForPort(policy: TrafficPolicy | undefined, port: number): ClusterPolicy | undefined {
  const own = policy?.portLevelSettings?.find((settings) => settings.port?.number === port);
  return own === undefined ? policy : partsOf(own);
}

function partsOf({ loadBalancer, connectionPool, outlierDetection, tls }: PortTrafficPolicy): ClusterPolicy {
  return { loadBalancer, connectionPool, outlierDetection, tls };
}

/** A subset's policy over the general one for the port. Its settings for the port hide what both say else. */
export function subsetPolicy(
  general: ClusterPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): ClusterPolicy | undefined {
  if (subset === undefined) return general;
  const { portLevelSettings, ...own } = subset;
  const ofPort = portLevelSettings?.find((settings) => settings.port?.number === port);
  return { ...general, ...defined(own), ...(ofPort === undefined ? {} : partsOf(ofPort)) };
}

/** The policy for a port of a service or of one of its subsets. */
export function policyOf(rule: DestinationRule | undefined, subset: string, port: number): ClusterPolicy | undefined {
  return subsetPolicy(policyForPort(rule?.spec.trafficPolicy, port), subsetOf(rule, subset)?.trafficPolicy, port);
}

/** The subset of a rule by its name; undefined for the empty name. */
export function subsetOf(rule: DestinationRule | undefined, name: string): Subset | undefined {
  return name === '' ? undefined : rule?.spec.subsets?.find((subset) => subset.name === name);
}

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
