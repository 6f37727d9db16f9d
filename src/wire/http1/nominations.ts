import type { Headers } from '../headers.ts';

/** What `Connection` does to a request by the headers that it names. */
export const Nominations = { Harmless: 0, Host: 1, Rejected: 2 } as const;
export type Nominations = (typeof Nominations)[keyof typeof Nominations];

/** Names in all `Connection` headers of a request from which on it is refused. */
const TOO_MANY = 10;
/** Length of a nominated `TE` from which on its request is refused. */
const TE_TOO_LONG = 256;
/** Headers that a client must not have taken away: others decide by them where the request came from. */
const UNTOUCHABLE: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);

/**
 * Judges the headers that `Connection` names for removal (RFC 9110 section 7.6.1), as Envoy's
 * `Http::Utility::sanitizeConnectionHeader` does.
 */
export function nominations(headers: Headers): Nominations {
  let count = 0;
  let host = false;
  for (const part of (headers.getJoined('connection') ?? '').split(',')) {
    const name = part.trim().toLowerCase();
    if (name === '') continue;
    if (++count >= TOO_MANY || name.startsWith(':') || UNTOUCHABLE.has(name)) return Nominations.Rejected;
    if (name === 'te' && (headers.getJoined('te') ?? '').length >= TE_TOO_LONG) return Nominations.Rejected;
    if (name === 'host') host = true;
  }
  return host ? Nominations.Host : Nominations.Harmless;
}
