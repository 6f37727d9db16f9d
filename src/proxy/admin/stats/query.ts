import { RE2JS } from 're2js';
import type { StatKind } from '../../observe/stats.ts';
import { regexProblem } from '../regex.ts';

export type HistogramMode = 'quantiles' | 'cumulative' | 'disjoint' | 'detailed';
export type StatsFormat = 'text' | 'json' | 'html' | 'active-html' | 'prometheus';

/** What a request for statistics asks for. */
export interface StatsQuery {
  readonly format: StatsFormat;
  readonly usedOnly: boolean;
  readonly histograms: HistogramMode;
  /** Prometheus only: histograms as summaries. */
  readonly summary: boolean;
  readonly kinds: ReadonlySet<StatKind>;
  /** Prometheus only: text readouts as gauges. */
  readonly texts: boolean;
  /** Whether a statistic of this full name is asked for; undefined for all. */
  readonly filter: ((name: string) => boolean) | undefined;
}

const FORMATS: readonly string[] = ['text', 'json', 'html', 'active-html', 'prometheus'];
const MODES: readonly string[] = ['cumulative', 'disjoint', 'detailed', 'summary'];
const ALL: ReadonlySet<StatKind> = new Set<StatKind>(['counter', 'gauge', 'text', 'histogram']);
const KINDS: Readonly<Record<string, ReadonlySet<StatKind>>> = {
  All: ALL,
  Counters: new Set<StatKind>(['counter']),
  Gauges: new Set<StatKind>(['gauge']),
  Histograms: new Set<StatKind>(['histogram']),
  TextReadouts: new Set<StatKind>(['text']),
};

const refuse = (problem: string) => ({ problem });

/** Reads the parameters of `/stats`, or says what is wrong with them in Envoy's words. */
export function statsQuery(query: ReadonlyMap<string, string>): StatsQuery | { readonly problem: string } {
  const format = query.get('format') || 'text';
  if (!FORMATS.includes(format)) return refuse('usage: /stats?format=(html|active-html|json|prometheus|text)\n\n');
  const mode = query.get('histogram_buckets') ?? '';
  const known = mode === '' || mode === 'none' || MODES.includes(mode);
  if (!known) {
    return refuse('usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n');
  }
  const type = query.get('type') || 'All';
  const kinds = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kinds === undefined) return refuse('invalid &type= param');
  const regex = query.get('filter') ?? '';
  let filter: StatsQuery['filter'];
  if (regex !== '') {
    try {
      const compiled = RE2JS.compile(regex);
      const wanted = !query.has('invert_filter');
      filter = (name) => compiled.test(name) === wanted;
    } catch (error) {
      return refuse(`Invalid re2 regex: ${regexProblem(error)}`);
    }
  }
  return {
    format: format as StatsFormat,
    usedOnly: query.has('usedonly'),
    histograms: mode === '' || mode === 'none' || mode === 'summary' ? 'quantiles' : (mode as HistogramMode),
    summary: mode === 'summary',
    kinds,
    texts: query.has('text_readouts'),
    filter,
  };
}
