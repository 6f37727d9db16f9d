import { Histogram } from '../histogram.ts';
import { type GroupLayout, type Layouts, labelsAt } from '../names/layout.ts';
import {
  FAMILY_NAMESPACE,
  type FamilySample,
  type GroupEntry,
  type HistogramTap,
  type MetricFamily,
  type StatsStore,
  wasSet,
} from '../stats.ts';
import type { CounterSnapshot, GaugeSnapshot, HistogramSnapshot, MetricName, MetricSnapshot } from './sink.ts';

/** What is remembered of a statistic that was used. */
interface Used {
  readonly name: MetricName;
  /** Of counters: the value at the snapshot before. */
  last: number;
}

type Memory<Key> = Map<Key, Used>;

/** Takes snapshots of all statistics of a store, and remembers what each counter was in the one before. */
export class SnapshotTaker {
  readonly #store: StatsStore;
  readonly #layouts: Layouts;
  readonly #groups = new WeakMap<GroupEntry, { readonly fields: Memory<number>; readonly dynamic: Memory<string> }>();
  readonly #samples = new WeakMap<FamilySample, Used>();

  constructor(store: StatsStore, layouts: Layouts) {
    this.#store = store;
    this.#layouts = layouts;
  }

  take(time: number): MetricSnapshot {
    const into: Collected = { counters: [], gauges: [], histograms: [] };
    for (const entry of this.#store.groups) this.#group(entry, into);
    for (const family of this.#store.families) this.#family(family, into);
    return { time, ...into };
  }

  /** Tells of each value that a histogram takes from now on. */
  listen(onSample: (name: MetricName, value: number) => void): void {
    const named = (work: () => MetricName | undefined): HistogramTap => {
      let name: MetricName | undefined | 'unknown' = 'unknown';
      return (value) => {
        if (name === 'unknown') name = work();
        if (name !== undefined) onSample(name, value);
      };
    };
    this.#store.tapHistograms({
      group: (entry, field) => named(() => this.#fieldName(entry, field)),
      sample: (family, sample) => named(() => this.#familyName(family, sample)),
    });
  }

  #group(entry: GroupEntry, into: Collected): void {
    const layout = this.#layouts.of(entry);
    const { group } = entry;
    let memory = this.#groups.get(entry);
    if (memory === undefined) this.#groups.set(entry, (memory = { fields: new Map(), dynamic: new Map() }));
    const { fields, dynamic } = memory;
    layout.fields.forEach(({ name, kind, read }, i) => {
      if (kind === 'text') return;
      const value = read(group);
      if (value === undefined || typeof value === 'string') return;
      let used = fields.get(i);
      if (used === undefined) {
        if (!isUsed(value) && !(kind === 'gauge' && wasSet(group, name))) return;
        fields.set(i, (used = { name: nameAt(entry, layout, i), last: 0 }));
      }
      this.#add(kind, used, value, into);
    });
    for (const [name, value] of group.dynamic?.() ?? []) {
      let used = dynamic.get(name);
      if (used === undefined) {
        const known = this.#layouts.dynamic(entry, name);
        if (known === undefined || value === 0) continue;
        const full: MetricName = { full: entry.prefix + name, extracted: known.metric, tags: known.labels.tags };
        dynamic.set(name, (used = { name: full, last: 0 }));
      }
      this.#add('counter', used, value, into);
    }
  }

  #family(family: MetricFamily, into: Collected): void {
    for (const sample of family.samples()) {
      const { value } = sample;
      let used = this.#samples.get(sample);
      if (used === undefined) {
        const name = isUsed(value) ? this.#familyName(family, sample) : undefined;
        if (name === undefined) continue;
        this.#samples.set(sample, (used = { name, last: 0 }));
      }
      this.#add(family.kind, used, value, into);
    }
  }

  #add(kind: MetricFamily['kind'], used: Used, value: number | bigint | Histogram, into: Collected): void {
    const { name } = used;
    if (value instanceof Histogram) {
      into.histograms.push({ name, histogram: value, bounds: this.#layouts.settings.buckets(name.full) });
    } else if (kind === 'gauge') into.gauges.push({ name, value: Number(value) });
    else {
      const now = Number(value);
      // One that was reset begins anew.
      into.counters.push({ name, value: now, delta: now >= used.last ? now - used.last : now });
      used.last = now;
    }
  }

  #fieldName(entry: GroupEntry, field: string): MetricName | undefined {
    const layout = this.#layouts.of(entry);
    const i = layout.fields.findIndex(({ name }) => name === field);
    return i < 0 ? undefined : nameAt(entry, layout, i);
  }

  #familyName({ name }: MetricFamily, { labels }: FamilySample): MetricName | undefined {
    const extracted = FAMILY_NAMESPACE + name;
    const full = `${extracted}${labels.map(([key, text]) => `.${key}.${text}`).join('')}`;
    return this.#layouts.settings.includes(full) ? { full, extracted, tags: labels } : undefined;
  }
}

function isUsed(value: number | bigint | Histogram): boolean {
  return (value instanceof Histogram ? value.count : Number(value)) !== 0;
}

interface Collected {
  readonly counters: CounterSnapshot[];
  readonly gauges: GaugeSnapshot[];
  readonly histograms: HistogramSnapshot[];
}

function nameAt(entry: GroupEntry, layout: GroupLayout, index: number): MetricName {
  return {
    full: entry.prefix + layout.fields[index].name,
    extracted: layout.metrics[index],
    tags: labelsAt(layout, index).tags,
  };
}
