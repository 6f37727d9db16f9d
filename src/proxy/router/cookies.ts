import type { Headers } from '../../wire/headers.ts';

/** The first cookie of that name that a request brings, without quotes, or undefined. */
export function cookieValue(headers: Headers, name: string): string | undefined {
  for (let i = 0; i < headers.size; i++) {
    if (headers.nameAt(i) !== 'cookie') continue;
    for (const pair of headers.valueAt(i).split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || pair.slice(0, equals).replace(/^ +/, '') !== name) continue;
      const value = pair.slice(equals + 1);
      return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}
