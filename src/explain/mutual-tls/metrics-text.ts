/** One sample of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+([^ \t]+)(?:[ \t]+-?\d+)?[ \t]*$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"[ \t]*,?[ \t]*/y;
const ESCAPES: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/**
 * Samples of the wanted metrics in Prometheus' text format (version 0.0.4), as `/stats/prometheus` of a proxy has it. A
 * line that is not in the format is passed over, as a scrape of a proxy's and its program's metrics may have some.
 */
export function readSamples(text: string, wanted: ReadonlySet<string>): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (!wanted.has(name)) continue;
    const read = readLabels(labels);
    if (read !== undefined && value !== '' && !Number.isNaN(Number(value))) {
      samples.push({ name, labels: read, value: Number(value) });
    }
  }
  return samples;
}

/** Undefined if something is left that is no label. */
function readLabels(text: string): Map<string, string> | undefined {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) return undefined;
    labels.set(
      match[1]!,
      match[2]!.replace(/\\[n"\\]/g, (escaped) => ESCAPES[escaped]!),
    );
  }
  return labels;
}
