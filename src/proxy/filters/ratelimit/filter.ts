import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { HeaderEdits } from '../../router/header-edits.ts';
import type { RateLimitDescriptor, RateLimitRule } from '../../router/rate-limits.ts';
import type { StatsByCluster, VerdictStats } from '../common/stats-by-cluster.ts';
import { applicableDescriptors, ownDescriptors, type VirtualHostLimits } from './descriptors.ts';
import { type HeaderList, rateLimitHeaders, retryAfter, serviceHeaders } from './response-headers.ts';
import type { RateLimitService } from './service.ts';

/** What the filter's configuration decides. */
export interface RateLimitConfig {
  readonly service: RateLimitService;
  readonly byCluster: StatsByCluster;
  readonly domain: string;
  readonly stage: number;
  readonly requestType: 'internal' | 'external' | 'both';
  /** What requests count as; undefined where the route tells. */
  readonly rules: readonly RateLimitRule[] | undefined;
  /** Shares of the requests: asked about, refused if over a limit, refused if there is no answer. */
  readonly enabled: number;
  readonly enforced: number;
  readonly failureDenied: number;
  readonly status: number;
  readonly statusOnError: number;
  readonly grpcStatus: number | undefined;
  /** Responses tell of the limits. */
  readonly limitHeaders: boolean;
  /** Refusals say `x-envoy-ratelimited`. */
  readonly limitedHeader: boolean;
  /** Refusals tell when to try again (`retry-after`). */
  readonly retryAfter: boolean;
  /** Where the service's dynamic metadata goes. */
  readonly metadataNamespace: string;
  readonly responseEdits: HeaderEdits | undefined;
  readonly localCluster: string;
}

/** `RateLimitPerRoute`. */
export interface RateLimitRouteConfig {
  readonly virtualHostLimits: VirtualHostLimits;
  /** Empty for the filter's own. */
  readonly domain: string;
}

const NOTHING: HeaderList = [];
const LIMITED = ['x-envoy-ratelimited', 'true'] as const;
const NO_DESCRIPTORS: readonly RateLimitDescriptor[] = [];

/** Asks a rate limit service about each request that rules of its route are about. */
export class RateLimitFilter implements HttpFilter {
  readonly #config: RateLimitConfig;
  readonly #callbacks: FilterCallbacks;
  #phase: 'idle' | 'asking' | 'over' = 'idle';
  #call: Cancelable | undefined = undefined;
  #withinCall = false;
  #passes = true;
  #responseHeaders: HeaderList = NOTHING;
  /** What the service was asked about. */
  #descriptors: readonly RateLimitDescriptor[] = NO_DESCRIPTORS;

