import {
  histogramLines,
  type PrometheusType,
  prometheusLabels,
  prometheusName,
  sampleLine,
  summaryLines,
  typeLine,
} from '../../../telemetry/prometheus.ts';
import { cumulative, Histogram, QUANTILES, quantiles } from '../../observe/histogram.ts';
import { type GroupLayout, type Labels, type Layouts, labelsAt, sortedGroups } from '../../observe/names/layout.ts';
import {
  FAMILY_NAMESPACE,
  type GroupEntry,
  type MetricFamily,
  type StatField,
  type StatKind,
  type StatsStore,
} from '../../observe/stats.ts';
import type { StatsQuery } from './query.ts';

/** Metrics in the order of their names. */
type Index = Readonly<Record<PrometheusType, Family[]>>;

/** All samples of one metric. */
interface Family {
  readonly metric: string;
  readonly kind: PrometheusType;
  /** Text readouts show as gauges without a value. */
  readonly text: boolean;
  readonly groups: GroupEntry[];
  readonly fields: StatField[];
  readonly labels: Labels[];
}

const ORDER: readonly PrometheusType[] = ['counter', 'gauge', 'histogram'];
/**
 * Writes `/stats/prometheus`. Which samples belong to which metric, and what their labels look like, is worked out when
 * groups have come or gone; between two scrapes only numbers change.
 */
export class PrometheusWriter {
  readonly #store: StatsStore;
  readonly #layouts: Layouts;
  #families: Index = { counter: [], gauge: [], histogram: [], summary: [] };
  #generation = -1;
  readonly #labelTexts = new WeakMap<object, string>();
  readonly #names = new Map<string, string>();

  constructor(store: StatsStore, layouts: Layouts) {
    this.#store = store;
    this.#layouts = layouts;
  }

