import type { StatGroup, StatsStore } from '../../observe/stats.ts';

const known = new WeakMap<StatsStore, Map<string, StatGroup>>();

/**
 * The statistics of a filter under a prefix such as `http.STAT_PREFIX.cors.`. Filters that are compiled again count on
 * where the one before them was, and two of one prefix count together, as Envoy's do.
 */
export function filterStats<Group extends StatGroup>(store: StatsStore, prefix: string, make: new () => Group): Group {
  let groups = known.get(store);
  if (groups === undefined) known.set(store, (groups = new Map()));
  const key = `${make.name} ${prefix}`;
  let group = groups.get(key) as Group | undefined;
  if (group === undefined) {
    group = new make();
    groups.set(key, group);
    store.add({ prefix, prometheusPrefix: `envoy_${prefix.replaceAll(/[^A-Za-z0-9_]/g, '_')}`, labels: [] }, group);
  }
  return group;
}
