/**
 * Statistics. What is counted per request is a plain number field of an object that the counting code holds, so that
 * counting is one increment; names, prefixes and labels are put on when somebody asks.
 */

export type StatKind = 'counter' | 'gauge';

/**
 * A group of numbers with a common prefix. Subclasses declare one numeric field per statistic, named as in Envoy, and
 * list the gauges among them; fields that are not numbers are not statistics.
 */
export abstract class StatGroup {
  /** Names of the fields that go up and down. */
  abstract readonly gauges: ReadonlySet<string>;
  /** Counters whose names come up at run time, such as one per status code; only those that occurred. */
  dynamic?(): Iterable<readonly [string, number]>;
}

/** How a group, a histogram or a metric family of its own is called. */
export interface StatScope {
  /** `cluster.outbound|80||a.b.svc.cluster.local.`: what stands before the name in `/stats`. */
  readonly prefix: string;
  /** `envoy_cluster_`: what stands before it in Prometheus text, where the varying parts of the prefix are labels. */
  readonly prometheusPrefix: string;
  readonly labels: readonly (readonly [string, string])[];
}

export interface Stat {
  readonly scope: StatScope;
  readonly name: string;
  readonly kind: StatKind;
  readonly value: number;
}

/** Upper bounds of the buckets of Prometheus histograms, in the histogram's unit; Envoy's defaults. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

/** Buckets of two significant decimal digits, so that quantiles are within 10 % of the truth over the whole range. */
export class Histogram {
  count = 0;
  sum = 0;
  #buckets = new Map<number, number>();

  record(value: number): void {
    this.count++;
    this.sum += value;
    const key = bucketOf(value);
    this.#buckets.set(key, (this.#buckets.get(key) ?? 0) + 1);
  }

  /** The number of values at or below each bound. */
  cumulative(bounds: readonly number[]): number[] {
    const result = new Array<number>(bounds.length).fill(0);
    for (const [key, n] of this.#buckets) {
      // A bucket lies where it starts: most values are whole numbers, and so are the starts.
      const start = bucketStart(key);
      for (let i = bounds.length - 1; i >= 0 && start <= bounds[i]; i--) result[i] += n;
    }
    return result;
  }

  /** The value below which the share `q` (0 to 1) of all values lies, or NaN if there are none. */
  quantile(q: number): number {
    if (this.count === 0) return Number.NaN;
    const keys = [...this.#buckets.keys()].sort((a, b) => a - b);
    let left = q * this.count;
    for (const key of keys) {
      const n = this.#buckets.get(key)!;
      if (left <= n) return bucketStart(key) + (left / n) * bucketWidth(key);
      left -= n;
    }
    const last = keys[keys.length - 1];
    return bucketStart(last) + bucketWidth(last);
  }
}

/** Values below this are counted as zero. */
const SMALLEST = 1e-9;

/** Key: exponent * 90 + the two leading digits - 10; values up to 9 of small integers come out exact. */
function bucketOf(value: number): number {
  if (!(value >= SMALLEST)) return Number.MIN_SAFE_INTEGER;
  let exponent = Math.floor(Math.log10(value));
  let digits = Math.floor(value / 10 ** (exponent - 1) + 1e-9);
  if (digits >= 100) {
    exponent++;
    digits = 10;
  } else if (digits < 10) {
    exponent--;
    digits = 99;
  }
  return exponent * 90 + digits - 10;
}

function bucketStart(key: number): number {
  if (key === Number.MIN_SAFE_INTEGER) return 0;
  const exponent = Math.floor(key / 90);
  return (key - exponent * 90 + 10) * 10 ** (exponent - 1);
}

function bucketWidth(key: number): number {
  return key === Number.MIN_SAFE_INTEGER ? 0 : 10 ** (Math.floor(key / 90) - 1);
}

interface GroupEntry {
  readonly scope: StatScope;
  readonly group: StatGroup;
}

interface HistogramEntry {
  readonly scope: StatScope;
  readonly name: string;
  readonly histogram: Histogram;
}

/** Statistics that are not Envoy's own families, such as Istio's standard metrics: they say themselves what they hold. */
export interface MetricFamily {
  /** Prometheus text lines of this family, `# TYPE` included. */
  prometheus(): string;
  /** `name: value` lines for `/stats`. */
  readonly lines: () => Iterable<readonly [string, number]>;
}

/** All statistics of one worker. */
export class StatsStore {
  readonly #groups = new Set<GroupEntry>();
  readonly #histograms = new Set<HistogramEntry>();
  readonly #families = new Set<MetricFamily>();

  /** Shows a group from now on; the returned function ends that. */
  add(scope: StatScope, group: StatGroup): () => void {
    const entry = { scope, group };
    this.#groups.add(entry);
    return () => this.#groups.delete(entry);
  }

  addHistogram(scope: StatScope, name: string, histogram: Histogram): () => void {
    const entry = { scope, name, histogram };
    this.#histograms.add(entry);
    return () => this.#histograms.delete(entry);
  }

  addFamily(family: MetricFamily): () => void {
    this.#families.add(family);
    return () => this.#families.delete(family);
  }

  *stats(): Generator<Stat> {
    for (const { scope, group } of this.#groups) {
      for (const [name, value] of Object.entries(group)) {
        if (typeof value === 'number') {
          yield { scope, name, kind: group.gauges.has(name) ? 'gauge' : 'counter', value };
        }
      }
      for (const [name, value] of group.dynamic?.() ?? []) yield { scope, name, kind: 'counter', value };
    }
  }

  histograms(): Iterable<HistogramEntry> {
    return this.#histograms;
  }

  families(): Iterable<MetricFamily> {
    return this.#families;
  }
}
