import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import type { LimitNode } from '../shared/rate-limits.ts';
import type { RateLimitSpec } from './schema.ts';

/** What can be limited by name: the pods of a Service, and those that a Gateway is for. */
const TARGETS = new Set(['/Service', 'core/Service', 'networking.istio.io/Gateway']);

/** The rules for a RateLimit that a schema cannot hold. */
export function validateRateLimit({ spec }: ConfigObject<RateLimitSpec>, report: Report): void {
  const at = report.at('spec');
  const { selector, targetRefs = [], local, shared } = spec;
  if (local === undefined && shared === undefined) at.error('must have local or shared limits');
  if (selector !== undefined && targetRefs.length > 0) at.error('must not be set beside targetRefs', 'selector');
  for (const [i, { group = '', kind, name, namespace }] of targetRefs.entries()) {
    const refAt = at.at('targetRefs', i);
    if (!TARGETS.has(`${group}/${kind}`)) {
      refAt.error(
        `must be a Service, or a Gateway of networking.istio.io, not ${group ? `${group}/` : ''}${kind}`,
        'kind',
      );
    }
    if (name === '') refAt.error('must not be empty', 'name');
    if (namespace) refAt.error('must not be set: a RateLimit applies in its own namespace', 'namespace');
  }
  if (local?.burst !== undefined && local.burst < local.requests) {
    at.error('must not be less than requests', 'local', 'burst');
  }
  if (shared?.limits !== undefined && !shared.limits.some(hasLimit)) {
    at.warning('has no rate_limit anywhere: nothing is limited by it', 'shared', 'limits');
  }
}

function hasLimit({ rate_limit, descriptors = [] }: LimitNode): boolean {
  return rate_limit !== undefined || descriptors.some(hasLimit);
}
