/**
 * Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/), as Envoy writes
 * it: no HELP lines, and a sample without labels has empty braces.
 */

export type PrometheusType = 'counter' | 'gauge' | 'histogram' | 'summary';

/** A name that Prometheus takes: everything else becomes an underscore, and a digit does not come first. */
export function prometheusName(name: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_]/g, '_');
  return /^[0-9]/.test(plain) ? `_${plain}` : plain;
}

/** `a="b",c="d"`: what stands between the braces. */
export function prometheusLabels(labels: readonly (readonly [name: string, value: string])[]): string {
  let text = '';
  for (const [name, value] of labels) {
    text += `${text === '' ? '' : ','}${prometheusName(name)}="${escapeValue(value)}"`;
  }
  return text;
}

function escapeValue(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

export function typeLine(name: string, type: PrometheusType): string {
  return `# TYPE ${name} ${type}\n`;
}

export function sampleLine(name: string, labels: string, value: number | bigint): string {
  return `${name}{${labels}} ${value}\n`;
}

/** Values of a histogram: `counts[i]` of them are at or below `bounds[i]`. */
export interface HistogramValues {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export function histogramLines(name: string, labels: string, values: HistogramValues): string {
  const { bounds, counts, count, sum } = values;
  const before = labels === '' ? '' : `${labels},`;
  let text = '';
  for (let i = 0; i < bounds.length; i++) text += `${name}_bucket{${before}le="${bounds[i]}"} ${counts[i]}\n`;
  return `${text}${name}_bucket{${before}le="+Inf"} ${count}\n${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${count}\n`;
}

/** One quantile of a summary: share of 1 and value. */
export type Quantile = readonly [share: number, value: number];

export function summaryLines(
  name: string,
  labels: string,
  quantiles: readonly Quantile[],
  { count, sum }: Pick<HistogramValues, 'count' | 'sum'>,
): string {
  const before = labels === '' ? '' : `${labels},`;
  let text = '';
  for (const [share, value] of quantiles) text += `${name}{${before}quantile="${share}"} ${value}\n`;
  return `${text}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${count}\n`;
}
