import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  FilterSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { Listener } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { HTTP_CONNECTION_MANAGER } from '../http/connection-manager.ts';
import { patchHttpFilters } from './http-filters.ts';
import { matchesChain, matchesListener, matchesNetworkFilter, namesNetworkFilter } from './listener-match.ts';
import { cloneOf, editList, merges } from './lists.ts';
import { isOfSameType, merge, mergeAny, mergeExtension } from './merge.ts';
import type { PatchContext, PatchSet, ReadyPatch } from './patch-set.ts';

/** Applies patches to the chains of a listener and to what is in them. The listener must be nobody else's. */
export function patchFilterChains(patches: PatchSet, context: PatchContext, listener: Listener): void {
  const here = (target: 'FILTER_CHAIN' | 'NETWORK_FILTER' | 'HTTP_FILTER') =>
    patches.for(target, context).filter((patch) => matchesListener(patch, listener));
  const ready = { chains: here('FILTER_CHAIN'), network: here('NETWORK_FILTER'), http: here('HTTP_FILTER') };
  listener.filterChains = listener.filterChains.filter((chain) => patchFilterChain(ready, listener, chain));
  const last = listener.defaultFilterChain;
  if (last !== undefined && !patchFilterChain(ready, listener, last)) delete listener.defaultFilterChain;
  for (const { operation, value } of ready.chains) {
    if (operation !== 'ADD' || value === undefined) continue;
    const added = cloneOf(FilterChainSchema, value);
    if (added.filters.length > 0) listener.filterChains.push(added);
  }
}

interface ChainPatches {
  readonly chains: readonly ReadyPatch[];
  readonly network: readonly ReadyPatch[];
  readonly http: readonly ReadyPatch[];
}

/** False if the chain is removed. */
function patchFilterChain(ready: ChainPatches, listener: Listener, chain: FilterChain): boolean {
  if (chain.filters.length === 0) return false;
  for (const patch of ready.chains) {
    if (!matchesChain(patch, listener, chain)) continue;
    if (patch.operation === 'REMOVE') return false;
    if (!merges(patch) || patch.value === undefined || mergesTransportSocket(chain, patch.value as FilterChain))
      continue;
    merge(FilterChainSchema, chain, patch.value, { replaceLists: patch.operation === 'MERGE_AND_REPLACE_LIST' });
  }
  patchNetworkFilters(ready, listener, chain);
  return true;
}

/** A patch with a transport socket like the chain's changes only what that is configured with. */
function mergesTransportSocket(chain: FilterChain, { transportSocket: source }: FilterChain): boolean {
  const target = chain.transportSocket;
  if (source === undefined || target === undefined || source.name !== target.name) return false;
  const merged = mergeAny(target.configType.value, source.configType.value);
  if (merged !== undefined) target.configType = { case: 'typedConfig', value: merged };
  return true;
}

function patchNetworkFilters(ready: ChainPatches, listener: Listener, chain: FilterChain): void {
  for (const patch of ready.network) {
    if (!matchesChain(patch, listener, chain)) continue;
    chain.filters = editList(FilterSchema, chain.filters, patch, namesNetworkFilter(patch), (filter) =>
      matchesNetworkFilter(patch, filter),
    );
  }
  for (const filter of chain.filters) {
    for (const patch of ready.network) {
      if (patch.operation !== 'MERGE' || !matchesChain(patch, listener, chain)) continue;
      if (!matchesNetworkFilter(patch, filter)) continue;
      if (!namesNetworkFilter(patch) && !isOfSameType(filter, patch.value as Filter | undefined)) continue;
      mergeExtension(filter, patch.value as Filter | undefined);
    }
    if (filter.name !== HTTP_CONNECTION_MANAGER) continue;
    const own = ready.http.filter(
      (patch) => matchesChain(patch, listener, chain) && matchesNetworkFilter(patch, filter),
    );
    if (own.length > 0) patchHttpFilters(own, filter);
  }
}