  constructor(config: RateLimitConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { requestType, domain, service, enabled } = this.#config;
    const callbacks = this.#callbacks;
    const { info, chosenCluster } = callbacks;
    if (!this.#drawn(enabled)) return HeadersStatus.Continue;
    if (requestType !== 'both' && info.internal !== (requestType === 'internal')) return HeadersStatus.Continue;
    const cluster = chosenCluster && callbacks.clusters.get(chosenCluster.name);
    if (cluster === undefined) return HeadersStatus.Continue;
    const own = callbacks.routeConfig<RateLimitRouteConfig>();
    const descriptors = this.#descriptorsOf(headers, false);
    if (descriptors.length === 0) return HeadersStatus.Continue;
    this.#descriptors = descriptors;
    this.#phase = 'asking';
    this.#passes = false;
    this.#withinCall = true;
    const stats = this.#config.byCluster.of(cluster.statName);
    const call = service.ask(own?.domain || domain, descriptors, info, (response) => {
      this.#phase = 'over';
      this.#call = undefined;
      if (response?.overallCode === Code.OVER_LIMIT) {
        stats.count('over_limit');
        cluster.stats.countResponse(this.#config.status, true);
      }
      this.#answered(response, stats);
    });
    this.#withinCall = false;
    if (this.#phase === 'asking') this.#call = call;
    return this.#passes ? HeadersStatus.Continue : HeadersStatus.StopIteration;
  }

  #drawn(share: number): boolean {
    return share >= 1 || (share > 0 && this.#callbacks.random() < share);
  }

  /** What the request counts as at its beginning, or when the stream is done. */
  #descriptorsOf(headers: Headers, done: boolean): readonly RateLimitDescriptor[] {
    const { rules, stage, localCluster } = this.#config;
    const { route, info } = this.#callbacks;
    if (route === undefined) return NO_DESCRIPTORS;
    if (rules !== undefined) return ownDescriptors(rules, done, headers, info, localCluster);
    const hostLimits = this.#callbacks.routeConfig<RateLimitRouteConfig>()?.virtualHostLimits ?? 'override';
    const applies = (rule: RateLimitRule) => rule.stage === stage && rule.onStreamDone === done;
    return applicableDescriptors(route, hostLimits, applies, headers, info, localCluster);
  }

  requestData(): DataStatus {
    return this.#phase === 'asking' ? DataStatus.StopAndWatermark : DataStatus.Continue;
  }

  requestTrailers(): TrailersStatus {
    return this.#phase === 'asking' ? TrailersStatus.Stop : TrailersStatus.Continue;
  }

  #answered(response: RateLimitResponse | undefined, stats: VerdictStats): void {
    const { failureDenied, statusOnError, limitHeaders, metadataNamespace } = this.#config;
    const { info, requestHeaders } = this.#callbacks;
    if (response === undefined) {
      stats.count('error');
      if (this.#drawn(failureDenied)) {
        this.#callbacks.sendLocalReply({
          status: statusOnError,
          body: '',
          details: 'rate_limiter_error',
          flags: ResponseFlag.RateLimitServiceError,
        });
        return;
      }
      stats.count('failure_mode_allowed');
      this.#pass();
      return;
    }
    const { dynamicMetadata, responseHeadersToAdd, requestHeadersToAdd, statuses } = response;
    if (dynamicMetadata !== undefined && Object.keys(dynamicMetadata).length > 0) {
      info.setDynamicMetadata(metadataNamespace, dynamicMetadata);
    }
    const told = (index: number) => this.#descriptors[index]?.limitHeaders ?? limitHeaders;
    const headers = [...serviceHeaders(responseHeadersToAdd), ...rateLimitHeaders(statuses, told)];
    if (response.overallCode === Code.OVER_LIMIT) {
      if (this.#drawn(this.#config.enforced)) {
        this.#refuse(response, headers);
        return;
      }
      if (this.#config.limitedHeader) headers.push(LIMITED);
    } else stats.count('ok');
    this.#responseHeaders = headers;
    for (const [name, value] of serviceHeaders(requestHeadersToAdd)) requestHeaders.add(name, value);
    this.#pass();
  }

  #pass(): void {
    this.#passes = true;
    if (!this.#withinCall) this.#callbacks.continueRequest();
  }

  #refuse(response: RateLimitResponse, headers: HeaderList): void {
    const { status, grpcStatus, responseEdits, limitedHeader } = this.#config;
    const wait = this.#config.retryAfter ? retryAfter(response.statuses) : undefined;
    const { info } = this.#callbacks;
    this.#callbacks.sendLocalReply({
      status,
      body: Buffer.from(response.rawBody).toString('utf8'),
      details: 'request_rate_limited',
      flags: ResponseFlag.RateLimited,
      grpcStatus,
      edit(reply) {
        // The service knows better than we of what kind its body is.
        if (headers.some(([name]) => name === 'content-type')) reply.remove('content-type');
        for (const [name, value] of headers) reply.add(name, value);
        if (limitedHeader) reply.set(...LIMITED);
        if (wait !== undefined) reply.set('retry-after', String(wait));
        responseEdits?.(reply, info);
      },
    });
  }

  responseHeaders(headers: Headers): HeadersStatus {
    for (const [name, value] of this.#responseHeaders) headers.add(name, value);
    return HeadersStatus.Continue;
  }

  /** Rules about the end of a stream are told to the service then; nobody waits for its answer. */
  onComplete(): void {
    const { domain, service } = this.#config;
    const { requestHeaders, info } = this.#callbacks;
    const descriptors = this.#descriptorsOf(requestHeaders, true);
    if (descriptors.length === 0) return;
    service.ask(this.#callbacks.routeConfig<RateLimitRouteConfig>()?.domain || domain, descriptors, info, () => {});
  }

  destroy(): void {
    this.#phase = 'over';
    this.#call?.cancel();
  }
}
