import type { KindDefinition } from '../../../../src/config/kinds/definition.ts';
import { kindOf } from '../../../../src/config/kinds/index.ts';
import type { FieldPath } from '../../../../src/config/object.ts';
import { readObject } from '../../../../src/config/read.ts';
import { ENVOY_FILTER_RATES, ENVOY_FILTER_RULES } from './envoy-filter.ts';
import { NAMESPACES } from './pools.ts';
import type { Random } from './prng.ts';
import { NETWORKING_RATES, NETWORKING_RULES } from './rules-networking.ts';
import { POLICY_RATES, POLICY_RULES } from './rules-policy.ts';
import { type Walk, walk } from './walk.ts';

export interface RandomObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
  };
  readonly spec: unknown;
}

/** Kinds with their API version, the prefix of their names, and how many of them a mesh has. */
const KINDS: readonly (readonly [apiVersion: string, kind: string, prefix: string, most: number])[] = [
  ['networking.istio.io/v1', 'ServiceEntry', 'se', 7],
  ['networking.istio.io/v1', 'WorkloadEntry', 'we', 3],
  ['networking.istio.io/v1', 'Gateway', 'gw', 3],
  ['networking.istio.io/v1', 'VirtualService', 'vs', 5],
  ['networking.istio.io/v1', 'DestinationRule', 'dr', 4],
  ['networking.istio.io/v1', 'Sidecar', 'sc', 1],
  ['networking.istio.io/v1alpha3', 'EnvoyFilter', 'ef', 2],
  ['networking.istio.io/v1beta1', 'ProxyConfig', 'pc', 1],
  ['security.istio.io/v1', 'PeerAuthentication', 'pa', 2],
  ['security.istio.io/v1', 'RequestAuthentication', 'ra', 2],
  ['security.istio.io/v1', 'AuthorizationPolicy', 'ap', 3],
  ['telemetry.istio.io/v1', 'Telemetry', 'tel', 2],
  ['extensions.istio.io/v1alpha1', 'TrafficExtension', 'te', 1],
];

/** The kinds that a random mesh has, as our own schemas know them. */
export const RANDOM_KINDS: readonly KindDefinition[] = KINDS.map(([apiVersion, kind]) => kindOf(apiVersion, kind)!);

const RULES = { ...NETWORKING_RULES, ...POLICY_RULES, ...ENVOY_FILTER_RULES };
const RATES = { ...NETWORKING_RATES, ...POLICY_RATES, ...ENVOY_FILTER_RATES };

/** The objects of a random mesh. All are valid: what a rule of validation refuses of one is taken out of it again. */
export function randomObjects(random: Random): RandomObject[] {
  const out: RandomObject[] = [];
  for (const [index, [apiVersion, kind, prefix, most]] of KINDS.entries()) {
    // Most meshes have no patches and no extensions, that what is without them shows as well.
    if (index > 3 && !random.chance(0.65)) continue;
    const count = random.int(most > 2 ? 1 : 0, most);
    for (let i = 0; i < count; i++) {
      const object = randomObject(random, apiVersion, kind, prefix, i);
      if (object !== undefined) out.push(object);
    }
  }
  return out;
}

function randomObject(
  random: Random,
  apiVersion: string,
  kind: string,
  prefix: string,
  index: number,
): RandomObject | undefined {
  const definition = kindOf(apiVersion, kind)!;
  const settings: Walk = { random, rules: RULES, rates: RATES, density: random.pick([0.06, 0.15, 0.3]) };
  const object = {
    apiVersion,
    kind,
    metadata: { name: `${prefix}${index}`, namespace: random.pick(NAMESPACES), ...metadataOf(random, kind, index) },
    spec: walk(settings, definition.schema, kind),
  };
  return repair(object) ? object : undefined;
}

/** Of two ServiceEntries of one host and age istiod takes either, another each time: so they are all of another age. */
function creationTimestamp(random: Random, kind: string, index: number): string | undefined {
  const day = random.int(1, 5);
  if (kind === 'ServiceEntry') return `2024-01-0${day}T00:00:0${index}Z`;
  return random.chance(0.2) ? `2024-01-0${day}T00:00:00Z` : undefined;
}

function metadataOf(
  random: Random,
  kind: string,
  index: number,
): Pick<RandomObject['metadata'], 'annotations' | 'labels' | 'creationTimestamp'> {
  const annotations: Record<string, string> = {};
  if (kind === 'AuthorizationPolicy' && random.chance(0.15)) annotations['istio.io/dry-run'] = 'true';
  if (kind === 'ServiceEntry' && random.chance(0.1)) {
    const distributions = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
    annotations['networking.istio.io/traffic-distribution'] = random.pick(distributions);
  }
  const created = creationTimestamp(random, kind, index);
  return {
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    ...(kind === 'ServiceEntry' && random.chance(0.15) ? { labels: serviceLabels(random) } : {}),
    ...(created === undefined ? {} : { creationTimestamp: created }),
  };
}

function serviceLabels(random: Random): Record<string, string> {
  return random.pick<Record<string, string>>([
    { team: 'x' },
    { 'istio.io/persistent-session': 'ck' },
    { 'istio.io/persistent-session-header': 'x-session' },
    { 'service.istio.io/canonical-name': 'canon' },
  ]);
}

const MAX_REPAIRS = 40;

/** Takes out of an object what validation refuses, until nothing is refused. Returns false when nothing is left of it. */
function repair(object: { spec: unknown }): boolean {
  for (let i = 0; i < MAX_REPAIRS; i++) {
    const { errors } = readObject(object, (path) => ({ file: JSON.stringify(path) }));
    const first = errors[0];
    if (first === undefined) return true;
    if (!remove(object, JSON.parse(first.at.file) as FieldPath)) return false;
  }
  return false;
}

/** Removes the field at a path, or the nearest that is there. The spec itself, or anything outside of it, is not removed. */
export function remove(root: unknown, path: FieldPath): boolean {
  let parent = root as Record<string | number, unknown>;
  let last: (() => void) | undefined;
  for (const [depth, key] of path.entries()) {
    if (typeof parent !== 'object' || parent === null || !(key in parent)) break;
    const here = parent;
    if (depth > 0) last = () => (Array.isArray(here) ? here.splice(Number(key), 1) : delete here[key]);
    parent = here[key] as Record<string | number, unknown>;
  }
  last?.();
  return last !== undefined;
}
