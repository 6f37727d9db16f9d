/** Label values by name, in the order in which the metric declares its labels. */
export type Labels = Readonly<Record<string, string>>;

/** A sample that is asked for at scrape time. */
export type Sample = readonly [labels: Labels, value: number];

type Kind = 'counter' | 'gauge' | 'histogram';

interface Metric {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  /** `name{labels} value` lines, without the line end. */
  lines(): string[];
}

/** A number per set of label values; a counter only goes up. */
export class Value implements Metric {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  readonly #values = new Map<string, number>();

  constructor(name: string, kind: Kind, help: string) {
    this.name = name;
    this.kind = kind;
    this.help = help;
  }

  add(by = 1, labels: Labels = NO_LABELS): void {
    const key = labelText(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  set(value: number, labels: Labels = NO_LABELS): void {
    this.#values.set(labelText(labels), value);
  }

  /** Forgets one set of label values, or all of them: what it was about is gone. */
  clear(labels?: Labels): void {
    if (labels) this.#values.delete(labelText(labels));
    else this.#values.clear();
  }

  get(labels: Labels = NO_LABELS): number {
    return this.#values.get(labelText(labels)) ?? 0;
  }

  lines(): string[] {
    return [...this.#values].map(([labels, value]) => `${this.name}${braces(labels)} ${number(value)}`);
  }
}

/** Observations counted into buckets, each of which holds everything up to its bound. */
export class Histogram implements Metric {
  readonly name: string;
  readonly kind = 'histogram';
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly counts: number[]; sum: number; count: number }>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
  }

  observe(value: number, labels: Labels = NO_LABELS): void {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (!series) this.#series.set(key, (series = { counts: this.#bounds.map(() => 0), sum: 0, count: 0 }));
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    if (bucket !== -1) series.counts[bucket]++;
    series.sum += value;
    series.count++;
  }

  lines(): string[] {
    return [...this.#series].flatMap(([labels, { counts, sum, count }]) => {
      const before = labels === '' ? '' : `${labels},`;
      let total = 0;
      const buckets = this.#bounds.map((bound, i) => {
        total += counts[i];
        return `${this.name}_bucket{${before}le="${number(bound)}"} ${total}`;
      });
      return [
        ...buckets,
        `${this.name}_bucket{${before}le="+Inf"} ${count}`,
        `${this.name}_sum${braces(labels)} ${number(sum)}`,
        `${this.name}_count${braces(labels)} ${count}`,
      ];
    });
  }
}

/** The metrics of one process, in the text format that Prometheus scrapes (version 0.0.4). */
export class MetricsRegistry {
  readonly #metrics = new Map<string, Metric>();

  /** Shown from the start, at zero. */
  counter(name: string, help: string): Value {
    return this.#add(new Value(name, 'counter', help));
  }

  gauge(name: string, help: string): Value {
    return this.#add(new Value(name, 'gauge', help));
  }

  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#add(new Histogram(name, help, bounds));
  }

  /** A gauge that is asked for when it is scraped: one number, or a sample per set of labels. */
  observed(name: string, help: string, read: () => number | Iterable<Sample>): void {
    const lines = () => {
      const now = read();
      const samples: Iterable<Sample> = typeof now === 'number' ? [[NO_LABELS, now]] : now;
      return [...samples].map(([labels, value]) => `${name}${braces(labelText(labels))} ${number(value)}`);
    };
    this.#add({ name, kind: 'gauge', help, lines });
  }

  text(): string {
    const names = [...this.#metrics.keys()].sort();
    let text = '';
    for (const name of names) {
      const metric = this.#metrics.get(name)!;
      const lines = metric.lines();
      if (lines.length === 0) continue;
      text += `# HELP ${name} ${escapeHelp(metric.help)}\n# TYPE ${name} ${metric.kind}\n${lines.join('\n')}\n`;
    }
    return text;
  }

  #add<M extends Metric>(metric: M): M {
    if (this.#metrics.has(metric.name)) throw new Error(`the metric ${metric.name} is there already`);
    this.#metrics.set(metric.name, metric);
    return metric;
  }
}

const NO_LABELS: Labels = {};

function labelText(labels: Labels): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escapeLabel(labels[name])}"`;
  return text;
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`));
}

function escapeHelp(value: string): string {
  return value.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'));
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
