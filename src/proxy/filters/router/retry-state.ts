import type { Headers } from '../../../wire/headers.ts';
import { isConnectionFailure, ResetReason } from '../../../wire/http.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import type { ResourceManager } from '../../cluster/resources.ts';
import {
  parseRetryGrpcOn,
  parseRetryOn,
  RetryOn,
  type RetryPolicy,
  retryOnGrpcStatus,
} from '../../router/retry-policy.ts';
import { PreviousPriorities } from '../../router/retry-priority.ts';
import type { RequestStats } from '../../router/stats.ts';
import type { Timer, Timers } from '../../timers.ts';

/** How an attempt failed before there was a response. */
export interface AttemptFailure {
  readonly reason: ResetReason;
  /** Whether any of the request had left for the upstream. */
  readonly requestStarted: boolean;
}

const REMOVED = [
  'x-envoy-retry-on',
  'x-envoy-retry-grpc-on',
  'x-envoy-max-retries',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
];

type RetryStat =
  | 'upstream_rq_retry'
  | 'upstream_rq_retry_limit_exceeded'
  | 'upstream_rq_retry_overflow'
  | 'upstream_rq_retry_success';

/** Those that count retries. */
interface RetryCounters {
  readonly cluster: Cluster['stats'];
  readonly virtualCluster: RequestStats | undefined;
  readonly route: RequestStats | undefined;
}

/** What may still be retried of one request. Undefined where nothing is: such a request need not be kept. */
export class RetryState {
  readonly #policy: RetryPolicy;
  readonly #retryOn: number;
  readonly #statusCodes: readonly number[];
  readonly #counters: RetryCounters;
  readonly #resources: ResourceManager;
  readonly #timers: Timers;
  readonly #random: () => number;
  readonly #tried: Host[] = [];
  #begun = false;
  /** Moves retries to priorities that have not been tried, where the policy says so. */
  readonly priorities: PreviousPriorities | undefined;
  #left: number;
  #retries = 0;
  #holding = false;
  #timer: Timer | undefined = undefined;
  /** Why what was asked for last is not retried: all retries are used up, or the circuit breaker is open. */
  limitExceeded = false;
  overflowed = false;

  private constructor(
    policy: RetryPolicy,
    retryOn: number,
    retries: number,
    statusCodes: readonly number[],
    counters: RetryCounters,
    resources: ResourceManager,
    timers: Timers,
    random: () => number,
  ) {
    this.#policy = policy;
    this.priorities =
      policy.priorityFrequency === undefined ? undefined : new PreviousPriorities(policy.priorityFrequency);
    this.#retryOn = retryOn;
    this.#left = retries;
    this.#statusCodes = statusCodes;
    this.#counters = counters;
    this.#resources = resources;
    this.#timers = timers;
    this.#random = random;
  }

  /** Reads what headers add to the route's policy, and removes them. */
  static create(
    policy: RetryPolicy,
    headers: Headers,
    cluster: Cluster['stats'],
    virtualCluster: RequestStats | undefined,
    route: RequestStats | undefined,
    resources: ResourceManager,
    timers: Timers,
    random: () => number,
  ): RetryState | undefined {
    let { retryOn } = policy;
    let retries = policy.numRetries;
    let { statusCodes } = policy;
    const on = headers.get('x-envoy-retry-on');
    const grpcOn = headers.get('x-envoy-retry-grpc-on');
    if (retryOn === 0 && on === undefined && grpcOn === undefined) {
      removeHeaders(headers);
      return undefined;
    }
    if (on !== undefined) retryOn |= parseRetryOn(on);
    if (grpcOn !== undefined) retryOn |= parseRetryGrpcOn(grpcOn);
    const max = headers.get('x-envoy-max-retries');
    if (max !== undefined && /^\d{1,9}$/.test(max)) retries = Number(max);
    const codes = headers.get('x-envoy-retriable-status-codes');
    if (codes !== undefined) statusCodes = [...statusCodes, ...codes.split(',').map((c) => Number(c.trim()))];
    removeHeaders(headers);
    const { retriableRequestHeaders } = policy;
    if (retriableRequestHeaders.length > 0 && !retriableRequestHeaders.some((test) => test(headers))) return undefined;
    if (retryOn === 0) return undefined;
    const counters = { cluster, virtualCluster, route };
    return new RetryState(policy, retryOn, retries, statusCodes, counters, resources, timers, random);
  }

