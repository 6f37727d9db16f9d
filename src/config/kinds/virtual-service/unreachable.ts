import type { Report } from '../../report.ts';
import type { StringMatch } from '../shared/http-policy.ts';
import type { HttpMatch, HttpRoute, VirtualServiceSpec } from './schema.ts';

/** Why a route, or a match of one, is not used. */
export type UnreachableReason =
  /** A route before it has no match, and takes everything; it has none either. */
  | 'second without match'
  /** A route before it has no match, and takes everything. */
  | 'after one without match'
  /** All of a route's matches are in earlier routes. */
  | 'all matches used'
  /** An earlier route has the same match. */
  | 'same match'
  /** An earlier match takes what begins with its prefix, and so all of this one's. */
  | 'longer prefix';

/** A route that no request reaches, or a match of it. */
export interface Unreachable {
  readonly protocol: 'http' | 'tls' | 'tcp';
  readonly route: number;
  /** Undefined when it is about the whole route. */
  readonly match?: number;
  readonly reason: UnreachableReason;
  /** What takes the requests. */
  readonly by?: { readonly route: number; readonly match?: number };
  /**
   * Whether it is sure. Istio compares prefixes, methods, headers and query parameters as texts, and so also finds
   * matches of which some requests do get through; those are told where Istio's tools tell them, and not elsewhere.
   */
  readonly certain: boolean;
  /** Whether Istio finds it too: it does not see that a match with one more header is narrower. */
  readonly knownToIstio: boolean;
}

/** Finds the routes and matches that earlier ones leave nothing for: what Istio's validation finds, and what is sure besides. */
export function findUnreachable(spec: VirtualServiceSpec): Unreachable[] {
  return [
    ...findDuplicates('http', spec.http ?? []),
    ...findCoveredPrefixes(spec.http ?? []),
    ...findDuplicates('tls', spec.tls ?? []),
    ...findDuplicates('tcp', spec.tcp ?? []),
  ];
}

/** Warns about what {@link findUnreachable} is sure of. */
export function reportUnreachable(spec: VirtualServiceSpec, report: Report): void {
  const told = new Set<string>();
  for (const { protocol, route, match, reason, by, certain } of findUnreachable(spec)) {
    const path = match === undefined ? [protocol, route] : [protocol, route, 'match', match];
    if (!certain || told.has(path.join())) continue;
    told.add(path.join());
    const routes: readonly Route[] = spec[protocol] ?? [];
    const why = describe(reason, by === undefined ? '' : nameOf(routes, by.route), spec, { route, match, by });
    report.topicWarning('unreachable', `is never used: ${why}`, ...path);
  }
}

function describe(
  reason: UnreachableReason,
  other: string,
  { http = [] }: VirtualServiceSpec,
  { route, match, by }: Pick<Unreachable, 'route' | 'match' | 'by'>,
): string {
  switch (reason) {
    case 'second without match':
    case 'after one without match':
      return `${other} has no match and takes everything`;
    case 'all matches used':
      return 'all of its matches are in earlier routes';
    case 'same match':
      return `${other} has the same match`;
    case 'longer prefix':
      return `the prefix ${prefixAt(http, by!.route, by!.match!)} of ${other} takes ${prefixAt(http, route, match!)} first`;
  }
}

function prefixAt(routes: readonly HttpRoute[], route: number, match: number): string {
  return routes[route]?.match?.[match]?.uri?.prefix ?? '';
}

/** Matches that are the same, or take everything: there is no doubt. */
const PLAIN = { certain: true, knownToIstio: true };

interface Route {
  readonly name?: string;
  readonly match?: readonly object[];
}

function findDuplicates(protocol: Unreachable['protocol'], routes: readonly Route[]): Unreachable[] {
  const found: Unreachable[] = [];
  const seen = new Map<string, number>();
  let catchAll: number | undefined;
  for (const [i, { match = [] }] of routes.entries()) {
    if (catchAll !== undefined) {
      const reason = match.length === 0 ? 'second without match' : 'after one without match';
      found.push({ protocol, route: i, reason, by: { route: catchAll }, ...PLAIN });
      if (match.length === 0) catchAll = i;
      continue;
    }
    if (match.length === 0) {
      catchAll = i;
      continue;
    }
    let duplicates = 0;
    for (const [j, condition] of match.entries()) {
      const text = withoutName(condition);
      const earlier = seen.get(text);
      if (earlier === undefined) seen.set(text, i);
      else {
        duplicates++;
        found.push({ protocol, route: i, match: j, reason: 'same match', by: { route: earlier }, ...PLAIN });
      }
    }
    if (duplicates === match.length) found.push({ protocol, route: i, reason: 'all matches used', ...PLAIN });
  }
  return found;
}

