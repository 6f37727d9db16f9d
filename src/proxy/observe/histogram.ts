/** Upper bounds of the buckets of Prometheus histograms, in the histogram's unit; Envoy's defaults. */
export const DEFAULT_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

/** What `/stats` shows of every histogram, as shares of 1. */
export const QUANTILES: readonly number[] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1];

/** Values from 0 to 99 have a bucket each: the first page. */
const FIRST_PAGE = 100;
/** Each further page is a power of ten with 90 buckets of two significant digits. */
const PAGE = 90;
/** Values are cut off at 10^15. */
const MAX_PAGES = 14;

/** One bucket that holds something: from `start` to below `start + width`, or exactly 0. */
export interface Bucket {
  readonly start: number;
  readonly width: number;
  readonly count: number;
}

/**
 * The distribution of whole numbers in buckets of two significant decimal digits, as Envoy's histograms have them:
 * values below 100 come out exact, quantiles of larger ones are within 10 % of the truth. Recording costs a few
 * nanoseconds and takes memory only for the powers of ten that occur.
 */
export class Histogram {
  count = 0;
  sum = 0;
  /** Shown only once something was recorded: Envoy makes such histograms when they are first needed. */
  readonly onDemand: boolean;
  #pages: (Uint32Array | undefined)[] = EMPTY_PAGES;
  /** What had been recorded when the last interval began and when it ended. */
  #intervalStart: readonly (Uint32Array | undefined)[] = EMPTY_PAGES;
  #intervalEnd: readonly (Uint32Array | undefined)[] = EMPTY_PAGES;
  #countAtTick = 0;

  constructor(onDemand = false) {
    this.onDemand = onDemand;
  }

  /** Fractions are cut off; negative values count as 0. */
  record(value: number): void {
    this.count++;
    let page = 0;
    let at: number;
    if (value < FIRST_PAGE) {
      at = value > 0 ? value | 0 : 0;
      this.sum += at;
    } else {
      const whole = Math.floor(value);
      this.sum += whole;
      let leading = whole / 10;
      page = 1;
      while (leading >= FIRST_PAGE && page < MAX_PAGES) {
        leading /= 10;
        page++;
      }
      at = Math.min(leading | 0, FIRST_PAGE - 1) - 10;
    }
    const buckets = this.#pages[page];
    if (buckets === undefined) this.#open(page)[at] = 1;
    else buckets[at]++;
  }

  /**
   * Tells of each value from now on, as the whole number that is counted. Only a histogram that is listened to has a
   * recording of its own; the others do no more than before.
   */
  tap(onValue: (value: number) => void): void {
    const record = this.record;
    this.record = (value) => {
      record.call(this, value);
      onValue(value > 0 ? Math.floor(value) : 0);
    };
  }

  #open(page: number): Uint32Array {
    if (this.#pages === EMPTY_PAGES) this.#pages = [];
    while (this.#pages.length < page) this.#pages.push(undefined);
    return (this.#pages[page] = new Uint32Array(page === 0 ? FIRST_PAGE : PAGE));
  }

  /** The buckets that hold something, from low to high. */
  buckets(): Bucket[] {
    return list(this.#pages);
  }

  /** The same of the last interval that is over: see {@link tick}. */
  intervalBuckets(): Bucket[] {
    return list(this.#intervalEnd, this.#intervalStart);
  }

  /** An interval is over (Envoy's `stats_flush_interval`). Costs nothing if there was nothing in it or the one before. */
  tick(): void {
    this.#intervalStart = this.#intervalEnd;
    if (this.count === this.#countAtTick) return;
    this.#countAtTick = this.count;
    this.#intervalEnd = this.#pages.map((page) => page?.slice());
  }
}

const EMPTY_PAGES: (Uint32Array | undefined)[] = [];

function list(
  pages: readonly (Uint32Array | undefined)[],
  before: readonly (Uint32Array | undefined)[] = EMPTY_PAGES,
): Bucket[] {
  const result: Bucket[] = [];
  pages.forEach((page, exponent) => {
    const earlier = before[exponent];
    for (let i = 0; page !== undefined && i < page.length; i++) {
      const count = page[i] - (earlier?.[i] ?? 0);
      if (count === 0) continue;
      // Below 10 there are two digits as well: 3 stands for 3.0 to below 3.1.
      if (exponent > 0) result.push({ start: (i + 10) * 10 ** exponent, width: 10 ** exponent, count });
      else result.push({ start: i, width: i === 0 ? 0 : i < 10 ? 0.1 : 1, count });
    }
  });
  return result;
}

/** The number of values at or below each bound. A bucket lies where it starts: so whole numbers are counted exactly. */
export function cumulative(buckets: readonly Bucket[], bounds: readonly number[]): number[] {
  const result = new Array<number>(bounds.length);
  let total = 0;
  let next = 0;
  for (let i = 0; i < bounds.length; i++) {
    while (next < buckets.length && buckets[next].start <= bounds[i]) total += buckets[next++].count;
    result[i] = total;
  }
  return result;
}

/** The values at the given shares of 1, each in the middle of its place in its bucket; none if there are no values. */
export function quantiles(buckets: readonly Bucket[], shares: readonly number[]): number[] {
  let total = 0;
  for (const { count } of buckets) total += count;
  if (total === 0) return [];
  let at = 0;
  let below = 0;
  return shares.map((share) => {
    // Errors of floating point must not push 0.1 * 30 beyond 3.
    const rank = Math.max(1, Math.ceil(share * total - 1e-9));
    while (below + buckets[at].count < rank) below += buckets[at++].count;
    const { start, width, count } = buckets[at];
    return start + (width * (rank - below)) / (count + 1);
  });
}

/** How many values there are. */
export function countOf(buckets: readonly Bucket[]): number {
  return buckets.reduce((total, { count }) => total + count, 0);
}

/** What the values come to, each taken for the middle of its bucket, weighed towards its start as Envoy does it. */
export function approximateSum(buckets: readonly Bucket[]): number {
  let sum = 0;
  for (const { start, width, count } of buckets) {
    if (start > 0) sum += (start + (width * start) / (2 * start + width)) * count;
  }
  return sum;
}
