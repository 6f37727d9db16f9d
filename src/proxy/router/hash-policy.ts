import type { RouteAction_HashPolicy } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { xxhash64 } from '../../base/xxhash64.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { durationMs } from '../config/values.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import { parseQuery } from './header-match.ts';
import { type Substitution, substitution } from './rewrite.ts';

/** A Set-Cookie that has to go out with the response because the request had no cookie to hash. */
export type CookieSink = (setCookie: string) => void;

/** The hash of a request, or undefined where none of the policies finds anything to hash. */
export type RequestHash = (headers: Headers, info: StreamInfo, setCookie: CookieSink) => bigint | undefined;

type Part = (headers: Headers, info: StreamInfo, setCookie: CookieSink) => bigint | undefined;

/** Compiles `hash_policy`: parts that apply are put together, up to a terminal one; undefined where there are none. */
export function requestHash(
  policies: readonly RouteAction_HashPolicy[],
  errors: ConfigErrors,
): RequestHash | undefined {
  if (policies.length === 0) return undefined;
  const parts = policies.map((policy, i) => ({ hash: part(policy, errors.at(i)), terminal: policy.terminal }));
  return (headers, info, setCookie) => {
    let all: bigint | undefined;
    for (const { hash, terminal } of parts) {
      const one = hash(headers, info, setCookie);
      if (one !== undefined) {
        // Rotating first makes the order of the policies count and equal values not cancel each other out.
        all = all === undefined ? one : (((all << 1n) | (all >> 63n)) & 0xffffffffffffffffn) ^ one;
      }
      if (terminal && all !== undefined) break;
    }
    return all;
  };
}

function part(policy: RouteAction_HashPolicy, errors: ConfigErrors): Part {
  const { policySpecifier: specifier } = policy;
  switch (specifier.case) {
    case 'header': {
      const name =
        specifier.value.headerName.toLowerCase() === 'host' ? ':authority' : specifier.value.headerName.toLowerCase();
      const rewrite: Substitution | undefined =
        specifier.value.regexRewrite && substitution(specifier.value.regexRewrite, errors.at('header.regex_rewrite'));
      return (headers) => {
        const value = headers.getJoined(name);
        return value === undefined ? undefined : xxhash64(rewrite ? rewrite(value) : value);
      };
    }
    case 'cookie': {
      const { name, path, attributes } = specifier.value;
      const ttlMs = specifier.value.ttl && durationMs(specifier.value.ttl, 0);
      return (headers, info, setCookie) => {
        const given = cookieValue(headers, name);
        if (given !== undefined) return xxhash64(given);
        if (ttlMs === undefined) return undefined;
        // Envoy makes the value from the addresses, so that one client's concurrent first requests agree.
        const value = xxhash64(`${info.remoteAddress.address}:${info.remoteAddress.port}${name}`).toString(16);
        const parts = [`${name}="${value}"`];
        if (ttlMs > 0) parts.push(`Max-Age=${Math.floor(ttlMs / 1000)}`);
        if (path) parts.push(`Path=${path}`);
        for (const { name: key, value: v } of attributes) parts.push(v ? `${key}=${v}` : key);
        parts.push('HttpOnly');
        setCookie(parts.join('; '));
        return xxhash64(value);
      };
    }
    case 'connectionProperties':
      return (_headers, info) => (specifier.value.sourceIp ? xxhash64(info.remoteAddress.address) : undefined);
    case 'queryParameter':
      return (headers) => {
        const value = parseQuery(headers.path).get(specifier.value.name);
        return value === undefined ? undefined : xxhash64(value);
      };
    case 'filterState':
      return (_headers, info) => {
        const value = info.getFilterState(specifier.value.key);
        return value === undefined ? undefined : xxhash64(String(value));
      };
    default:
      errors.add('', 'a policy is needed');
      return () => undefined;
  }
}

/** The value of a cookie by name in all Cookie headers, without quotes. */
export function cookieValue(headers: Headers, name: string): string | undefined {
  for (let i = 0; i < headers.size; i++) {
    if (headers.nameAt(i) !== 'cookie') continue;
    for (const pair of headers.valueAt(i).split(';')) {
      const equals = pair.indexOf('=');
      if (equals >= 0 && pair.slice(0, equals).trim() === name)
        return pair
          .slice(equals + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1');
    }
  }
  return undefined;
}
