import type { Report } from '../../report.ts';
import type { AttachedFilter, EnrouteRoute } from './enroute-route.ts';

/** What is wrong in the routes of GatewayHosts and ServiceRoutes that a schema cannot hold. */
export function validateEnrouteRoute(route: EnrouteRoute, report: Report): void {
  const { conditions = [], services = [], delegate, filters = [], pathRewritePolicy, prefixRewrite } = route;
  for (const [i, { prefix, header }] of conditions.entries()) {
    if (prefix === undefined && header === undefined) report.error('must have a prefix or a header', 'conditions', i);
    if (header !== undefined) {
      const tests = ['present', 'contains', 'notcontains', 'exact', 'notexact'] as const;
      const set = tests.filter((test) => header[test]);
      if (set.length !== 1) {
        report.error(`must have one of ${tests.join(', ')}, not ${set.length}`, 'conditions', i, 'header');
      }
    }
  }
  const prefixes = conditions.filter(({ prefix }) => prefix !== undefined);
  if (prefixes.length > 1) report.error('must have one prefix at most', 'conditions');
  if (delegate !== undefined && services.length > 0) report.error('must not be set beside services', 'delegate');
  if (delegate !== undefined && filters.length > 0) report.error('have no meaning for a delegate', 'filters');
  if (prefixRewrite !== undefined && pathRewritePolicy !== undefined) {
    report.error('must not be set beside prefixRewrite', 'pathRewritePolicy');
  }
  validateAttachedFilters(filters, 'route', report);
}

/** Filters are told apart by their types: two of one type would leave open which of them counts. */
export function validateAttachedFilters(
  filters: readonly AttachedFilter[],
  where: 'host' | 'route',
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [i, { type }] of filters.entries()) {
    if (seen.has(type)) report.error(`is the type of an earlier filter of this ${where}`, 'filters', i, 'type');
    seen.add(type);
  }
}