  *write(query: StatsQuery): Generator<string> {
    if (this.#generation !== this.#store.generation) {
      const { generation } = this.#store;
      this.#families = yield* this.#index();
      this.#generation = generation;
    }
    for (const type of ORDER) {
      const extra = this.#extra(type, query);
      const extraNames = [...extra.keys()].sort();
      let next = 0;
      for (const family of this.#families[type]) {
        while (next < extraNames.length && extraNames[next] < family.metric) {
          const metric = extraNames[next++];
          yield* withType(this.#typeLine(metric, type, query), extra.get(metric)!);
        }
        if (!query.kinds.has(family.text ? 'text' : (type as StatKind))) continue;
        const parts: Iterable<string>[] = [this.#familyLines(family, query)];
        if (extraNames[next] === family.metric) parts.push(...extra.get(extraNames[next++])!);
        yield* withType(this.#typeLine(family.metric, type, query), parts);
      }
      for (const metric of extraNames.slice(next)) {
        yield* withType(this.#typeLine(metric, type, query), extra.get(metric)!);
      }
    }
  }

  /** Samples that are not in the index: counters whose names came up at run time, and metrics with labels of their own. */
  #extra(type: PrometheusType, query: StatsQuery): Map<string, Iterable<string>[]> {
    const extra = new Map<string, Iterable<string>[]>();
    if (!query.kinds.has(type as StatKind)) return extra;
    if (type === 'counter') for (const [metric, lines] of this.#dynamic(query)) extra.set(metric, [lines]);
    for (const family of this.#store.families) {
      if (family.kind !== type) continue;
      const metric = FAMILY_NAMESPACE + family.name;
      const parts = extra.get(metric);
      if (parts) parts.push(this.#customLines(family, query));
      else extra.set(metric, [this.#customLines(family, query)]);
    }
    return extra;
  }

  #typeLine(metric: string, type: PrometheusType, { summary }: StatsQuery): string {
    return typeLine(this.#nameOf(metric), type === 'histogram' && summary ? 'summary' : type);
  }

  *#index(): Generator<string, Index> {
    const families = new Map<string, Family>();
    this.#names.clear();
    for (const entry of sortedGroups(this.#store)) {
      const layout = this.#layouts.of(entry);
      layout.fields.forEach((field, i) => this.#place(entry, layout, i, field, families));
      // Gives whoever writes a place to let others work.
      yield '';
    }
    const index: Index = { counter: [], gauge: [], histogram: [], summary: [] };
    for (const family of families.values()) index[family.kind].push(family);
    for (const type of ORDER) index[type].sort((a, b) => (a.metric < b.metric ? -1 : 1));
    return index;
  }

  #place(entry: GroupEntry, layout: GroupLayout, i: number, field: StatField, families: Map<string, Family>): void {
    const metric = layout.metrics[i];
    const kind = typeOf(field.kind);
    const key = `${kind} ${metric}`;
    let family = families.get(key);
    if (family === undefined) {
      family = { metric, kind, text: field.kind === 'text', groups: [], fields: [], labels: [] };
      families.set(key, family);
    }
    family.groups.push(entry);
    family.fields.push(field);
    family.labels.push(labelsAt(layout, i));
  }

  *#familyLines(family: Family, query: StatsQuery): Generator<string> {
    const name = this.#nameOf(family.metric);
    const { groups, fields, labels } = family;
    const { filter, usedOnly } = query;
    for (let i = 0; i < groups.length; i++) {
      const entry = groups[i];
      if (entry.removed) continue;
      const value = fields[i].read(entry.group);
      const full = filter === undefined && family.kind !== 'histogram' ? '' : entry.prefix + fields[i].name;
      if (filter !== undefined && !filter(full)) continue;
      if (typeof value === 'string') {
        if (query.texts) yield sampleLine(name, this.#labelText([...labels[i].tags, ['text_value', value]]), 0);
      } else if (value instanceof Histogram) {
        if (value.count === 0 && (usedOnly || value.onDemand)) continue;
        yield this.#histogram(name, this.#labelText(labels[i].tags), value, full, query);
      } else if (value !== undefined && !(usedOnly && Number(value) === 0)) {
        yield sampleLine(name, this.#labelText(labels[i].tags), value);
      }
    }
  }

  #histogram(name: string, labels: string, histogram: Histogram, full: string, query: StatsQuery): string {
    const { count, sum } = histogram;
    const buckets = histogram.buckets();
    if (query.summary) {
      const values = quantiles(buckets, QUANTILES);
      return summaryLines(
        name,
        labels,
        QUANTILES.map((share, i) => [share, values[i] ?? Number.NaN] as const),
        { count, sum },
      );
    }
    const bounds = this.#layouts.settings.buckets(full);
    return histogramLines(name, labels, { bounds, counts: cumulative(buckets, bounds), count, sum });
  }

  *#customLines(family: MetricFamily, query: StatsQuery): Generator<string> {
    const full = FAMILY_NAMESPACE + family.name;
    if (!this.#layouts.settings.includes(full)) return;
    const { filter, usedOnly } = query;
    const matches = filter?.(full) ?? true;
    for (const { labels, value } of family.samples()) {
      const text = this.#labelText(labels);
      if (!matches && !filter!(`${full}.${text}`)) continue;
      if (typeof value !== 'number') {
        if (!usedOnly || value.count > 0) yield this.#histogram(family.name, text, value, full, query);
      } else if (!usedOnly || value !== 0) yield sampleLine(family.name, text, value);
    }
  }

  /** Lines of the counters whose names came up at run time, by metric. */
  #dynamic({ kinds, filter, usedOnly }: StatsQuery): Map<string, string[]> {
    const metrics = new Map<string, string[]>();
    if (!kinds.has('counter')) return metrics;
    for (const entry of sortedGroups(this.#store)) {
      for (const [name, value] of entry.group.dynamic?.() ?? []) {
        if (usedOnly && value === 0) continue;
        const named = this.#layouts.dynamic(entry, name);
        if (named === undefined || (filter && !filter(entry.prefix + name))) continue;
        const line = sampleLine(this.#nameOf(named.metric), this.#labelText(named.labels.tags), value);
        const lines = metrics.get(named.metric);
        if (lines) lines.push(line);
        else metrics.set(named.metric, [line]);
      }
    }
    return metrics;
  }

  #nameOf(metric: string): string {
    let name = this.#names.get(metric);
    if (name === undefined) {
      const custom = metric.startsWith(FAMILY_NAMESPACE);
      name = custom ? metric.slice(FAMILY_NAMESPACE.length) : prometheusName(`envoy_${metric}`);
      this.#names.set(metric, name);
    }
    return name;
  }

  #labelText(labels: readonly (readonly [string, string])[]): string {
    let text = this.#labelTexts.get(labels);
    if (text === undefined) this.#labelTexts.set(labels, (text = prometheusLabels(labels)));
    return text;
  }
}

function* withType(type: string, parts: readonly Iterable<string>[]): Generator<string> {
  let before = type;
  for (const part of parts) {
    for (const line of part) {
      yield before === '' ? line : before + line;
      before = '';
    }
  }
}

function typeOf(kind: StatKind): PrometheusType {
  return kind === 'text' ? 'gauge' : kind;
}
