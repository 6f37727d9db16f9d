import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import type { Connection } from '../../net/connection.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { HeaderEdits } from '../../router/header-edits.ts';
import type { RateLimitDescriptor, RateLimitRule } from '../../router/rate-limits.ts';
import type { TokenBucket } from '../common/token-bucket.ts';
import { applicableDescriptors, ownDescriptors } from '../ratelimit/descriptors.ts';
import type { LocalLimiter } from './limiter.ts';
import type { LocalRateLimitStats } from './stats.ts';

/** `LocalRateLimit`, compiled; of the filter or of a route. */
export interface LocalRateLimitConfig {
  readonly stats: LocalRateLimitStats;
  readonly status: number;
  readonly grpcStatus: number | undefined;
  /** Shares of the requests. */
  readonly enabled: number;
  readonly enforced: number;
  readonly requestEdits: HeaderEdits | undefined;
  readonly responseEdits: HeaderEdits | undefined;
  readonly stage: number;
  readonly hasDescriptors: boolean;
  /** What requests count as; undefined where the route tells. */
  readonly rules: readonly RateLimitRule[] | undefined;
  readonly virtualHostLimits: 'override' | 'include' | 'ignore';
  /** Responses tell of the limit. */
  readonly rateLimitHeaders: boolean;
  /** Refusals tell when to try again (`retry-after`). */
  readonly retryAfter: boolean;
  /** The limiter of all connections, or of one. */
  limiterFor(connection: Connection): LocalLimiter;
}

const NO_DESCRIPTORS: readonly RateLimitDescriptor[] = [];

/** Refuses requests above a rate that this process keeps by itself. */
export class LocalRateLimitFilter implements HttpFilter {
  readonly #config: LocalRateLimitConfig;
  readonly #callbacks: FilterCallbacks;
  readonly #localCluster: string;
  #bucket: TokenBucket | undefined = undefined;

  constructor(config: LocalRateLimitConfig, localCluster: string, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#localCluster = localCluster;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { stats, enforced, limiterFor, rateLimitHeaders } = this.#config;
    const { info, connection, timers } = this.#callbacks;
    if (!this.#drawn(this.#config.enabled)) return HeadersStatus.Continue;
    stats.enabled++;
    const verdict = limiterFor(connection).request(this.#descriptors(headers), timers.now());
    if (verdict.limitHeaders ?? rateLimitHeaders) this.#bucket = verdict.bucket;
    if (verdict.allowed) {
      if (verdict.shadowed) {
        stats.rate_limited++;
        stats.shadow_mode++;
      } else stats.ok++;
      return HeadersStatus.Continue;
    }
    stats.rate_limited++;
    if (!this.#drawn(enforced)) {
      this.#config.requestEdits?.(headers, info);
      return HeadersStatus.Continue;
    }
    stats.enforced++;
    const { responseEdits, retryAfter } = this.#config;
    const wait = retryAfter && verdict.bucket !== undefined ? this.#secondsToNext(verdict.bucket) : undefined;
    this.#callbacks.sendLocalReply({
      status: this.#config.status,
      body: 'local_rate_limited',
      details: 'local_rate_limited',
      flags: ResponseFlag.RateLimited,
      grpcStatus: this.#config.grpcStatus,
      edit(response) {
        if (wait !== undefined) response.set('retry-after', String(wait));
        responseEdits?.(response, info);
      },
    });
    return HeadersStatus.StopAll;
  }

  #drawn(share: number): boolean {
    return share >= 1 || (share > 0 && this.#callbacks.random() < share);
  }

  #descriptors(headers: Headers): readonly RateLimitDescriptor[] {
    const { hasDescriptors, rules, stage, virtualHostLimits } = this.#config;
    if (!hasDescriptors) return NO_DESCRIPTORS;
    if (rules !== undefined) return ownDescriptors(rules, false, headers, this.#callbacks.info, this.#localCluster);
    const { route } = this.#callbacks;
    if (route === undefined) return NO_DESCRIPTORS;
    return applicableDescriptors(
      route,
      virtualHostLimits,
      (rule) => rule.stage === stage && rule.disableKey === '',
      headers,
      this.#callbacks.info,
      this.#localCluster,
    );
  }

  responseHeaders(headers: Headers): HeadersStatus {
    const bucket = this.#bucket;
    if (bucket === undefined) return HeadersStatus.Continue;
    const tokens = bucket.tokens(this.#callbacks.timers.now());
    headers.add('x-ratelimit-limit', String(bucket.max));
    headers.add('x-ratelimit-remaining', String(Math.floor(tokens)));
    headers.add('x-ratelimit-reset', String(this.#secondsToNext(bucket)));
    return HeadersStatus.Continue;
  }

  #secondsToNext(bucket: TokenBucket): number {
    const tokens = bucket.tokens(this.#callbacks.timers.now());
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / bucket.rate);
  }
}
