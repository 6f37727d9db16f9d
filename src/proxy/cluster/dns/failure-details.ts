import { codeOf } from '../../../base/errors.ts';

/** What Envoy's resolver library says to each of its codes, which are Node's as well. */
const TEXTS: Readonly<Record<string, string>> = {
  ENODATA: 'DNS server returned answer with no data',
  EFORMERR: 'DNS server claims query was misformatted',
  ESERVFAIL: 'DNS server returned general failure',
  ENOTFOUND: 'Domain name not found',
  ENOTIMP: 'DNS server does not implement requested operation',
  EREFUSED: 'DNS server refused query',
  EBADQUERY: 'Misformatted DNS query',
  EBADNAME: 'Misformatted domain name',
  EBADFAMILY: 'Unsupported address family',
  EBADRESP: 'Misformatted DNS reply',
  ECONNREFUSED: 'Could not contact DNS servers',
  ETIMEOUT: 'Timeout while contacting DNS servers',
  EOF: 'End of file',
  ENOMEM: 'Out of memory',
  ECANCELLED: 'DNS query cancelled',
};

const NOT_FOUND: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

/** Why a name has no address, in Envoy's words: `cares_norecords:Domain name not found`. */
export function failureDetails(code: string): string {
  return `${NOT_FOUND.has(code) ? 'cares_norecords' : 'cares_failure'}:${TEXTS[code] ?? code}`;
}

/** The same for what a resolver threw. */
export function detailsOf(error: unknown): string {
  return failureDetails(codeOf(error) ?? 'EBADRESP');
}

/** `%RESPONSE_CODE_DETAILS%` of a request whose host has no address, and why. */
export function dnsFailure(failure: string): string {
  return `dns_resolution_failure{${failure.replaceAll(' ', '_')}}`;
}

/** The same where a cache knows as many names as it may, and where as many requests wait for answers as may. */
export const CACHE_OVERFLOW = 'dns_cache_overflow';
export const PENDING_OVERFLOW = 'dns_cache_pending_requests_overflow';
