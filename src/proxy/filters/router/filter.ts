import type { Headers } from '../../../wire/headers.ts';
import { isConnectionFailure, ResetReason } from '../../../wire/http.ts';
import type { Cancelable, Cluster, UpstreamOptions } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import {
  DataStatus,
  type FilterCallbacks,
  HeadersStatus,
  type HttpFilter,
  type LocalReply,
  TrailersStatus,
} from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import type { ChosenCluster, Route, RouteAction } from '../../router/route.ts';
import { isGrpc } from '../../router/route-entry.ts';
import type { RequestStats } from '../../router/stats.ts';
import type { Timer, Timers } from '../../timers.ts';
import { Attempts } from './attempts.ts';
import type { RouterConfig } from './config.ts';
import { opener } from './connect-tunnel.ts';
import {
  brokenOffDetails,
  clusterNotFound,
  droppedForOverload,
  failureFlag,
  failureReply,
  maintenance,
  noHealthyUpstream,
  upstreamTimeout,
} from './failures.ts';
import { finalizeRequest, finalizeUpstreamResponse, setHost } from './finalize.ts';
import { noteAnswer, noteEnd } from './host-outcome.ts';
import { becomesGet, followRedirect } from './internal-redirect.ts';
import { KeptRequest } from './kept-request.ts';
import { RouterLoadBalancerContext } from './load-balancer-context.ts';
import { RetryState } from './retry-state.ts';
import { NOT_FOUND, routeAnswer } from './route-answer.ts';
import { type Shadow, startShadows } from './shadow.ts';
import { finalTimeouts, type Timeouts, tellTimeout } from './timeouts.ts';
import { upstreamOptions } from './upstream-options.ts';
import { type AttemptOwner, UpstreamRequest } from './upstream-request.ts';

const NO_TIMEOUTS: Timeouts = { globalMs: 0, perTryMs: 0, perTryIdleMs: 0, hedged: false };

/** Body that is kept for retries ends here if nothing else says so (the connection's buffer limit). */
const DEFAULT_BUFFER = 1024 * 1024;

/** The last filter of nearly every chain: sends the request to its cluster, and brings the response back. */
export class RouterFilter implements HttpFilter, AttemptOwner {
  readonly #config: RouterConfig;
  readonly #callbacks: FilterCallbacks;
  #headers: Headers | undefined = undefined;
  #route: Route | undefined = undefined;
  #action: RouteAction | undefined = undefined;
  #virtualCluster: RequestStats | undefined = undefined;
  #chosen: ChosenCluster | undefined = undefined;
  #cluster: Cluster | undefined = undefined;
  #options: UpstreamOptions | undefined = undefined;
  #timeouts: Timeouts = NO_TIMEOUTS;
  #balancing: RouterLoadBalancerContext | undefined = undefined;
  #retry: RetryState | undefined = undefined;
  readonly #waitedFor = new Attempts();
  /** A host is looked for that is not known yet. */
  #choosing: Cancelable | undefined = undefined;
  #attempts = 0;
  #shadows: readonly Shadow[] = NO_SHADOWS;
  /** What a retry would send again. */
  readonly #kept = new KeptRequest();
  #requestEnded = false;
  #requestEndedAt = -1;
  #timer: Timer | undefined = undefined;
  #responseStarted = false;
  /** How the call went stands in what is still to come. */
  #judgeAtEnd = false;
  #over = false;
  /** The attempt before took too long. */
  #timedOut = false;

