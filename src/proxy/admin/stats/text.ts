import { type Bucket, cumulative, type Histogram, QUANTILES, quantiles } from '../../observe/histogram.ts';
import type { Layouts } from '../../observe/names/layout.ts';
import type { StatKind, StatsStore } from '../../observe/stats.ts';
import { orderedStats } from './ordered.ts';
import type { StatsQuery } from './query.ts';

const PASSES: readonly (readonly StatKind[])[] = [['text'], ['counter', 'gauge'], ['histogram']];

/** `/stats`: a line for each statistic; text first, then numbers, then histograms, each in the order of their names. */
export function* statsText(store: StatsStore, layouts: Layouts, query: StatsQuery): Generator<string> {
  for (const pass of PASSES) {
    const kinds = new Set(pass.filter((kind) => query.kinds.has(kind)));
    if (kinds.size === 0) continue;
    for (const stats of orderedStats(store, layouts, query, kinds)) {
      let lines = '';
      for (const { name, kind, value } of stats) {
        if (kind === 'histogram') {
          lines += `${name}:${histogramText(value as Histogram, query, layouts.settings.buckets(name))}\n`;
        } else lines += `${name}: ${kind === 'text' ? quote(value as string) : value}\n`;
      }
      yield lines;
    }
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text readouts are escaped as in HTML, and quoted. */
function quote(text: string): string {
  return `"${text.replace(/[&<>"']/g, (c) => ESCAPES[c])}"`;
}

function histogramText(histogram: Histogram, { histograms }: StatsQuery, bounds: readonly number[]): string {
  const total = histogram.buckets();
  const interval = histogram.intervalBuckets();
  switch (histograms) {
    case 'cumulative':
      return ` ${bucketText(bounds, cumulative(interval, bounds), cumulative(total, bounds))}`;
    case 'disjoint':
      return ` ${bucketText(bounds, disjoint(interval, bounds), disjoint(total, bounds))}`;
    case 'detailed':
      return total.length === 0
        ? ' No recorded values'
        : `\n  totals=${detailed(total)}\n  intervals=${detailed(interval)}\n  summary=${quantileText(interval, total)}`;
    default:
      return ` ${quantileText(interval, total)}`;
  }
}

function quantileText(interval: readonly Bucket[], total: readonly Bucket[]): string {
  if (total.length === 0) return 'No recorded values';
  const recent = quantiles(interval, QUANTILES);
  const all = quantiles(total, QUANTILES);
  return QUANTILES.map((share, i) => `P${percent(share)}(${recent[i] ?? 'nan'},${all[i]})`).join(' ');
}

/** Shares as they are named: 0.995 is 99.5. */
export function percent(share: number): number {
  return Math.round(share * 10_000) / 100;
}

function bucketText(bounds: readonly number[], interval: readonly number[], total: readonly number[]): string {
  return bounds.map((bound, i) => `B${general(bound)}(${interval[i]},${total[i]})`).join(' ');
}

/** The number of values between a bound and the one before. */
export function disjoint(buckets: readonly Bucket[], bounds: readonly number[]): number[] {
  const counts = cumulative(buckets, bounds);
  return counts.map((count, i) => count - (counts[i - 1] ?? 0));
}

function detailed(buckets: readonly Bucket[]): string {
  return buckets.map(({ start, width, count }) => `${general(start)},${general(width)}:${count}`).join(', ');
}

/** C's `%g`: six significant digits, and an exponent of at least two digits where there are more before the point. */
function general(value: number): string {
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)));
  const [mantissa, power] = value.toExponential(5).split('e');
  const digits = Math.abs(Number(power)).toString().padStart(2, '0');
  return `${Number(mantissa)}e${Number(power) < 0 ? '-' : '+'}${digits}`;
}
