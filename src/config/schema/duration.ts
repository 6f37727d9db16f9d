/** Nanoseconds of each unit of Go's `time.ParseDuration`; both micro signs are accepted. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const COMPONENT = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Go's durations are 64-bit nanoseconds: about 292 years. */
const MAX_NANOSECONDS = 2 ** 63;

/**
 * Reads a duration the way Go's `time.ParseDuration` does (`1.5s`, `1h30m`, `-2ms`, `0`).
 * Returns milliseconds, with a fraction below that, or undefined when the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  let at = text.startsWith('-') || text.startsWith('+') ? 1 : 0;
  if (text.slice(at) === '0') return 0;
  if (at === text.length) return undefined;
  let nanoseconds = 0;
  while (at < text.length) {
    COMPONENT.lastIndex = at;
    const match = COMPONENT.exec(text);
    if (match === null) return undefined;
    nanoseconds += Number(match[1]) * UNITS[match[2]!]!;
    at = COMPONENT.lastIndex;
  }
  if (nanoseconds >= MAX_NANOSECONDS) return undefined;
  return nanoseconds === 0 ? 0 : (sign * Math.round(nanoseconds)) / 1e6;
}

/** Milliseconds as the shortest duration that reads back as the same: `1.5s`, `250ms`, `1h0m0s` is written `3600s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  if (Math.abs(milliseconds) >= 1000) return `${milliseconds / 1000}s`;
  if (Math.abs(milliseconds) >= 1) return `${milliseconds}ms`;
  return `${Math.round(milliseconds * 1e6)}ns`;
}
