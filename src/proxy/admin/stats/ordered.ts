import { Histogram } from '../../observe/histogram.ts';
import { type Layouts, sortedGroups } from '../../observe/names/layout.ts';
import {
  FAMILY_NAMESPACE,
  type GroupEntry,
  type MetricFamily,
  type StatKind,
  type StatsStore,
} from '../../observe/stats.ts';
import type { StatsQuery } from './query.ts';

/** One statistic under its full name. */
export interface NamedStat {
  readonly name: string;
  readonly kind: StatKind;
  readonly value: number | bigint | string | Histogram;
}

/**
 * The statistics of the wanted kinds in the order of their names, a few at a time. Names sort by their groups' prefixes,
 * so that only groups whose prefixes begin with one another have to be sorted together.
 */
export function* orderedStats(
  store: StatsStore,
  layouts: Layouts,
  query: StatsQuery,
  kinds: ReadonlySet<StatKind>,
): Generator<NamedStat[]> {
  const groups = sortedGroups(store);
  const families = [...store.families].filter(({ kind }) => kinds.has(kind)).sort(byName);
  let familiesDone = families.length === 0;
  for (let i = 0; i < groups.length; ) {
    const { prefix } = groups[i];
    if (!familiesDone && prefix > FAMILY_NAMESPACE) {
      familiesDone = true;
      for (const family of families) yield familyStats(family, layouts, query);
    }
    const together: NamedStat[] = [];
    do list(groups[i++], layouts, query, kinds, together);
    while (i < groups.length && groups[i].prefix.startsWith(prefix));
    together.sort(byName);
    if (together.length > 0) yield together;
  }
  if (!familiesDone) for (const family of families) yield familyStats(family, layouts, query);
}

const byName = (a: { readonly name: string }, b: { readonly name: string }) =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : 0;

function list(
  entry: GroupEntry,
  layouts: Layouts,
  query: StatsQuery,
  kinds: ReadonlySet<StatKind>,
  into: NamedStat[],
): void {
  const { prefix, group } = entry;
  const { filter, usedOnly } = query;
  const add = (name: string, kind: StatKind, value: NamedStat['value'] | undefined) => {
    if (value === undefined || (usedOnly && !isUsed(value))) return;
    if (value instanceof Histogram && value.onDemand && value.count === 0) return;
    if (filter === undefined || filter(name)) into.push({ name, kind, value });
  };
  for (const { name, kind, read } of layouts.of(entry).fields) {
    if (kinds.has(kind)) add(prefix + name, kind, read(group));
  }
  if (group.dynamic === undefined || !kinds.has('counter')) return;
  for (const [name, value] of group.dynamic()) {
    if (layouts.dynamic(entry, name) !== undefined) add(prefix + name, 'counter', value);
  }
}

function familyStats(family: MetricFamily, layouts: Layouts, query: StatsQuery): NamedStat[] {
  const { name, kind } = family;
  const { filter, usedOnly } = query;
  const stats: NamedStat[] = [];
  for (const { labels, value } of family.samples()) {
    const full = `${FAMILY_NAMESPACE}${name}${labels.map(([key, text]) => `.${key}.${text}`).join('')}`;
    if (!layouts.settings.includes(full) || (usedOnly && !isUsed(value))) continue;
    if (filter === undefined || filter(full)) stats.push({ name: full, kind, value });
  }
  return stats.sort(byName);
}

function isUsed(value: NamedStat['value']): boolean {
  if (value instanceof Histogram) return value.count > 0;
  return value !== 0 && value !== 0n && value !== '';
}
