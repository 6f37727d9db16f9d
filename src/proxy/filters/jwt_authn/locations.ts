import type { JwtProvider } from '../../../api/gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import { cookieValue } from '../../router/cookies.ts';
import { parameterOf, withoutParameter } from '../../router/query.ts';

/** A token where it was found in a request. */
export interface FoundToken {
  readonly token: string;
  /** Whether the issuer may be told there: a place belongs to the providers that name it. */
  allowsIssuer(issuer: string): boolean;
  /** Takes the token out of the request, where that is possible. */
  remove(headers: Headers): void;
}

/** Issuers that a place is for; an empty one is any. */
class Issuers {
  readonly #names = new Set<string>();

  add(issuer: string): void {
    this.#names.add(issuer);
  }

  readonly allows = (issuer: string): boolean => this.#names.has('') || this.#names.has(issuer);
}

/** The places of requests in which providers look for tokens, and the headers that must not come from outside. */
export class TokenLocations {
  readonly #headers = new Map<string, { name: string; prefix: string; issuers: Issuers }>();
  readonly #parameters = new Map<string, Issuers>();
  readonly #cookies = new Map<string, Issuers>();
  readonly #sanitized: string[] = [];

  constructor(providers: readonly JwtProvider[]) {
    for (const provider of providers) this.#add(provider);
  }

  #add(provider: JwtProvider): void {
    const { issuer, fromHeaders, fromParams, fromCookies } = provider;
    for (const { name, valuePrefix } of fromHeaders) this.#addHeader(name.toLowerCase(), valuePrefix, issuer);
    for (const name of fromParams) issuersAt(this.#parameters, name).add(issuer);
    for (const name of fromCookies) issuersAt(this.#cookies, name).add(issuer);
    if (fromHeaders.length + fromParams.length + fromCookies.length === 0) {
      this.#addHeader('authorization', 'Bearer ', issuer);
      issuersAt(this.#parameters, 'access_token').add(issuer);
    }
    if (provider.forwardPayloadHeader !== '') this.#sanitized.push(provider.forwardPayloadHeader.toLowerCase());
    for (const { headerName } of provider.claimToHeaders) this.#sanitized.push(headerName.toLowerCase());
  }

  #addHeader(name: string, prefix: string, issuer: string): void {
    const key = name + prefix;
    let location = this.#headers.get(key);
    if (location === undefined) this.#headers.set(key, (location = { name, prefix, issuers: new Issuers() }));
    location.issuers.add(issuer);
  }

  /** Takes off headers that only a verified token may set. */
  sanitize(headers: Headers): void {
    for (const name of this.#sanitized) headers.remove(name);
  }

  /** All tokens of a request: those of headers first, then of query parameters, then of cookies. */
  find(headers: Headers): FoundToken[] {
    const found: FoundToken[] = [];
    for (const [, { name, prefix, issuers }] of sorted(this.#headers)) {
      for (let i = 0; i < headers.size; i++) {
        if (headers.nameAt(i) !== name) continue;
        const token = afterPrefix(headers.valueAt(i), prefix);
        if (token === undefined) continue;
        found.push({ token, allowsIssuer: issuers.allows, remove: (h) => h.remove(name) });
      }
    }
    if (this.#parameters.size > 0 && headers.path.includes('?')) this.#findParameters(headers, found);
    for (const [name, issuers] of sorted(this.#cookies)) {
      const token = cookieValue(headers, name);
      if (token !== undefined) found.push({ token, allowsIssuer: issuers.allows, remove() {} });
    }
    return found;
  }

  #findParameters(headers: Headers, found: FoundToken[]): void {
    for (const [name, issuers] of sorted(this.#parameters)) {
      const token = parameterOf(headers.path, name);
      if (token === undefined) continue;
      found.push({
        token,
        allowsIssuer: issuers.allows,
        remove(h) {
          h.path = withoutParameter(h.path, name);
        },
      });
    }
  }
}

function issuersAt(map: Map<string, Issuers>, name: string): Issuers {
  let issuers = map.get(name);
  if (issuers === undefined) map.set(name, (issuers = new Issuers()));
  return issuers;
}

function sorted<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return map.size < 2 ? [...map] : [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What comes after the prefix, wherever that stands: from the first character that a token may have. */
function afterPrefix(value: string, prefix: string): string | undefined {
  if (prefix === '') return value;
  const at = value.indexOf(prefix);
  if (at < 0) return undefined;
  const start = value.slice(at + prefix.length).search(/[A-Za-z0-9_.-]/);
  return start < 0 ? value : value.slice(at + prefix.length + start);
}
