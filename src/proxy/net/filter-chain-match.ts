import { create } from '@bufbuild/protobuf';
import type { CidrRange as CidrProto } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import {
  FilterChainMatchSchema,
  type FilterChainMatch as Proto,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type CidrSet, cidrSet, maskAddress } from '../../base/cidr.ts';
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
    refuseOverlaps(
      chains.map(({ match }) => match),
      errors.at('filter_chains'),
    );
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
/** More than a ClientHello has room for. */
const MAX_PROTOCOLS = 65536;
const ANY: Criterion = () => 0;

function criteria(match: Proto | undefined, errors: ConfigErrors): Criterion[] {
  if (match === undefined) return Array.from({ length: STEPS }, () => ANY);
  const { destinationPort, serverNames, transportProtocol, applicationProtocols, sourcePorts } = match;
  return [
    destinationPort === undefined ? ANY : (facts) => (facts.destinationPort === destinationPort ? 1 : -1),
    prefixes(match.prefixRanges, (facts) => facts.destinationAddress, errors.at('prefix_ranges')),
    serverNames.length === 0 ? ANY : names(serverNames, errors.at('server_names')),
    transportProtocol === '' ? ANY : (facts) => (facts.transportProtocol === transportProtocol ? 1 : -1),
    protocols(applicationProtocols),
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

/** The client's first protocol that any chain names decides. */
function protocols(wanted: readonly string[]): Criterion {
  if (wanted.length === 0) return ANY;
  return (facts) => {
    const at = facts.applicationProtocols.findIndex((p) => wanted.includes(p));
    return at < 0 ? -1 : MAX_PROTOCOLS - at;
  };
}

function prefixes(ranges: readonly CidrProto[], of: (facts: MatchFacts) => string, errors: ConfigErrors): Criterion {
  if (ranges.length === 0) return ANY;
  const sets: { readonly length: number; readonly set: CidrSet }[] = [];
  ranges.forEach((range, i) => {
    try {
      const length = prefixLength(range);
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
    // Of 127.0.0.0/8, Envoy's word for loopback is the first address only.
    const local = sourceAddress === destinationAddress || sourceAddress === '127.0.0.1' || sourceAddress === '::1';
    return local === wanted ? 1 : -1;
  };
}

/** Longer than the address is as long as it. */
function prefixLength({ addressPrefix, prefixLen = 0 }: CidrProto): number {
  return Math.min(prefixLen, addressPrefix.includes(':') ? 128 : 32);
}

/** What chains of one listener may name together, each combination counted. */
const MAX_COMBINATIONS = 1_000_000;

/** Two chains that are equally right for a connection are an error: which one it got would be a matter of luck. */
function refuseOverlaps(matches: readonly (Proto | undefined)[], errors: ConfigErrors): void {
  const owners = new Map<string, number>();
  matches.forEach((match, i) => {
    const lists = alternatives(match);
    const count = lists.reduce((product, list) => product * list.length, 1);
    const at = errors.at(i);
    if (owners.size + count > MAX_COMBINATIONS) {
      at.add('filter_chain_match', `names more than ${MAX_COMBINATIONS} combinations, with the chains before it`);
      return;
    }
    for (const key of combinations(lists)) {
      const other = owners.get(key);
      if (other === i) continue;
      if (other !== undefined) {
        at.add('filter_chain_match', `a connection could match this filter chain and filter_chains[${other}] alike`);
        return;
      }
      owners.set(key, i);
    }
  });
}

/** For each criterion what a chain accepts, in one spelling. */
function alternatives(match: Proto = create(FilterChainMatchSchema)): string[][] {
  const any = (list: string[]) => (list.length === 0 ? [''] : list);
  const ranges = (list: readonly CidrProto[]) =>
    any(list.map((range) => `${maskAddress(range.addressPrefix, prefixLength(range))}/${prefixLength(range)}`));
  return [
    [String(match.destinationPort ?? '')],
    ranges(match.prefixRanges),
    any(match.serverNames.map((name) => name.toLowerCase())),
    [match.transportProtocol],
    any([...match.applicationProtocols]),
    ranges(match.directSourcePrefixRanges),
    [String(match.sourceType)],
    ranges(match.sourcePrefixRanges),
    any(match.sourcePorts.map(String)),
  ];
}

function* combinations(lists: readonly (readonly string[])[], from = 0): Generator<string> {
  if (from === lists.length) {
    yield '';
    return;
  }
  for (const rest of combinations(lists, from + 1)) for (const one of lists[from]) yield `${one}|${rest}`;
}
