import { Histogram } from './histogram.ts';

/**
 * Statistics. What is counted per request is a plain number field of an object that the counting code holds, so that
 * counting is one increment; names and labels are worked out when somebody asks, once for each group.
 */

export type StatKind = 'counter' | 'gauge' | 'text' | 'histogram';

/** A statistic that is worked out when somebody asks. */
export interface ComputedStat<Group> {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'text';
  /** Undefined while there is no such statistic. */
  value(group: Group): number | bigint | string | undefined;
}

/** What Envoy counts in groups of a kind and what cannot occur here, so that nobody's query comes back empty. */
export interface AbsentStats {
  readonly counters?: readonly string[];
  readonly gauges?: readonly string[];
}

/**
 * A group of statistics with a common prefix. Subclasses declare one numeric field per counter or gauge and one
 * {@link Histogram} per histogram, named as in Envoy; fields of other types are not statistics. All instances of a class
 * have the same fields.
 */
export abstract class StatGroup {
  /** Names of the fields that go up and down. */
  abstract readonly gauges: ReadonlySet<string>;
  /** Names of the text fields that are shown. */
  readonly texts?: ReadonlySet<string>;
  /** Counters whose names come up at run time, such as one per status code; only those that occurred. */
  dynamic?(): Iterable<readonly [string, number]>;
  /** Sets the counters of {@link dynamic} back to nothing. */
  clearDynamic?(): void;
  /** The same for all instances of the class. */
  readonly computed?: readonly ComputedStat<never>[];
  /** The same for all instances of the class. */
  readonly absent?: AbsentStats;
  /**
   * Gauges that are set whenever a counter of the group counts, by the name of that counter, or from the beginning: by
   * an empty one. Sinks are told of them though they are 0, of others only once they were something else.
   */
  readonly setWith?: Readonly<Record<string, string>>;
}

/** Whether a gauge that is 0 now was ever set, as far as the counters of its group can tell. */
export function wasSet(group: StatGroup, gauge: string): boolean {
  const counter = group.setWith?.[gauge];
  return counter === '' || (counter !== undefined && (group as unknown as Record<string, number>)[counter] > 0);
}

/** One statistic of the groups of a class. */
export interface StatField {
  readonly name: string;
  readonly kind: StatKind;
  read(group: StatGroup): number | bigint | string | Histogram | undefined;
}

const fieldsByClass = new WeakMap<object, readonly StatField[]>();

/** The statistics of a group but for the dynamic ones, by name. */
export function fieldsOf(group: StatGroup): readonly StatField[] {
  let fields = fieldsByClass.get(group.constructor);
  if (fields === undefined) fieldsByClass.set(group.constructor, (fields = listFields(group)));
  return fields;
}

