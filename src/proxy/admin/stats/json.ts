import { type Bucket, cumulative, type Histogram, QUANTILES, quantiles } from '../../observe/histogram.ts';
import type { Layouts } from '../../observe/names/layout.ts';
import type { StatKind, StatsStore } from '../../observe/stats.ts';
import { orderedStats } from './ordered.ts';
import type { StatsQuery } from './query.ts';
import { disjoint, percent } from './text.ts';

const NUMBERS: readonly (readonly StatKind[])[] = [['text'], ['counter', 'gauge']];
const PERCENTILES = QUANTILES.map(percent);

/** `/stats?format=json`: one list of names and values, at the end of which is an object with all histograms. */
export function* statsJson(store: StatsStore, layouts: Layouts, query: StatsQuery): Generator<string> {
  yield '{"stats":[';
  let separator = '';
  for (const pass of NUMBERS) {
    const kinds = new Set(pass.filter((kind) => query.kinds.has(kind)));
    if (kinds.size === 0) continue;
    for (const stats of orderedStats(store, layouts, query, kinds)) {
      let text = '';
      for (const { name, value } of stats) {
        text += `${separator}{"name":${JSON.stringify(name)},"value":${typeof value === 'bigint' ? value : JSON.stringify(value)}}`;
        separator = ',';
      }
      yield text;
    }
  }
  if (query.kinds.has('histogram')) yield* histogramsJson(store, layouts, query, separator);
  yield ']}';
}

function* histogramsJson(store: StatsStore, layouts: Layouts, query: StatsQuery, separator: string): Generator<string> {
  const mode = query.histograms;
  const [open, close] =
    mode === 'quantiles'
      ? [`{"supported_quantiles":${JSON.stringify(PERCENTILES)},"computed_quantiles":[`, ']}']
      : mode === 'detailed'
        ? [`{"supported_percentiles":${JSON.stringify(PERCENTILES)},"details":[`, ']}']
        : ['[', ']'];
  let before = `${separator}{"histograms":${open}`;
  for (const stats of orderedStats(store, layouts, query, new Set<StatKind>(['histogram']))) {
    for (const { name, value } of stats) {
      yield before + JSON.stringify(histogramJson(name, value as Histogram, mode, layouts.settings.buckets(name)));
      before = ',';
    }
  }
  if (before === ',') yield `${close}}`;
}

function histogramJson(
  name: string,
  histogram: Histogram,
  mode: StatsQuery['histograms'],
  bounds: readonly number[],
): unknown {
  const total = histogram.buckets();
  const interval = histogram.intervalBuckets();
  switch (mode) {
    case 'cumulative':
      return { name, buckets: boundsJson(bounds, cumulative(interval, bounds), cumulative(total, bounds)) };
    case 'disjoint':
      return { name, buckets: boundsJson(bounds, disjoint(interval, bounds), disjoint(total, bounds)) };
    case 'detailed':
      return {
        name,
        totals: total.map(bucketJson),
        intervals: interval.map(bucketJson),
        percentiles: quantilesJson(interval, total),
      };
    default:
      return { name, values: quantilesJson(interval, total) };
  }
}

function boundsJson(bounds: readonly number[], interval: readonly number[], total: readonly number[]): unknown {
  return bounds.map((bound, i) => ({ upper_bound: bound, interval: interval[i], cumulative: total[i] }));
}

function bucketJson({ start, width, count }: Bucket): unknown {
  return { lower_bound: start, width, count };
}

function quantilesJson(interval: readonly Bucket[], total: readonly Bucket[]): unknown {
  const recent = quantiles(interval, QUANTILES);
  const all = quantiles(total, QUANTILES);
  return QUANTILES.map((_, i) => ({ cumulative: all[i] ?? null, interval: recent[i] ?? null }));
}
