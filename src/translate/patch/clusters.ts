import { type Cluster, ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { parseClusterName } from '../names.ts';
import { cloneOf, merges } from './lists.ts';
import { merge, mergeAny } from './merge.ts';
import type { PatchContext, PatchSet, ReadyPatch } from './patch-set.ts';

/** A cluster as EnvoyFilters leave it; undefined if one removes it. `hosts` are those of inbound clusters, whose names have none. */
export function patchCluster(
  patches: PatchSet,
  context: PatchContext,
  original: Cluster,
  hosts: readonly string[] = [],
): Cluster | undefined {
  const all = patches.for('CLUSTER', context);
  if (all.some((patch) => patch.operation === 'REMOVE' && matches(patch, original, hosts))) return undefined;
  let cluster = original;
  for (const patch of all) {
    if (!merges(patch) || patch.value === undefined || !matches(patch, cluster, hosts)) continue;
    // Parts of clusters are shared between them.
    if (cluster === original) cluster = cloneOf(ClusterSchema, original);
    if (!mergeTransportSocket(cluster, patch.value as Cluster)) {
      merge(ClusterSchema, cluster, patch.value, { replaceLists: patch.operation === 'MERGE_AND_REPLACE_LIST' });
    }
  }
  return cluster;
}

/** Clusters that EnvoyFilters add. */
export function addedClusters(patches: PatchSet, context: PatchContext): { cluster: Cluster; patch: ReadyPatch }[] {
  return patches.for('CLUSTER', context).flatMap((patch) => {
    if (patch.operation !== 'ADD' || patch.value === undefined) return [];
    if (patch.anyContext && context === 'SIDECAR_INBOUND') return [];
    return [{ cluster: cloneOf(ClusterSchema, patch.value), patch }];
  });
}

function matches({ cluster: match }: ReadyPatch, cluster: Cluster, hosts: readonly string[]): boolean {
  if (match === undefined) return true;
  if (match.name) return match.name === cluster.name;
  const parsed = parseClusterName(cluster.name);
  const names = parsed?.direction === 'inbound' && hosts.length > 0 ? hosts : [parsed?.hostname];
  if (match.subset && match.subset !== (parsed?.subset ?? '')) return false;
  if (match.service && !names.includes(match.service)) return false;
  return !match.portNumber || match.portNumber === (parsed?.port ?? 0);
}

/**
 * A patch with a transport socket changes only that: it is merged into the one of the same name, or takes its place. Where
 * the cluster chooses among several, one that none of them is left out.
 */
function mergeTransportSocket(cluster: Cluster, patch: Cluster): boolean {
  const { transportSocket } = patch;
  if (transportSocket === undefined) return false;
  const candidates =
    cluster.transportSocketMatches.length > 0
      ? cluster.transportSocketMatches.map((match) => match.transportSocket)
      : [cluster.transportSocket];
  const same = candidates.find((socket) => socket?.name === transportSocket.name);
  if (same === undefined) {
    if (cluster.transportSocketMatches.length === 0) cluster.transportSocket = transportSocket;
    return true;
  }
  const merged = mergeAny(same.configType.value, transportSocket.configType.value);
  if (merged !== undefined) same.configType = { case: 'typedConfig', value: merged };
  return true;
}
