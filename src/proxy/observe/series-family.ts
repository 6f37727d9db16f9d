import { Histogram } from './histogram.ts';
import type { FamilySample, MetricFamily } from './stats.ts';

/** Names and values, in the order in which they are shown. */
export type SeriesLabels = readonly (readonly [name: string, value: string])[];

/** One number with its labels. Whoever counts keeps it: counting is one addition. */
export class Series implements FamilySample {
  readonly labels: SeriesLabels;
  value = 0;

  constructor(labels: SeriesLabels) {
    this.labels = labels;
  }
}

/** One distribution with its labels. */
export class HistogramSeries implements FamilySample {
  readonly labels: SeriesLabels;
  readonly value = new Histogram();

  constructor(labels: SeriesLabels) {
    this.labels = labels;
  }
}

/** Values of labels come from peers and requests, so there is an end to them. */
const MAX_SERIES = 10_000;
/** What every label says in the series that takes in all that would be too many. */
const OVERFLOW = 'overflow';

/** A metric whose series come up as peers, services and outcomes do. Beyond a bound they all are one. */
export class SeriesFamily<Sample extends FamilySample> implements MetricFamily {
  readonly name: string;
  readonly kind: MetricFamily['kind'];
  readonly #make: new (
    labels: SeriesLabels,
  ) => Sample;
  readonly #series = new Map<string, Sample>();
  #onSample: ((sample: FamilySample) => void) | undefined = undefined;

  constructor(name: string, kind: MetricFamily['kind'], make: new (labels: SeriesLabels) => Sample) {
    this.name = name;
    this.kind = kind;
    this.#make = make;
  }

  get size(): number {
    return this.#series.size;
  }

  /** The series of these labels: the one that is there, or a new one. Not for every request: keep what it returns. */
  get(labels: SeriesLabels): Sample {
    const key = keyOf(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size < MAX_SERIES) return this.#add(key, labels);
    const rest = labels.map(([name]) => [name, OVERFLOW] as const);
    const restKey = keyOf(rest);
    return this.#series.get(restKey) ?? this.#add(restKey, rest);
  }

  #add(key: string, labels: SeriesLabels): Sample {
    const series = new this.#make(labels);
    this.#series.set(key, series);
    this.#onSample?.(series);
    return series;
  }

  samples(): Iterable<Sample> {
    return this.#series.values();
  }

  onSample(callback: (sample: FamilySample) => void): void {
    this.#onSample = callback;
  }

  reset(): void {
    for (const series of this.#series.values()) if (series instanceof Series) series.value = 0;
  }
}

function keyOf(labels: SeriesLabels): string {
  let key = '';
  for (const [name, value] of labels) key += `${name}\0${value}\0`;
  return key;
}
