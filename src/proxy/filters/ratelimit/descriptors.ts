import type { Headers } from '../../../wire/headers.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { RateLimitDescriptor, RateLimitRule } from '../../router/rate-limits.ts';
import type { Route } from '../../router/route.ts';

/** Whether the virtual host's rules count: where the route has none, as well, or never. */
export type VirtualHostLimits = 'override' | 'include' | 'ignore';

/** What a request counts as by the rules of its route and its virtual host. */
export function applicableDescriptors(
  { action, virtualHost }: Route,
  hostLimits: VirtualHostLimits,
  applies: (rule: RateLimitRule) => boolean,
  headers: Headers,
  info: StreamInfo,
  localCluster: string,
): readonly RateLimitDescriptor[] {
  if (action.kind !== 'route') return [];
  const found: RateLimitDescriptor[] = [];
  const collect = (rules: readonly RateLimitRule[]) => {
    for (const rule of rules) {
      const descriptor = applies(rule) ? rule.descriptor(headers, info, localCluster) : undefined;
      if (descriptor !== undefined) found.push(descriptor);
    }
  };
  collect(action.rateLimits);
  const include = action.includeVirtualHostRateLimits || hostLimits === 'include';
  if (include || (hostLimits === 'override' && action.rateLimits.length === 0)) collect(virtualHost.rateLimits);
  return found;
}

/** What a request counts as by the rules of the filter itself, at its beginning or when the stream is done. */
export function ownDescriptors(
  rules: readonly RateLimitRule[],
  done: boolean,
  headers: Headers,
  info: StreamInfo,
  localCluster: string,
): readonly RateLimitDescriptor[] {
  const found: RateLimitDescriptor[] = [];
  for (const rule of rules) {
    const descriptor = rule.onStreamDone === done ? rule.descriptor(headers, info, localCluster) : undefined;
    if (descriptor !== undefined) found.push(descriptor);
  }
  return found;
}