  noteHost(host: Host): void {
    this.#begun = true;
    if (this.#policy.avoidPreviousHosts) this.#tried.push(host);
    this.priorities?.note(host.description.priority);
  }

  /** Whether the next attempt had better go to another host. */
  rejects(host: Host): boolean {
    // The first attempt goes wherever it is sent.
    if (!this.#begun) return false;
    return this.#tried.includes(host) || this.#policy.omits.some((omits) => omits(host.description));
  }

  /** Decides on a response by its headers. True: `retry` will be called, and the response is to be dropped. */
  onResponse(headers: Headers, retry: () => void): boolean {
    return this.#decide(this.#wantsResponse(headers), headers, retry);
  }

  #wantsResponse(headers: Headers): boolean {
    const { status } = headers;
    const on = this.#retryOn;
    if (headers.has('x-envoy-ratelimited')) return (on & RetryOn.RateLimited) !== 0;
    if (on & RetryOn.ServerError && status >= 500) return true;
    if (on & RetryOn.GatewayError && status >= 502 && status <= 504) return true;
    if (on & RetryOn.Retriable4xx && status === 409) return true;
    if (on & RetryOn.RetriableStatusCodes && this.#statusCodes.includes(status)) return true;
    if (on & RetryOn.RetriableHeaders && this.#policy.retriableHeaders.some((test) => test(headers))) return true;
    const grpc = headers.get('grpc-status');
    return grpc !== undefined && (on & retryOnGrpcStatus(grpc)) !== 0;
  }

  /** Decides on an attempt that ended without a response. */
  onFailure(failure: AttemptFailure, retry: () => void): boolean {
    return this.#decide(this.#wantsFailure(failure), undefined, retry);
  }

  /** An attempt takes long, and another is to be made beside it. */
  onHedge(retry: () => void): boolean {
    return this.#decide(true, undefined, retry);
  }

  /** Whether a response is one that would be retried, if that were still possible. */
  wouldRetry(headers: Headers): boolean {
    return this.#wantsResponse(headers);
  }

  /** Another attempt is about to be made. */
  get pending(): boolean {
    return this.#timer !== undefined;
  }

  #wantsFailure({ reason, requestStarted }: AttemptFailure): boolean {
    const on = this.#retryOn;
    if (reason === ResetReason.Overflow) return false;
    if (on & RetryOn.Reset) return true;
    if (on & RetryOn.ResetBeforeRequest && !requestStarted) return true;
    if (on & (RetryOn.ServerError | RetryOn.GatewayError)) return true;
    if (on & RetryOn.RefusedStream && reason === ResetReason.RemoteRefused) return true;
    return (on & RetryOn.ConnectFailure) !== 0 && isConnectionFailure(reason);
  }

  #decide(wanted: boolean, response: Headers | undefined, retry: () => void): boolean {
    this.limitExceeded = false;
    this.overflowed = false;
    if (!wanted) {
      // The attempt that just ended was a retry: its place is free again.
      if (this.#holding) {
        this.#release();
        this.#count('upstream_rq_retry_success');
      }
      return false;
    }
    if (this.#left === 0) {
      this.#count('upstream_rq_retry_limit_exceeded');
      this.limitExceeded = true;
      return false;
    }
    this.#left--;
    if (this.#holding) this.#release();
    if (!this.#resources.canRetry) {
      this.#count('upstream_rq_retry_overflow');
      this.overflowed = true;
      return false;
    }
    this.#resources.retries.inUse++;
    this.#holding = true;
    this.#count('upstream_rq_retry');
    const delay = (response && this.#rateLimitDelay(response)) ?? this.#backoff();
    this.#timer = this.#timers.start(delay, () => {
      this.#timer = undefined;
      retry();
    });
    return true;
  }

  #count(stat: RetryStat): void {
    const { cluster, virtualCluster, route } = this.#counters;
    cluster[stat]++;
    if (virtualCluster !== undefined) virtualCluster[stat]++;
    if (route !== undefined) route[stat]++;
  }

  /** Full jitter over a bound that doubles: 25 ms, 75 ms, 175 ms and so on, up to ten times the base. */
  #backoff(): number {
    this.#counters.cluster.upstream_rq_retry_backoff_exponential++;
    const { backoffBaseMs, backoffMaxMs } = this.#policy;
    this.#retries++;
    const bound = backoffBaseMs * (2 ** this.#retries - 1);
    return Math.min(this.#random() * bound, backoffMaxMs);
  }

  #rateLimitDelay(headers: Headers): number | undefined {
    const limited = this.#policy.rateLimitedReset;
    if (limited === undefined) return undefined;
    for (const { name, unixTimestamp } of limited.headers) {
      const text = headers.get(name);
      if (text === undefined || !/^\d{1,15}$/.test(text)) continue;
      const ms = unixTimestamp ? Number(text) * 1000 - this.#timers.wallClock() : Number(text) * 1000;
      if (ms <= 0 || ms > limited.maxMs) continue;
      this.#counters.cluster.upstream_rq_retry_backoff_ratelimited++;
      return ms * (1 + this.#random() * 0.5);
    }
    return undefined;
  }

  #release(): void {
    this.#holding = false;
    this.#resources.retries.inUse--;
  }

  /** The request is over, or not kept for retries any more. */
  close(): void {
    this.#timer?.cancel();
    if (this.#holding) this.#release();
  }
}

function removeHeaders(headers: Headers): void {
  for (let i = 0; i < headers.size; i++) {
    if (!headers.nameAt(i).startsWith('x-envoy-')) continue;
    headers.removeIf((name) => REMOVED.includes(name));
    return;
  }
}