  constructor(config: RouterConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  get timers(): Timers {
    return this.#callbacks.timers;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { stats } = this.#config;
    const callbacks = this.#callbacks;
    stats.rq_total++;
    this.#headers = headers;
    const { route } = callbacks;
    if (route === undefined) {
      stats.no_route++;
      callbacks.sendLocalReply(NOT_FOUND);
      return HeadersStatus.StopAll;
    }
    this.#route = route;
    const { action } = route;
    if (action.kind !== 'route') {
      const { info, connection } = callbacks;
      callbacks.sendLocalReply(routeAnswer(route, headers, info, connection.tls !== undefined, stats));
      return HeadersStatus.StopAll;
    }
    this.#action = action;
    const virtualCluster = route.virtualHost.virtualCluster?.(headers);
    if (virtualCluster !== undefined) {
      this.#virtualCluster = virtualCluster.stats;
      callbacks.info.virtualClusterName = virtualCluster.name;
    }
    this.#send(headers, end, route, action);
    return HeadersStatus.StopIteration;
  }

  #send(headers: Headers, end: boolean, route: Route, action: RouteAction): void {
    const callbacks = this.#callbacks;
    const { info, connection } = callbacks;
    const chosen = callbacks.chosenCluster;
    const cluster = chosen && callbacks.clusters.get(chosen.name);
    if (chosen === undefined || cluster === undefined) {
      this.#config.stats.no_cluster++;
      callbacks.sendLocalReply(clusterNotFound(action.clusterNotFoundStatus));
      return;
    }
    if (cluster.inMaintenance(callbacks.random)) {
      cluster.stats.upstream_rq_maintenance_mode++;
      cluster.stats.countResponse(503, info.internal);
      callbacks.sendLocalReply(maintenance(this.#config.suppressEnvoyHeaders));
      return;
    }
    if (cluster.dropShare > 0 && callbacks.random() < cluster.dropShare) {
      if (this.#counts) cluster.stats.countResponse(503, info.internal);
      callbacks.sendLocalReply(droppedForOverload(cluster.dropShare === 1, !this.#config.suppressEnvoyHeaders));
      return;
    }
    this.#chosen = chosen;
    this.#cluster = cluster;
    info.upstreamClusterStatName = cluster.statName;
    info.clusterMetadata = cluster.metadata;
    const insert = !this.#config.suppressEnvoyHeaders;
    this.#timeouts = finalTimeouts(headers, action, insert);
    const resources = action.priority === 'high' ? cluster.highResources : cluster.defaultResources;
    this.#retry = RetryState.create(
      action.retry,
      headers,
      cluster.stats,
      this.#virtualCluster,
      route.stats,
      resources,
      this.timers,
      callbacks.random,
    );
    this.#balancing = new RouterLoadBalancerContext(headers, connection, info, action, chosen);
    this.#balancing.retry = this.#retry;
    finalizeRequest(headers, info, route, action, chosen, insert);
    this.#options = upstreamOptions(headers, info, connection, action, cluster);
    this.#requestEnded = end;
    if (end) this.#noteRequestEnd();
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (action.mirrors.length > 0) {
      this.#shadows = startShadows(action.mirrors, headers, end, this.#options, callbacks, this.#config.localAddress);
    }
    callbacks.onResponseBackpressure((high) => this.#waitedFor.last?.pauseResponse(high));
    this.#startAttempt();
  }

  #startAttempt(): void {
    const cluster = this.#cluster!;
    const route = this.#route!;
    const headers = this.#headers!;
    const { info } = this.#callbacks;
    this.#attempts++;
    info.attemptCount = this.#attempts;
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', String(this.#attempts));
    if (this.#attempts > 1 && route.virtualHost.includeIsTimeoutRetry) {
      headers.set('x-envoy-is-timeout-retry', String(this.#timedOut));
    }
    this.#timedOut = false;
    if (this.#attempts > 1) this.#tellTimeout(headers);
    const host = cluster.pick(this.#balancing!);
    if (host !== undefined) {
      this.#attemptAt(host);
      return;
    }
    if (cluster.find === undefined) {
      this.#noHost();
      return;
    }
    this.#callbacks.pauseRequest(true);
    let answered = false;
    const choosing = cluster.find(this.#balancing!, (found) => {
      answered = true;
      this.#choosing = undefined;
      this.#callbacks.pauseRequest(false);
      if ('failure' in found) this.#noHost(found.failure);
      else this.#attemptAt(found);
    });
    if (!answered) this.#choosing = choosing;
  }

  /** How long the next attempt has. */
  #tellTimeout(headers: Headers): void {
    const elapsed = this.#requestEndedAt < 0 ? 0 : Math.floor(this.timers.now() - this.#requestEndedAt);
    const insert = !this.#config.suppressEnvoyHeaders;
    tellTimeout(headers, this.#action!, this.#timeouts, elapsed, isGrpc(headers), insert);
  }

  #noHost(details?: string): void {
    this.#cluster!.stats.upstream_cx_none_healthy++;
    this.#fail(noHealthyUpstream(details));
  }

  #attemptAt(host: Host): void {
    const cluster = this.#cluster!;
    const action = this.#action!;
    const headers = this.#headers!;
    this.#callbacks.info.upstreamHost = host;
    this.#retry?.noteHost(host);
    if (action.hostRewrite?.kind === 'auto' && host.description.hostname !== '') {
      setHost(headers, host.description.hostname, action.appendForwardedHost, !this.#config.suppressEnvoyHeaders);
    }
    if (this.#callbacks.info.schemeOfUpstream) headers.scheme = cluster.secure ? 'https' : 'http';
    const kept = this.#kept;
    const bodyless = this.#requestEnded && !kept.hasBody && kept.trailers === undefined;
    const attempt = new UpstreamRequest(this, host, headers, bodyless);
    attempt.span = this.#callbacks.info.trace?.spawn(
      cluster.name,
      this.#attempts,
      host.name,
      this.#config.startChildSpan,
    );
    this.#waitedFor.last = attempt;
    attempt.start(cluster, this.#options!, opener(headers, action), this.#timeouts);
    kept.sendTo(attempt, this.#requestEnded, !this.#mayRepeat);
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    if (end) {
      this.#requestEnded = true;
      this.#noteRequestEnd();
    }
    if (this.#mayRepeat || this.#choosing !== undefined) this.#keep(chunk);
    for (const shadow of this.#shadows) shadow.sendData(chunk, end);
    this.#waitedFor.sendData(chunk, end);
    return DataStatus.StopNoBuffer;
  }

  requestTrailers(trailers: Headers): TrailersStatus {
    this.#requestEnded = true;
    this.#kept.trailers = trailers;
    this.#noteRequestEnd();
    for (const shadow of this.#shadows) shadow.sendTrailers(trailers);
    this.#waitedFor.sendTrailers(trailers);
    return TrailersStatus.Stop;
  }

  /** The request may be sent once more: again, or elsewhere. */
  get #mayRepeat(): boolean {
    return this.#retry !== undefined || (this.#action?.internalRedirect !== undefined && this.#kept.body !== undefined);
  }

  #keep(chunk: Uint8Array): void {
    const kept = this.#kept;
    kept.keep(chunk);
    if (!this.#mayRepeat || kept.bytes <= (this.#route?.bufferLimit ?? DEFAULT_BUFFER)) return;
    // Too large to be sent again: from here on there is one attempt.
    this.#cluster!.stats.retry_or_shadow_abandoned++;
    this.#closeRetry();
    if (this.#choosing === undefined) kept.dropBody();
  }

  /** The request is here as a whole: now its answer is waited for. */
  #noteRequestEnd(): void {
    const { info } = this.#callbacks;
    this.#requestEndedAt = this.timers.now();
    if (info.firstUpstreamByteSent >= 0) info.lastUpstreamByteSent = this.#requestEndedAt;
    const { globalMs } = this.#timeouts;
    if (globalMs > 0 && this.#timer === undefined) {
      this.#timer = this.timers.start(globalMs, () => this.#onTimeout());
    }
  }

  #onTimeout(): void {
    const cluster = this.#cluster!;
    const reply = upstreamTimeout('response_timeout');
    let others = -1;
    this.#waitedFor.cancel((attempt) => {
      others++;
      cluster.stats.upstream_rq_timeout++;
      if (this.#virtualCluster) this.#virtualCluster.upstream_rq_timeout++;
      if (this.#route?.stats) this.#route.stats.upstream_rq_timeout++;
      attempt.host.stats.rq_timeout++;
      if (!attempt.responseStarted && !attempt.timeoutNoted) attempt.host.outcomes?.localOrigin('timeout');
    });
    // The answer counts for one attempt.
    for (let i = 0; i < others; i++) this.#countResponse(cluster, reply.status);
    this.#choosing?.cancel();
    this.#choosing = undefined;
    this.#fail(reply);
  }

  attemptTimedOut(attempt: UpstreamRequest, idle: boolean): void {
    if (this.#timeouts.hedged) {
      this.#hedge(attempt);
      return;
    }
    const { stats } = this.#cluster!;
    if (idle) stats.upstream_rq_per_try_idle_timeout++;
    else stats.upstream_rq_per_try_timeout++;
    attempt.host.stats.rq_timeout++;
    attempt.host.outcomes?.localOrigin('timeout');
    attempt.cancel();
    this.#waitedFor.last = undefined;
    this.#timedOut = true;
    if (!this.#responseStarted && this.#retryFailure(ResetReason.LocalReset, true)) return;
    this.#fail(upstreamTimeout(idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout'));
  }

  /** The attempt goes on, and another is made beside it: the first good response wins. */
  #hedge(attempt: UpstreamRequest): void {
    attempt.host.outcomes?.localOrigin('timeout');
    attempt.timeoutNoted = true;
    this.#timedOut = true;
    const retry = this.#retry;
    if (this.#responseStarted || retry === undefined || attempt !== this.#waitedFor.last) return;
    if (retry.onHedge(() => this.#startAttempt())) this.#waitedFor.hedge();
    else this.#noteRetryLimits(retry);
  }

  #noteRetryLimits({ limitExceeded, overflowed }: RetryState): void {
    const { info } = this.#callbacks;
    if (limitExceeded) info.flags |= ResponseFlag.UpstreamRetryLimitExceeded;
    if (overflowed) info.flags |= ResponseFlag.UpstreamOverflow;
  }

  /** Another attempt may still bring a response, or is about to be made. */
  get #othersMayAnswer(): boolean {
    return !this.#waitedFor.none || (this.#retry?.pending ?? false);
  }

  attemptReady(attempt: UpstreamRequest, connection: UpstreamConnectionInfo): void {
    const { info } = this.#callbacks;
    info.upstreamConnection = connection;
    info.upstreamHost = attempt.host;
    if (this.#virtualCluster) this.#virtualCluster.upstream_rq_total++;
    if (this.#route?.stats) this.#route.stats.upstream_rq_total++;
    attempt.host.outcomes?.localOrigin('success');
    if (info.trace?.propagates) (attempt.span ?? info.trace).span.inject(this.#headers!);
    const now = this.timers.now();
    if (info.firstUpstreamByteSent < 0) info.firstUpstreamByteSent = now;
    if (this.#requestEnded) info.lastUpstreamByteSent = now;
  }

  attemptInformational(_attempt: UpstreamRequest, headers: Headers): void {
    if (headers.status !== 100 || this.#headers?.has('expect')) this.#callbacks.respondInformational(headers);
  }

  attemptBackpressure(high: boolean): void {
    if (!this.#over) this.#callbacks.pauseRequest(high);
  }

  attemptHeaders(attempt: UpstreamRequest, headers: Headers, end: boolean): void {
    if (this.#over || !this.#waitedFor.includes(attempt)) return;
    const { info } = this.#callbacks;
    const cluster = this.#cluster!;
    const { status } = headers;
    const now = this.timers.now();
    info.firstUpstreamByteReceived = now;
    this.#judgeAtEnd = noteAnswer(attempt.host, headers, isGrpc(this.#headers!), end);
    const retry = this.#retry;
    if (retry !== undefined) {
      const isBad = attempt.hedged ? retry.wouldRetry(headers) : this.#retryResponse(retry, headers);
      if (isBad && this.#dropForOthers(attempt, headers, end)) return;
    }
    if (this.#internalRedirect(attempt, headers, end)) return;
    this.#releaseRetry();
    this.#settleOn(attempt);
    this.#responseStarted = true;
    this.#noteUpstreamEnd(end);
    this.#countResponse(cluster, status);
    // An answer that did not wait for the whole request says nothing about the time it took.
    if (!this.#config.suppressEnvoyHeaders && this.#requestEndedAt >= 0) {
      headers.set('x-envoy-upstream-service-time', String(Math.max(0, Math.floor(now - this.#requestEndedAt))));
    }
    finalizeUpstreamResponse(headers, info, this.#route!, this.#chosen, this.#attempts, this.#balancing!.setCookies);
    this.#callbacks.respondHeaders(headers, end);
  }

  /** Retries, or says whether it would have if it could. */
  #retryResponse(retry: RetryState, headers: Headers): boolean {
    if (retry.onResponse(headers, () => this.#startAttempt())) return true;
    this.#noteRetryLimits(retry);
    return retry.limitExceeded || retry.overflowed;
  }

  /** Lets a bad response go where another attempt is made or under way. */
  #dropForOthers(attempt: UpstreamRequest, headers: Headers, end: boolean): boolean {
    const retried = !attempt.hedged && (this.#retry?.pending ?? false);
    this.#waitedFor.forget(attempt);
    if (!this.#othersMayAnswer) {
      this.#waitedFor.last = attempt;
      return false;
    }
    if (retried) this.#cluster!.stats.countRetried(headers.status);
    if (!end) attempt.cancel();
    return true;
  }

  /** `internal_redirect_policy`: follows the Location itself, with the request begun anew. */
  #internalRedirect(attempt: UpstreamRequest, response: Headers, end: boolean): boolean {
    const policy = this.#action?.internalRedirect;
    if (policy === undefined || !policy.statuses.has(response.status)) return false;
    const { stats } = this.#cluster!;
    const callbacks = this.#callbacks;
    const request = this.#headers!;
    const { body, trailers } = this.#kept;
    if (
      !this.#requestEnded ||
      body === undefined ||
      !followRedirect(policy, response, request, callbacks, this.#config.stats)
    ) {
      stats.upstream_internal_redirect_failed_total++;
      return false;
    }
    stats.upstream_internal_redirect_succeeded_total++;
    this.#closeRetry();
    if (!end) attempt.cancel();
    this.#waitedFor.last = undefined;
    if (becomesGet(response.status, request)) callbacks.recreateStream(response, NO_BODY, undefined);
    else callbacks.recreateStream(response, body, trailers);
    return true;
  }

  attemptData(attempt: UpstreamRequest, chunk: Uint8Array, end: boolean): void {
    if (this.#over || attempt !== this.#waitedFor.last) return;
    this.#callbacks.info.upstreamBytesReceived += chunk.length;
    if (end && this.#judgeAtEnd) noteEnd(attempt.host, undefined);
    this.#noteUpstreamEnd(end);
    this.#callbacks.respondData(chunk, end);
  }

  attemptTrailers(attempt: UpstreamRequest, trailers: Headers): void {
    if (this.#over || attempt !== this.#waitedFor.last) return;
    if (this.#judgeAtEnd) noteEnd(attempt.host, trailers);
    this.#noteUpstreamEnd(true);
    this.#callbacks.respondTrailers(trailers);
  }

  /** This attempt's response it will be. */
  #settleOn(attempt: UpstreamRequest): void {
    if (!this.#waitedFor.settleOn(attempt)) return;
    const { info } = this.#callbacks;
    info.upstreamHost = attempt.host;
    info.upstreamConnection = attempt.connection;
  }

  #noteUpstreamEnd(end: boolean): void {
    if (!end) return;
    const { info } = this.#callbacks;
    const now = this.timers.now();
    info.lastUpstreamByteReceived = now;
    this.#timer?.cancel();
    if (this.#requestEndedAt < 0 || !this.#counts) return;
    const ms = now - this.#requestEndedAt;
    this.#cluster!.stats.recordResponseTime(ms, info.internal);
    this.#virtualCluster?.upstream_rq_time.record(ms);
    this.#route!.stats?.upstream_rq_time.record(ms);
  }

  /** As in Envoy, answers to health checks are in no statistics. */
  get #counts(): boolean {
    return this.#config.dynamicStats && !this.#callbacks.info.healthCheck;
  }

  #countResponse(cluster: Cluster, status: number): void {
    if (!this.#counts) return;
    cluster.stats.countResponse(status, this.#callbacks.info.internal);
    this.#virtualCluster?.countResponse(status);
    this.#route!.stats?.countResponse(status);
  }

  attemptFailed(attempt: UpstreamRequest, reason: ResetReason, transportFailure: string): void {
    if (this.#over || !this.#waitedFor.includes(attempt)) return;
    const { info } = this.#callbacks;
    this.#waitedFor.forget(attempt);
    if (transportFailure !== '' && isConnectionFailure(reason)) info.upstreamTransportFailure = transportFailure;
    if (reason !== ResetReason.Overflow) {
      attempt.host.outcomes?.localOrigin(isConnectionFailure(reason) ? 'connect-failed' : 'reset');
      attempt.host.stats.rq_error++;
    }
    if (this.#responseStarted) {
      this.#config.stats.rq_reset_after_downstream_response_started++;
      info.flags |= failureFlag(reason);
      this.#callbacks.resetStream(ResetReason.LocalReset, brokenOffDetails(reason, transportFailure));
      return;
    }
    if (!attempt.hedged && this.#retryFailure(reason, attempt.requestStarted)) return;
    const reply = failureReply({ reason, transportFailure }, this.#attempts, this.#config.suppressEnvoyHeaders);
    if (this.#othersMayAnswer) this.#countResponse(this.#cluster!, reply.status);
    else this.#fail(reply);
  }

  #retryFailure(reason: ResetReason, requestStarted: boolean): boolean {
    const retry = this.#retry;
    if (retry === undefined) return false;
    if (retry.onFailure({ reason, requestStarted }, () => this.#startAttempt())) return true;
    this.#noteRetryLimits(retry);
    return false;
  }

  #fail(reply: LocalReply): void {
    this.#releaseRetry();
    this.#timer?.cancel();
    if (this.#responseStarted) {
      this.#callbacks.info.flags |= reply.flags ?? 0;
      this.#callbacks.resetStream(ResetReason.LocalReset, reply.details);
      return;
    }
    const route = this.#route!;
    const { edit } = reply;
    if (this.#cluster !== undefined) this.#countResponse(this.#cluster, reply.status);
    this.#callbacks.sendLocalReply({
      ...reply,
      edit: (headers) => {
        edit?.(headers);
        if (route.virtualHost.includeAttemptCountInResponse)
          headers.set('x-envoy-attempt-count', String(this.#attempts));
      },
    });
  }

  #releaseRetry(): void {
    this.#closeRetry();
    this.#kept.dropBody();
  }

  #closeRetry(): void {
    if (this.#retry === undefined) return;
    this.#retry.close();
    this.#retry = undefined;
    this.#balancing!.retry = undefined;
  }

  destroy(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#retry?.close();
    this.#choosing?.cancel();
    this.#waitedFor.cancel();
    // A mirror whose request is complete goes on by itself; one that would never be completed is given up.
    if (!this.#requestEnded) for (const shadow of this.#shadows) shadow.cancel();
  }
}

const NO_SHADOWS: readonly Shadow[] = [];
const NO_BODY: readonly Uint8Array[] = [];