function withoutName(condition: object): string {
  const { name: _, ...rest } = condition as HttpMatch;
  return canonical(rest);
}

function nameOf(routes: readonly Route[], index: number): string {
  const name = routes[index]?.name;
  return name ? `the route ${JSON.stringify(name)}` : `route ${index}`;
}

/** JSON with sorted keys, so that the order in which fields were written does not matter. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, v]) => `${JSON.stringify(key)}:${canonical(v)}`).join(',')}}`;
}

interface PrefixMatch {
  readonly route: number;
  readonly match: number;
  readonly prefix: string;
  readonly condition: HttpMatch;
}

function findCoveredPrefixes(routes: readonly HttpRoute[]): Unreachable[] {
  const found: Unreachable[] = [];
  const earlier: PrefixMatch[] = [];
  const seen = new Set<string>();
  for (const [route, { match = [] }] of routes.entries()) {
    if (match.length === 0) break;
    for (const [index, condition] of match.entries()) {
      const prefix = condition.uri?.prefix;
      const text = withoutName(condition);
      if (!prefix || seen.has(text)) continue;
      seen.add(text);
      const later = { route, match: index, prefix, condition };
      for (const before of earlier) {
        if (before.prefix === prefix || !prefix.startsWith(before.prefix)) continue;
        const certain = isNoNarrower(before.condition, condition);
        const knownToIstio = seemsNoNarrower(before.condition, condition);
        if (!certain && !knownToIstio) continue;
        const by = { route: before.route, match: before.match };
        found.push({ protocol: 'http', route, match: index, reason: 'longer prefix', by, certain, knownToIstio });
      }
      earlier.push(later);
    }
  }
  return found;
}

/** Whether `a` takes every request that `b` takes, their paths left aside; only what can be told for sure counts. */
function isNoNarrower(a: HttpMatch, b: HttpMatch): boolean {
  if (a.port !== b.port) return false;
  for (const field of ['method', 'authority', 'scheme'] as const) {
    if (!stringCovers(a[field], b[field])) return false;
  }
  for (const field of ['headers', 'queryParams', 'withoutHeaders'] as const) {
    if (!mapCovers(a[field] ?? {}, b[field] ?? {})) return false;
  }
  for (const field of ['sourceLabels', 'gateways', 'sourceNamespace'] as const) {
    if (a[field] !== undefined && canonical(a[field]) !== canonical(b[field] ?? null)) return false;
  }
  return true;
}

function stringCovers(a: StringMatch | undefined, b: StringMatch | undefined): boolean {
  if (a === undefined) return true;
  return b !== undefined && canonical(a) === canonical(b);
}

function mapCovers(a: Readonly<Record<string, StringMatch>>, b: Readonly<Record<string, StringMatch>>): boolean {
  return Object.entries(a).every(([name, match]) => stringCovers(match, b[name]));
}

/** Whether Istio takes `a` for one that takes every request of `b`. */
function seemsNoNarrower(a: HttpMatch, b: HttpMatch): boolean {
  const begins = (one: StringMatch | undefined, two: StringMatch | undefined) => textOf(one).startsWith(textOf(two));
  if ((a.port ?? 0) !== (b.port ?? 0) || !begins(a.authority, b.authority)) return false;
  if (!methodOf(a).startsWith(methodOf(b))) return false;
  return (['headers', 'queryParams', 'withoutHeaders'] as const).every((field) => {
    const one = a[field] ?? {};
    const two = b[field] ?? {};
    const names = Object.keys(one);
    return (
      names.length === Object.keys(two).length &&
      names.every((name) => two[name] !== undefined && begins(one[name], two[name]))
    );
  });
}

/** To Istio, a match that names no method is one for GET. */
function methodOf({ method }: HttpMatch): string {
  return textOf(method) || 'exact GET';
}

/** How Istio writes a match down to compare it; empty for a regular expression. */
function textOf(match: StringMatch | undefined): string {
  if (match?.exact) return `exact ${match.exact}`;
  return match?.prefix ? `prefix ${match.prefix}` : '';
}
