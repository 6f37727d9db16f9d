import { fieldsOf, type GroupEntry, type StatField, type StatsStore } from '../stats.ts';
import type { StatsSettings } from './settings.ts';
import type { Tag } from './tag-extractor.ts';

/** Tags as labels; the same object for the same tags of a group. */
export interface Labels {
  readonly tags: readonly Tag[];
}

/** How one statistic is called where names and labels are apart. */
export interface StatName {
  /** `cluster.upstream_rq`: the name without tags, still with dots. */
  readonly metric: string;
  readonly labels: Labels;
}

/** The statistics of a group that exist, with their names. */
export interface GroupLayout {
  readonly fields: readonly StatField[];
  /** As many as fields. */
  readonly metrics: readonly string[];
  /** As many as fields, or one for all. */
  readonly labels: readonly Labels[];
}

/** Labels of the statistic in this place of a group. */
export function labelsAt({ labels }: GroupLayout, index: number): Labels {
  return labels.length === 1 ? labels[0] : labels[index];
}

const NO_LABELS: Labels = { tags: [] };
const NOTHING: GroupLayout = { fields: [], metrics: [], labels: [] };

/**
 * What the statistics of groups are called, worked out when first asked and kept. Groups of a class mostly differ in one
 * set of labels only, so the lists that are equal are shared.
 */
export class Layouts {
  readonly settings: StatsSettings;
  readonly #layouts = new WeakMap<GroupEntry, GroupLayout>();
  readonly #lastOfClass = new WeakMap<object, GroupLayout>();
  readonly #dynamic = new WeakMap<GroupEntry, Map<string, StatName | undefined>>();
  readonly #metrics = new Map<string, string>();

  constructor(settings: StatsSettings) {
    this.settings = settings;
  }

  of(entry: GroupEntry): GroupLayout {
    let layout = this.#layouts.get(entry);
    if (layout === undefined) this.#layouts.set(entry, (layout = this.#work(entry)));
    return layout;
  }

  /** The name of one of the dynamic statistics of a group; undefined if the matcher leaves it out. */
  dynamic(entry: GroupEntry, name: string): StatName | undefined {
    let names = this.#dynamic.get(entry);
    if (names === undefined) this.#dynamic.set(entry, (names = new Map()));
    if (names.has(name)) return names.get(name);
    const full = entry.prefix + name;
    let result: StatName | undefined;
    if (this.settings.includes(full)) {
      const extracted = this.settings.tags.extract(full);
      result = { metric: this.#intern(extracted.name), labels: { tags: extracted.tags } };
    }
    names.set(name, result);
    return result;
  }

  #work({ prefix, group }: GroupEntry): GroupLayout {
    const { tags, includes } = this.settings;
    const extract = tags.within(prefix);
    const all = fieldsOf(group);
    const fields = all.filter(({ name }) => includes(prefix + name));
    if (fields.length === 0) return NOTHING;
    const metrics: string[] = [];
    const labels: Labels[] = [];
    for (const { name } of fields) {
      const extracted = extract(name);
      metrics.push(this.#intern(extracted.name));
      const known = labels.find((other) => sameTags(other.tags, extracted.tags));
      labels.push(known ?? (extracted.tags.length === 0 ? NO_LABELS : { tags: extracted.tags }));
    }
    const last = this.#lastOfClass.get(group.constructor);
    const layout = {
      fields: fields.length === all.length ? all : shared(fields, last?.fields),
      metrics: shared(metrics, last?.metrics),
      labels: labels.every((l) => l === labels[0]) ? [labels[0]] : labels,
    };
    this.#lastOfClass.set(group.constructor, layout);
    return layout;
  }

  #intern(metric: string): string {
    const known = this.#metrics.get(metric);
    if (known === undefined) this.#metrics.set(metric, metric);
    return known ?? metric;
  }
}

/** The earlier of two lists if they are equal. */
function shared<T>(list: readonly T[], earlier: readonly T[] | undefined): readonly T[] {
  return earlier?.length === list.length && earlier.every((item, i) => item === list[i]) ? earlier : list;
}

function sameTags(a: readonly Tag[], b: readonly Tag[]): boolean {
  return a.length === b.length && a.every(([name, value], i) => name === b[i][0] && value === b[i][1]);
}

/** The groups of a store in the order of their prefixes. */
export function sortedGroups(store: StatsStore): GroupEntry[] {
  return [...store.groups].sort((a, b) => (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0));
}
