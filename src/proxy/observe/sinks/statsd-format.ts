import type { MetricName } from './sink.ts';

/** How a kind of statsd writes the tags of a metric, or that it has none. */
export interface TagFormat {
  readonly position: 'after name' | 'after value';
  readonly start: string;
  readonly assign: string;
  readonly separator: string;
}

/** https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/ */
export const DOG_TAGS: TagFormat = { position: 'after value', start: '|#', assign: ':', separator: ',' };
/** https://graphite.readthedocs.io/en/latest/tags.html */
export const GRAPHITE_TAGS: TagFormat = { position: 'after name', start: ';', assign: '=', separator: ';' };

const DEFAULT_PREFIX = 'envoy';

/** Types of statsd's metrics: a counter's increment, a gauge, and one sample of a histogram, which statsd calls a timer. */
export type StatsdType = 'c' | 'g' | 'ms';

/** Writes a metric as statsd reads it, without a line's end. */
export type StatsdFormat = (name: MetricName, value: number, type: StatsdType) => string;

/** `prefix.name:value|type`, with tags where the format has them: the name is then the one without them. */
export function statsdFormat(prefix: string, tagFormat?: TagFormat): StatsdFormat {
  const start = `${prefix || DEFAULT_PREFIX}.`;
  if (tagFormat === undefined) return ({ full }, value, type) => `${start}${full}:${value}|${type}`;
  const { position, start: before, assign, separator } = tagFormat;
  return ({ extracted, tags }, value, type) => {
    const list = tags.map(([name, text]) => `${name}${assign}${text}`).join(separator);
    const text = list === '' ? '' : before + list;
    return position === 'after name'
      ? `${start}${extracted}${text}:${value}|${type}`
      : `${start}${extracted}:${value}|${type}${text}`;
  };
}

/** Joins lines by newlines into texts of at most so many bytes; one that is longer by itself goes alone. */
export class DatagramPacker {
  readonly #maxBytes: number;
  readonly #send: (text: string) => void;
  #text = '';
  #bytes = 0;

  /** 0 bytes: each line goes alone. */
  constructor(maxBytes: number, send: (text: string) => void) {
    this.#maxBytes = maxBytes;
    this.#send = send;
  }

  add(line: string): void {
    const bytes = Buffer.byteLength(line);
    // As Envoy does it, one that fills a datagram to its last byte goes alone, before what waits.
    if (bytes >= this.#maxBytes) {
      this.#send(line);
      return;
    }
    if (this.#bytes + bytes + 1 > this.#maxBytes) this.flush();
    this.#text += this.#bytes === 0 ? line : `\n${line}`;
    this.#bytes += bytes + (this.#bytes === 0 ? 0 : 1);
  }

  flush(): void {
    if (this.#bytes === 0) return;
    this.#send(this.#text);
    this.#text = '';
    this.#bytes = 0;
  }
}
