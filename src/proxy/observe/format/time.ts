import { DAYS, MONTHS } from '../../../base/calendar.ts';

const pad = (n: number, width: number) => String(n).padStart(width, '0');

/** `2026-11-21T13:32:00.123Z`: what `%START_TIME%` is without a format. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * Compiles a `strftime` pattern, with Envoy's additions for fractions: `%f` or `%9f` nanoseconds, `%3f` milliseconds,
 * `%s` seconds since 1970, `%3s` with milliseconds. Times are UTC. Returns undefined for a pattern with a conversion
 * that is not known.
 */
export function compileTimeFormat(pattern: string): ((ms: number) => string) | undefined {
  const parts: (string | ((date: Date, ms: number) => string))[] = [];
  const regex = /%(\d)?([a-zA-Z%])|[^%]+/g;
  for (const [text, digits, code] of pattern.matchAll(regex)) {
    if (code === undefined) {
      parts.push(text);
      continue;
    }
    const part = conversion(code, digits === undefined ? undefined : Number(digits));
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return (ms) => {
    const date = new Date(ms);
    return parts.map((p) => (typeof p === 'string' ? p : p(date, ms))).join('');
  };
}

function conversion(code: string, digits: number | undefined): ((date: Date, ms: number) => string) | undefined {
  switch (code) {
    case 'Y':
      return (d) => String(d.getUTCFullYear());
    case 'y':
      return (d) => pad(d.getUTCFullYear() % 100, 2);
    case 'm':
      return (d) => pad(d.getUTCMonth() + 1, 2);
    case 'd':
      return (d) => pad(d.getUTCDate(), 2);
    case 'e':
      return (d) => String(d.getUTCDate()).padStart(2, ' ');
    case 'H':
      return (d) => pad(d.getUTCHours(), 2);
    case 'I':
      return (d) => pad(d.getUTCHours() % 12 || 12, 2);
    case 'M':
      return (d) => pad(d.getUTCMinutes(), 2);
    case 'S':
      return (d) => pad(d.getUTCSeconds(), 2);
    case 'p':
      return (d) => (d.getUTCHours() < 12 ? 'AM' : 'PM');
    case 'b':
    case 'h':
      return (d) => MONTHS[d.getUTCMonth()].slice(0, 3);
    case 'B':
      return (d) => MONTHS[d.getUTCMonth()];
    case 'a':
      return (d) => DAYS[d.getUTCDay()].slice(0, 3);
    case 'A':
      return (d) => DAYS[d.getUTCDay()];
    case 'j':
      return (d) => pad(Math.floor((d.getTime() - Date.UTC(d.getUTCFullYear(), 0, 1)) / 86_400_000) + 1, 3);
    case 'F':
      return (d) => d.toISOString().slice(0, 10);
    case 'T':
      return (d) => d.toISOString().slice(11, 19);
    case 'D':
      return (d) => `${pad(d.getUTCMonth() + 1, 2)}/${pad(d.getUTCDate(), 2)}/${pad(d.getUTCFullYear() % 100, 2)}`;
    case 'R':
      return (d) => d.toISOString().slice(11, 16);
    case 'z':
      return () => '+0000';
    case 'Z':
      return () => 'UTC';
    case 's':
      return digits === undefined || digits === 0
        ? (_, ms) => String(Math.floor(ms / 1000))
        : (_, ms) => `${Math.floor(ms / 1000)}${nanos(ms).slice(0, digits)}`;
    case 'f':
      return (_, ms) => nanos(ms).slice(0, digits ?? 9);
    case 'n':
      return () => '\n';
    case 't':
      return () => '\t';
    case '%':
      return () => '%';
    default:
      return undefined;
  }
}

function nanos(ms: number): string {
  return pad(Math.round((ms - Math.floor(ms / 1000) * 1000) * 1e6), 9);
}
