import { ListenerFilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Listener, ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { patchFilterChains } from './filter-chains.ts';
import { matchesListener, matchesListenerFilter, namesListenerFilter } from './listener-match.ts';
import { cloneOf, editList, merges } from './lists.ts';
import { merge } from './merge.ts';
import type { PatchContext, PatchSet, PatchTarget, ReadyPatch } from './patch-set.ts';

export const LISTENER_TARGETS: readonly PatchTarget[] = [
  'LISTENER',
  'LISTENER_FILTER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
];

/** A listener as EnvoyFilters leave it; undefined if one removes it. The original is not changed. */
export function patchListener(patches: PatchSet, context: PatchContext, original: Listener): Listener | undefined {
  if (!patches.hasAny(LISTENER_TARGETS, context)) return original;
  const listener = cloneOf(ListenerSchema, original);
  for (const patch of patches.for('LISTENER', context)) {
    if (!matchesListener(patch, listener)) continue;
    if (patch.operation === 'REMOVE') return undefined;
    if (merges(patch) && patch.value !== undefined) merge(ListenerSchema, listener, patch.value, replacing(patch));
  }
  for (const patch of patches.for('LISTENER_FILTER', context)) {
    if (!matchesListener(patch, listener)) continue;
    listener.listenerFilters = editList(
      ListenerFilterSchema,
      listener.listenerFilters,
      patch,
      namesListenerFilter(patch),
      (filter) => matchesListenerFilter(patch, filter),
    );
  }
  patchFilterChains(patches, context, listener);
  return listener;
}

function replacing({ operation }: ReadyPatch) {
  return { replaceLists: operation === 'MERGE_AND_REPLACE_LIST' };
}

/** Listeners that EnvoyFilters add. */
export function addedListeners(patches: PatchSet, context: PatchContext): { listener: Listener; patch: ReadyPatch }[] {
  return patches.for('LISTENER', context).flatMap((patch) => {
    if (patch.operation !== 'ADD' || patch.value === undefined) return [];
    if (patch.anyContext && context === 'SIDECAR_INBOUND') return [];
    // One without a name could be told apart from no other.
    if ((patch.value as Listener).name === '') return [];
    return [{ listener: cloneOf(ListenerSchema, patch.value), patch }];
  });
}
