import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse,
} from '../../../api/gen/envoy/service/ratelimit/v3/rls_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { HeaderEdits } from '../../router/header-edits.ts';
import type { StatsByCluster, VerdictStats } from '../common/stats-by-cluster.ts';
import { applicableDescriptors, type VirtualHostLimits } from './descriptors.ts';
import { type HeaderList, rateLimitHeaders, serviceHeaders } from './response-headers.ts';
import type { RateLimitService } from './service.ts';

/** What the filter's configuration decides. */
export interface RateLimitConfig {
  readonly service: RateLimitService;
  readonly byCluster: StatsByCluster;
  readonly domain: string;
  readonly stage: number;
  readonly requestType: 'internal' | 'external' | 'both';
  readonly failureModeDeny: boolean;
  readonly status: number;
  readonly statusOnError: number;
  readonly grpcStatus: number | undefined;
  /** Responses tell of the limits. */
  readonly limitHeaders: boolean;
  /** Refusals say `x-envoy-ratelimited`. */
  readonly limitedHeader: boolean;
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

/** Asks a rate limit service about each request that rules of its route are about. */
export class RateLimitFilter implements HttpFilter {
  readonly #config: RateLimitConfig;
  readonly #callbacks: FilterCallbacks;
  #phase: 'idle' | 'asking' | 'over' = 'idle';
  #call: Cancelable | undefined = undefined;
  #withinCall = false;
  #passes = true;
  #responseHeaders: HeaderList = NOTHING;

  constructor(config: RateLimitConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { requestType, stage, domain, service, localCluster } = this.#config;
    const callbacks = this.#callbacks;
    const { route, info, chosenCluster } = callbacks;
    if (requestType !== 'both' && info.internal !== (requestType === 'internal')) return HeadersStatus.Continue;
    const cluster = chosenCluster && callbacks.clusters.get(chosenCluster.name);
    if (route === undefined || cluster === undefined) return HeadersStatus.Continue;
    const own = callbacks.routeConfig<RateLimitRouteConfig>();
    const descriptors = applicableDescriptors(
      route,
      own?.virtualHostLimits ?? 'override',
      (rule) => rule.stage === stage,
      headers,
      info,
      localCluster,
    );
    if (descriptors.length === 0) return HeadersStatus.Continue;
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

  requestData(): DataStatus {
    return this.#phase === 'asking' ? DataStatus.StopAndWatermark : DataStatus.Continue;
  }

  requestTrailers(): TrailersStatus {
    return this.#phase === 'asking' ? TrailersStatus.Stop : TrailersStatus.Continue;
  }

  #answered(response: RateLimitResponse | undefined, stats: VerdictStats): void {
    const { failureModeDeny, statusOnError, limitHeaders } = this.#config;
    const { info, requestHeaders } = this.#callbacks;
    if (response === undefined) {
      stats.count('error');
      if (failureModeDeny) {
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
      info.setDynamicMetadata('envoy.filters.http.ratelimit', dynamicMetadata);
    }
    const headers = [...serviceHeaders(responseHeadersToAdd), ...(limitHeaders ? rateLimitHeaders(statuses) : NOTHING)];
    if (response.overallCode === Code.OVER_LIMIT) {
      this.#refuse(response, headers);
      return;
    }
    stats.count('ok');
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
        if (limitedHeader) reply.set('x-envoy-ratelimited', 'true');
        responseEdits?.(reply, info);
      },
    });
  }

  responseHeaders(headers: Headers): HeadersStatus {
    for (const [name, value] of this.#responseHeaders) headers.add(name, value);
    return HeadersStatus.Continue;
  }

  destroy(): void {
    this.#phase = 'over';
    this.#call?.cancel();
  }
}
