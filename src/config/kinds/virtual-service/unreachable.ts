import type { Report } from '../../report.ts';
import type { StringMatch } from '../shared/http-policy.ts';
import type { HttpMatch, HttpRoute, VirtualServiceSpec } from './schema.ts';

/**
 * Warns about routes and matches that no request can reach because an earlier one takes them all: a route without
 * matches that is not the last, a match that stands twice, a prefix within an earlier prefix.
 */
export function reportUnreachable(spec: VirtualServiceSpec, report: Report): void {
  reportDuplicates(spec.http ?? [], report.at('http'));
  reportDuplicates(spec.tls ?? [], report.at('tls'));
  reportDuplicates(spec.tcp ?? [], report.at('tcp'));
  reportCoveredPrefixes(spec.http ?? [], report.at('http'));
}

interface Route {
  readonly name?: string;
  readonly match?: readonly object[];
}

function reportDuplicates(routes: readonly Route[], report: Report): void {
  const seen = new Map<string, number>();
  let catchAll: number | undefined;
  for (const [i, { match = [] }] of routes.entries()) {
    if (catchAll !== undefined) {
      report.warning(`is never used: ${nameOf(routes, catchAll)} has no match and takes everything`, i);
      continue;
    }
    if (match.length === 0) {
      catchAll = i;
      continue;
    }
    let duplicates = 0;
    for (const [j, condition] of match.entries()) {
      const { name: _, ...rest } = condition as HttpMatch;
      const text = canonical(rest);
      const earlier = seen.get(text);
      if (earlier === undefined) seen.set(text, i);
      else {
        duplicates++;
        report.warning(`is never used: ${nameOf(routes, earlier)} has the same match`, i, 'match', j);
      }
    }
    if (duplicates === match.length) report.warning('is never used: all of its matches are in earlier routes', i);
  }
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

function reportCoveredPrefixes(routes: readonly HttpRoute[], report: Report): void {
  const earlier: PrefixMatch[] = [];
  for (const [route, { match = [] }] of routes.entries()) {
    for (const [index, condition] of match.entries()) {
      const prefix = condition.uri?.prefix;
      if (!prefix) continue;
      const cover = earlier.find(
        (e) => e.prefix !== prefix && prefix.startsWith(e.prefix) && isNoNarrower(e.condition, condition),
      );
      if (cover !== undefined) {
        report.warning(
          `is never used: the prefix ${cover.prefix} of ${nameOf(routes, cover.route)} takes ${prefix} first`,
          route,
          'match',
          index,
        );
      }
      earlier.push({ route, match: index, prefix, condition });
    }
  }
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
