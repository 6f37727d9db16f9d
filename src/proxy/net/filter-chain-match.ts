import type { CidrRange as CidrProto } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import {
  type FilterChainMatch as Proto,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type CidrSet, cidrSet } from '../../base/cidr.ts';
import type { ConfigErrors } from '../config/errors.ts';

/** What is known of a connection when its filter chain is chosen. */
export interface MatchFacts {
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly serverName: string;
  /** `tls` or `raw_buffer`. */
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
  readonly directSourceAddress: string;
  readonly sourceAddress: string;
  readonly sourcePort: number;
}

/** How well a chain meets one criterion: 0 it names none, above that the more specific the higher, -1 it does not match. */
type Criterion = (facts: MatchFacts) => number;

interface Compiled<T> {
  readonly chain: T;
  readonly criteria: readonly Criterion[];
}

const CACHE_LIMIT = 1024;

/**
 * Chooses a filter chain as Envoy does: criterion by criterion in a fixed order, at each one keeping only the chains
 * that meet it best. There is no way back: a chain with the right port and the wrong name does not make room for one
 * without a port.
 */
export class FilterChainMatcher<T> {
  readonly #compiled: Compiled<T>[] = [];
  readonly #cacheable: boolean;
  readonly #cache = new Map<string, T | undefined>();

  constructor(chains: readonly { readonly match: Proto | undefined; readonly chain: T }[], errors: ConfigErrors) {
    let cacheable = true;
    chains.forEach(({ match, chain }, i) => {
      this.#compiled.push({
        chain,
        criteria: criteria(match, errors.at('filter_chains').at(i).at('filter_chain_match')),
      });
      const byAddress =
        match !== undefined &&
        (match.prefixRanges.length > 0 ||
          match.sourcePrefixRanges.length > 0 ||
          match.directSourcePrefixRanges.length > 0 ||
          match.sourcePorts.length > 0 ||
          match.sourceType !== SourceType.ANY);
      if (byAddress) cacheable = false;
    });
    this.#cacheable = cacheable;
  }

  find(facts: MatchFacts): T | undefined {
    if (!this.#cacheable) return this.#search(facts);
    const key = `${facts.destinationPort}|${facts.serverName}|${facts.transportProtocol}|${facts.applicationProtocols.join()}`;
    if (this.#cache.has(key)) return this.#cache.get(key);
    const found = this.#search(facts);
    if (this.#cache.size >= CACHE_LIMIT) this.#cache.clear();
    this.#cache.set(key, found);
    return found;
  }

  #search(facts: MatchFacts): T | undefined {
    let candidates: readonly Compiled<T>[] = this.#compiled;
    for (let step = 0; step < STEPS && candidates.length > 0; step++) {
      let best = 0;
      let kept: Compiled<T>[] = [];
      for (const candidate of candidates) {
        const score = candidate.criteria[step](facts);
        if (score < 0 || score < best) continue;
        if (score > best) {
          best = score;
          kept = [];
        }
        kept.push(candidate);
      }
      candidates = kept;
    }
    return candidates[0]?.chain;
  }
}

const STEPS = 9;
const ANY: Criterion = () => 0;

function criteria(match: Proto | undefined, errors: ConfigErrors): Criterion[] {
  if (match === undefined) return Array.from({ length: STEPS }, () => ANY);
  const { destinationPort, serverNames, transportProtocol, applicationProtocols, sourcePorts } = match;
  return [
    destinationPort === undefined ? ANY : (facts) => (facts.destinationPort === destinationPort ? 1 : -1),
    prefixes(match.prefixRanges, (facts) => facts.destinationAddress, errors.at('prefix_ranges')),
    serverNames.length === 0 ? ANY : names(serverNames, errors.at('server_names')),
    transportProtocol === '' ? ANY : (facts) => (facts.transportProtocol === transportProtocol ? 1 : -1),
    applicationProtocols.length === 0
      ? ANY
      : (facts) => (facts.applicationProtocols.some((p) => applicationProtocols.includes(p)) ? 1 : -1),
    prefixes(
      match.directSourcePrefixRanges,
      (facts) => facts.directSourceAddress,
      errors.at('direct_source_prefix_ranges'),
    ),
    sourceType(match.sourceType),
    prefixes(match.sourcePrefixRanges, (facts) => facts.sourceAddress, errors.at('source_prefix_ranges')),
    sourcePorts.length === 0 ? ANY : (facts) => (sourcePorts.includes(facts.sourcePort) ? 1 : -1),
  ];
}

function prefixes(ranges: readonly CidrProto[], of: (facts: MatchFacts) => string, errors: ConfigErrors): Criterion {
  if (ranges.length === 0) return ANY;
  const sets: { readonly length: number; readonly set: CidrSet }[] = [];
  ranges.forEach((range, i) => {
    try {
      const length = range.prefixLen ?? 0;
      sets.push({ length, set: cidrSet([{ address: range.addressPrefix, length }]) });
    } catch (error) {
      errors.at(i).add('', (error as Error).message);
    }
  });
  sets.sort((a, b) => b.length - a.length);
  // A range of all addresses is still more than no range.
  return (facts) => {
    const hit = sets.find(({ set }) => set.contains(of(facts)));
    return hit === undefined ? -1 : hit.length + 1;
  };
}

function names(serverNames: readonly string[], errors: ConfigErrors): Criterion {
  const exact = new Set<string>();
  const suffixes: string[] = [];
  serverNames.forEach((name, i) => {
    if (name.startsWith('*.')) suffixes.push(name.slice(1).toLowerCase());
    else if (name.includes('*')) errors.at(i).add('', `${JSON.stringify(name)}: partial wildcards are not supported`);
    else exact.add(name.toLowerCase());
  });
  return ({ serverName }) => {
    if (serverName !== '' && exact.has(serverName)) return 1000;
    let best = -1;
    for (const suffix of suffixes) {
      if (serverName.length > suffix.length && serverName.endsWith(suffix)) best = Math.max(best, suffix.length);
    }
    return best;
  };
}

function sourceType(type: SourceType): Criterion {
  if (type === SourceType.ANY) return ANY;
  const wanted = type === SourceType.SAME_IP_OR_LOOPBACK;
  return ({ sourceAddress, destinationAddress }) => {
    const local = sourceAddress === destinationAddress || sourceAddress.startsWith('127.') || sourceAddress === '::1';
    return local === wanted ? 1 : -1;
  };
}