function listFields(group: StatGroup): readonly StatField[] {
  const fields: StatField[] = [];
  const read = (name: string) => (of: StatGroup) => (of as unknown as Record<string, number>)[name];
  for (const [name, value] of Object.entries(group)) {
    if (typeof value === 'number') {
      fields.push({ name, kind: group.gauges.has(name) ? 'gauge' : 'counter', read: read(name) });
    } else if (value instanceof Histogram) fields.push({ name, kind: 'histogram', read: read(name) });
    else if (group.texts?.has(name)) fields.push({ name, kind: 'text', read: read(name) });
  }
  for (const { name, kind, value } of group.computed ?? []) {
    fields.push({ name, kind, read: value as StatField['read'] });
  }
  const zero = () => 0;
  for (const name of group.absent?.counters ?? []) fields.push({ name, kind: 'counter', read: zero });
  for (const name of group.absent?.gauges ?? []) fields.push({ name, kind: 'gauge', read: zero });
  return fields.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A group under the prefix that it is shown with. */
export interface GroupEntry {
  /** `cluster.outbound|80||a.b.svc.cluster.local.`: what stands before the names. */
  readonly prefix: string;
  readonly group: StatGroup;
  /** The same group is no longer shown. */
  removed: boolean;
}

/** One sample of a family: its labels in order, the same array each time, and what it holds. */
export interface FamilySample {
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number | Histogram;
}

/**
 * A metric whose samples differ in labels that requests bring, such as Istio's standard metrics: it is called the same in
 * Prometheus text, without Envoy's prefix.
 */
export interface MetricFamily {
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  samples(): Iterable<FamilySample>;
  /** Calls back with every sample that comes up from now on. */
  onSample(callback: (sample: FamilySample) => void): void;
  /** Sets counters to zero. */
  reset(): void;
}

/** The namespace of such metrics where statistics have dotted names. */
export const FAMILY_NAMESPACE = 'istiocustom.';

/** Told of each value that one histogram takes. */
export type HistogramTap = (value: number) => void;

/** Makes the tap of each histogram, when the histogram comes. */
export interface HistogramTaps {
  group(entry: GroupEntry, field: string): HistogramTap;
  sample(family: MetricFamily, sample: FamilySample): HistogramTap;
}

/** Older form of a prefix. */
export interface StatScope {
  readonly prefix: string;
  readonly prometheusPrefix?: string;
  readonly labels?: readonly (readonly [string, string])[];
}

/** A share in a group that several count in. */
export interface StatLease<Group extends StatGroup> {
  readonly group: Group;
  /** Gives the share back; the group is no longer shown when nobody has one. */
  release(): void;
}

interface Shared {
  readonly group: StatGroup;
  readonly hide: () => void;
  users: number;
}

/** All statistics of one worker. */
export class StatsStore {
  readonly #shared = new Map<string, Shared>();
  readonly #groups = new Set<GroupEntry>();
  readonly #families = new Set<MetricFamily>();
  #taps: HistogramTaps | undefined = undefined;
  /** Grows with every group that comes or goes. */
  generation = 0;

  /** Shows a group from now on; the returned function ends that. */
  add(scope: string | StatScope, group: StatGroup): () => void {
    const entry: GroupEntry = { prefix: typeof scope === 'string' ? scope : scope.prefix, group, removed: false };
    this.#groups.add(entry);
    this.generation++;
    if (this.#taps !== undefined) tapGroup(entry, this.#taps);
    return () => {
      if (!this.#groups.delete(entry)) return;
      entry.removed = true;
      this.generation++;
    };
  }

  /**
   * The group of a class under a prefix: a new one, or the one that others count in already, as names are shared in Envoy.
   * So counters go on where they were when a cluster or a filter takes the place of the one before it.
   */
  acquire<Group extends StatGroup>(prefix: string, make: new () => Group): StatLease<Group> {
    const key = `${make.name} ${prefix}`;
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      const group = new make();
      shared = { group, hide: this.add(prefix, group), users: 0 };
      this.#shared.set(key, shared);
    }
    const { group, hide } = shared;
    shared.users++;
    let held: Shared | undefined = shared;
    return {
      group: group as Group,
      release: () => {
        if (held === undefined || --held.users > 0) {
          held = undefined;
          return;
        }
        held = undefined;
        this.#shared.delete(key);
        hide();
      },
    };
  }

  addFamily(family: MetricFamily): () => void {
    this.#families.add(family);
    if (this.#taps !== undefined) tapFamily(family, this.#taps);
    return () => this.#families.delete(family);
  }

  get groups(): Iterable<GroupEntry> {
    return this.#groups;
  }

  get families(): Iterable<MetricFamily> {
    return this.#families;
  }

  /** From now on all histograms tell of each value, those too that are still to come. */
  tapHistograms(taps: HistogramTaps): void {
    this.#taps = taps;
    for (const entry of this.#groups) tapGroup(entry, taps);
    for (const family of this.#families) tapFamily(family, taps);
  }

  /** An interval of histograms is over (`stats_flush_interval`). */
  tick(): void {
    for (const histogram of this.#histograms()) histogram.tick();
  }

  /** Sets all counters to zero; gauges and histograms stay (`/reset_counters`). */
  resetCounters(): void {
    for (const { group } of this.#groups) {
      for (const { name, kind } of fieldsOf(group)) {
        const values = group as unknown as Record<string, unknown>;
        if (kind === 'counter' && typeof values[name] === 'number') values[name] = 0;
      }
      group.clearDynamic?.();
    }
    for (const family of this.#families) if (family.kind === 'counter') family.reset();
  }

  *#histograms(): Generator<Histogram> {
    for (const { group } of this.#groups) {
      for (const { kind, read } of fieldsOf(group)) if (kind === 'histogram') yield read(group) as Histogram;
    }
    for (const family of this.#families) {
      if (family.kind !== 'histogram') continue;
      for (const { value } of family.samples()) if (typeof value !== 'number') yield value;
    }
  }
}

function tapGroup(entry: GroupEntry, taps: HistogramTaps): void {
  for (const { name, kind, read } of fieldsOf(entry.group)) {
    if (kind === 'histogram') (read(entry.group) as Histogram).tap(taps.group(entry, name));
  }
}

function tapFamily(family: MetricFamily, taps: HistogramTaps): void {
  if (family.kind !== 'histogram') return;
  const tap = (sample: FamilySample) => (sample.value as Histogram).tap(taps.sample(family, sample));
  for (const sample of family.samples()) tap(sample);
  family.onSample(tap);
}
