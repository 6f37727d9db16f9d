import { DAYS, MONTHS } from './calendar.ts';

/** What a line of a log is made of. */
export interface LogLine {
  readonly time: Date;
  readonly pid: number;
  readonly scope: string;
  /** Envoy's name of it: `trace`, `debug`, `info`, `warning`, `error` or `critical`. */
  readonly level: string;
  readonly message: string;
}

/** Puts a line together, without the line feed. */
export type LogPattern = (line: LogLine) => string;

const two = (n: number) => String(n).padStart(2, '0');
const clock = (t: Date) => `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
const date = (t: Date) => `${two(t.getMonth() + 1)}/${two(t.getDate())}/${two(t.getFullYear() % 100)}`;
const hour12 = (t: Date) => two(t.getHours() % 12 || 12);
const half = (t: Date) => (t.getHours() < 12 ? 'AM' : 'PM');
const milliseconds = (t: Date) => String(t.getMilliseconds()).padStart(3, '0');

function zone(t: Date): string {
  const minutes = -t.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** A message inside of a JSON string that the pattern writes the quotes of. */
const inJson = ({ message }: LogLine) => JSON.stringify(message).slice(1, -1);

/**
 * The flags of spdlog's patterns, and Envoy's own `%_` and `%j`. Where a line comes from in the source (`%g %s %@ %# %!`)
 * is not known here and left out; there is one thread, whose number is that of the process.
 */
const FLAGS: Readonly<Record<string, (line: LogLine) => string>> = {
  v: ({ message }) => message,
  _: ({ message }) => message.replaceAll('\n', '\\n'),
  j: inJson,
  '+': ({ message }) => message,
  n: ({ scope }) => scope,
  l: ({ level }) => level,
  L: ({ level }) => level[0].toUpperCase(),
  t: ({ pid }) => String(pid),
  P: ({ pid }) => String(pid),
  a: ({ time }) => DAYS[time.getDay()].slice(0, 3),
  A: ({ time }) => DAYS[time.getDay()],
  b: ({ time }) => MONTHS[time.getMonth()].slice(0, 3),
  h: ({ time }) => MONTHS[time.getMonth()].slice(0, 3),
  B: ({ time }) => MONTHS[time.getMonth()],
  c: ({ time }) =>
    `${DAYS[time.getDay()].slice(0, 3)} ${MONTHS[time.getMonth()].slice(0, 3)} ${time.getDate()} ${clock(time)} ${time.getFullYear()}`,
  C: ({ time }) => two(time.getFullYear() % 100),
  Y: ({ time }) => String(time.getFullYear()),
  D: ({ time }) => date(time),
  x: ({ time }) => date(time),
  m: ({ time }) => two(time.getMonth() + 1),
  d: ({ time }) => two(time.getDate()),
  H: ({ time }) => two(time.getHours()),
  I: ({ time }) => hour12(time),
  M: ({ time }) => two(time.getMinutes()),
  S: ({ time }) => two(time.getSeconds()),
  e: ({ time }) => milliseconds(time),
  f: ({ time }) => `${milliseconds(time)}000`,
  F: ({ time }) => `${milliseconds(time)}000000`,
  E: ({ time }) => String(Math.floor(time.getTime() / 1000)),
  p: ({ time }) => half(time),
  r: ({ time }) => `${hour12(time)}:${two(time.getMinutes())}:${two(time.getSeconds())} ${half(time)}`,
  R: ({ time }) => `${two(time.getHours())}:${two(time.getMinutes())}`,
  T: ({ time }) => clock(time),
  X: ({ time }) => clock(time),
  z: ({ time }) => zone(time),
  g: () => '',
  s: () => '',
  '@': () => '',
  '#': () => '',
  '!': () => '',
  '^': () => '',
  $: () => '',
  '%': () => '%',
};

/** Widths beyond this are what spdlog does not take either. */
const MAX_WIDTH = 64;
const FLAG = /%([-=]?)(\d+)?(!?)([^\d])/gs;

/**
 * Compiles a pattern in spdlog's syntax: `--log-format` of Envoy's command line and `application_log_config.log_format`
 * of its bootstrap. A flag that there is none of stays as it was written.
 */
export function compileLogPattern(text: string): LogPattern {
  const pieces: ((line: LogLine) => string)[] = [];
  let end = 0;
  for (const match of text.matchAll(FLAG)) {
    const [whole, side, digits, cut, flag] = match;
    const literal = text.slice(end, match.index);
    if (literal !== '') pieces.push(() => literal);
    end = match.index + whole.length;
    const show = Object.hasOwn(FLAGS, flag) ? FLAGS[flag] : () => whole;
    const width = Math.min(Number(digits ?? 0), MAX_WIDTH);
    pieces.push(width === 0 ? show : (line) => padded(show(line), side, width, cut !== ''));
  }
  const rest = text.slice(end);
  if (rest !== '') pieces.push(() => rest);
  return (line) => pieces.reduce((all, piece) => all + piece(line), '');
}

function padded(text: string, side: string, width: number, cut: boolean): string {
  if (text.length >= width) return cut ? text.slice(0, width) : text;
  if (side === '-') return text.padEnd(width);
  if (side === '=') return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
  return text.padStart(width);
}
