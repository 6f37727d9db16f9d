import type { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import type { Cancelable, Cluster, LoadBalancerContext, UpstreamOptions } from '../../cluster/cluster.ts';
import type { Host, Metadata } from '../../cluster/host.ts';
import {
  DataStatus,
  type FilterCallbacks,
  HeadersStatus,
  type HttpFilter,
  type LocalReply,
  TrailersStatus,
} from '../../http/filter.ts';
import type { Connection } from '../../net/connection.ts';
import { UPSTREAM_ALPN, UPSTREAM_SANS, UPSTREAM_SNI } from '../../observe/filter-state.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { StreamInfo, UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import { finalizeResponse } from '../../router/finalize-response.ts';
import type { ChosenCluster, MirrorPolicy, Route, RouteAction } from '../../router/route.ts';
import { isGrpc } from '../../router/route-entry.ts';
import type { RequestStats } from '../../router/stats.ts';
import type { Timer, Timers } from '../../timers.ts';
import { openTunnel } from './connect-tunnel.ts';
import { failureFlag, reasonText } from './failures.ts';
import { finalizeRequest, setHost } from './finalize.ts';
import { noteAnswer, noteEnd, serverName } from './host-outcome.ts';
import { RetryState } from './retry-state.ts';
import { Shadow } from './shadow.ts';
import type { RouterStats } from './stats.ts';
import { finalTimeouts, type Timeouts } from './timeouts.ts';
import { type AttemptOwner, type OpenUpstream, openHttp, UpstreamRequest } from './upstream-request.ts';

/** What the router's configuration decides. */
export interface RouterConfig {
  readonly stats: RouterStats;
  readonly suppressEnvoyHeaders: boolean;
  /** Address of this proxy, which it appends to x-forwarded-for of requests of its own. */
  readonly localAddress: string;
}

const NOT_FOUND: LocalReply = {
  status: 404,
  body: '',
  details: 'route_not_found',
  flags: ResponseFlag.NoRouteFound,
};

/** `drop_overloads` of the cluster's endpoints. */
const DROPPED: LocalReply = {
  status: 503,
  body: 'drop overload',
  details: 'drop_overload',
  flags: ResponseFlag.DropOverload,
};

const NO_HOST = 'no_healthy_upstream';

/** Body that is kept for retries ends here if nothing else says so (the connection's buffer limit). */
const DEFAULT_BUFFER = 1024 * 1024;

/** The last filter of nearly every chain: sends the request to its cluster, and brings the response back. */
export class RouterFilter implements HttpFilter, AttemptOwner, LoadBalancerContext {
  readonly #config: RouterConfig;
  readonly #callbacks: FilterCallbacks;
  #headers: Headers | undefined = undefined;
  #route: Route | undefined = undefined;
  #action: RouteAction | undefined = undefined;
  #virtualCluster: RequestStats | undefined = undefined;
  #chosen: ChosenCluster | undefined = undefined;
  #cluster: Cluster | undefined = undefined;
  #options: UpstreamOptions | undefined = undefined;
  #timeouts: Timeouts = { globalMs: 0, perTryMs: 0, perTryIdleMs: 0 };
  #retry: RetryState | undefined = undefined;
  #attempt: UpstreamRequest | undefined = undefined;
  /** A host is looked for that is not known yet. */
  #choosing: Cancelable | undefined = undefined;
  #attempts = 0;
  #shadows: Shadow[] | undefined = undefined;
  /** Body that a retry would send again. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #trailers: Headers | undefined = undefined;
  #requestEnded = false;
  #requestEndedAt = -1;
  #timer: Timer | undefined = undefined;
  #responseStarted = false;
  /** How the call went stands in what is still to come. */
  #judgeAtEnd = false;
  #pausedRequest = 0;
  #setCookies: string[] | undefined = undefined;
  #over = false;
  #redirects = 0;
  /** Set where retries go to other priorities. */
  shiftPriorities: LoadBalancerContext['shiftPriorities'] = undefined;

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
      this.#answer(route, headers);
      return HeadersStatus.StopAll;
    }
    this.#action = action;
    this.#virtualCluster = route.virtualHost.virtualCluster?.(headers);
    this.#send(headers, end, route, action);
    return HeadersStatus.StopIteration;
  }

  /** Routes that answer by themselves. */
  #answer(route: Route, headers: Headers): void {
    const { action } = route;
    const { info, connection } = this.#callbacks;
    const finish = (response: Headers) => finalizeResponse(response, info, route, undefined);
    if (action.kind === 'redirect') {
      this.#config.stats.rq_redirect++;
      const location = action.location(headers, connection.tls !== undefined);
      this.#callbacks.sendLocalReply({
        status: action.status,
        body: '',
        details: 'direct_response',
        edit(response) {
          response.set('location', location);
          finish(response);
        },
      });
    } else if (action.kind === 'direct') {
      this.#config.stats.rq_direct_response++;
      this.#callbacks.sendLocalReply({
        status: action.status,
        body: action.body,
        details: 'direct_response',
        edit: finish,
      });
    } else {
      this.#callbacks.sendLocalReply(NOT_FOUND);
    }
  }

  #send(headers: Headers, end: boolean, route: Route, action: RouteAction): void {
    const callbacks = this.#callbacks;
    const { info } = callbacks;
    const chosen = callbacks.chosenCluster;
    const cluster = chosen && callbacks.clusters.get(chosen.name);
    if (chosen === undefined || cluster === undefined) {
      this.#config.stats.no_cluster++;
      callbacks.sendLocalReply({
        status: action.clusterNotFoundStatus,
        body: '',
        details: 'cluster_not_found',
        flags: ResponseFlag.NoClusterFound,
      });
      return;
    }
    if (cluster.dropsRequest(callbacks.random)) {
      cluster.stats.countResponse(503, info.internal);
      callbacks.sendLocalReply(DROPPED);
      return;
    }
    this.#chosen = chosen;
    this.#cluster = cluster;
    if (this.#virtualCluster) this.#virtualCluster.upstream_rq_total++;
    if (route.stats) route.stats.upstream_rq_total++;
    info.upstreamClusterStatName = cluster.statName;
    info.clusterMetadata = cluster.metadata;
    const insert = !this.#config.suppressEnvoyHeaders;
    this.#timeouts = finalTimeouts(headers, action, insert);
    const resources = action.priority === 'high' ? cluster.highResources : cluster.defaultResources;
    this.#retry = RetryState.create(action.retry, headers, cluster, resources, this.timers, callbacks.random);
    const priorities = this.#retry?.priorities;
    if (priorities) this.shiftPriorities = (state) => priorities.loads(state);
    finalizeRequest(headers, info, route, action, chosen, insert);
    this.#options = this.#upstreamOptions(headers, action, cluster);
    this.#requestEnded = end;
    if (end) this.#noteRequestEnd();
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', '1');
    if (action.mirrors.length > 0) this.#mirror(headers, end, action.mirrors);
    callbacks.onResponseBackpressure((high) => this.#attempt?.pauseResponse(high));
    this.#startAttempt();
  }

  #upstreamOptions(headers: Headers, action: RouteAction, cluster: Cluster): UpstreamOptions {
    const { info } = this.#callbacks;
    let sni = info.getFilterState(UPSTREAM_SNI) as string | undefined;
    let subjectAltNames = info.getFilterState(UPSTREAM_SANS) as readonly string[] | undefined;
    if (cluster.autoSni || cluster.autoSanValidation) {
      const host = serverName(headers, cluster.autoSniHeader);
      if (cluster.autoSni) sni ??= host;
      if (cluster.autoSanValidation) subjectAltNames ??= [host];
    }
    return {
      priority: action.priority,
      downstreamProtocol: info.protocol === '' ? 'HTTP/1.1' : info.protocol,
      alpn: info.getFilterState(UPSTREAM_ALPN) as readonly string[] | undefined,
      sni,
      subjectAltNames,
      downstream: this.#callbacks.connection,
    };
  }

  #mirror(headers: Headers, end: boolean, policies: readonly MirrorPolicy[]): void {
    const { clusters, random } = this.#callbacks;
    for (const policy of policies) {
      if (policy.share < 1 && random() >= policy.share) continue;
      const name = policy.cluster || headers.get(policy.clusterHeader);
      const cluster = name === undefined ? undefined : clusters.get(name);
      if (cluster === undefined) continue;
      const copy = headers.clone();
      if (!policy.disableShadowSuffix && copy.authority !== '') {
        copy.authority = copy.authority.replace(/(:\d+)?$/, '-shadow$1');
      }
      copy.set('x-envoy-internal', 'true');
      copy.append('x-forwarded-for', this.#config.localAddress);
      const shadow = new Shadow(copy, end);
      (this.#shadows ??= []).push(shadow);
      shadow.start(cluster, { ...this.#options!, alpn: undefined, downstream: undefined });
    }
  }

  get hash(): bigint | undefined {
    return this.#action?.hash?.(this.#headers!, this.#callbacks.info, (cookie) => {
      this.#setCookies ??= [];
      if (!this.#setCookies.includes(cookie)) this.#setCookies.push(cookie);
    });
  }

  get metadataMatch(): Metadata | undefined {
    return this.#chosen?.metadataMatch ?? this.#action?.metadataMatch;
  }

  get headers(): Headers | undefined {
    return this.#headers;
  }

  get downstream(): Connection {
    return this.#callbacks.connection;
  }

  get info(): StreamInfo {
    return this.#callbacks.info;
  }

  get overrideAddress(): string | undefined {
    // A retry goes elsewhere.
    return this.#attempts > 1 ? undefined : this.#callbacks.info.overrideHost?.address;
  }

  get overrideStrict(): boolean {
    return this.#callbacks.info.overrideHost?.strict ?? false;
  }

  get hostAttempts(): number {
    return this.#action?.retry.hostAttempts ?? 1;
  }

  rejects(host: Host): boolean {
    return this.#retry?.rejects(host) ?? false;
  }

  #startAttempt(): void {
    const cluster = this.#cluster!;
    const route = this.#route!;
    const headers = this.#headers!;
    const { info } = this.#callbacks;
    this.#attempts++;
    info.attemptCount = this.#attempts;
    if (route.virtualHost.includeRequestAttemptCount) headers.set('x-envoy-attempt-count', String(this.#attempts));
    const host = cluster.pick(this);
    if (host !== undefined) {
      this.#attemptAt(host);
      return;
    }
    if (cluster.find === undefined) {
      this.#noHost(NO_HOST);
      return;
    }
    this.#callbacks.pauseRequest(true);
    let answered = false;
    const choosing = cluster.find(this, (found) => {
      answered = true;
      this.#choosing = undefined;
      this.#callbacks.pauseRequest(false);
      if ('failure' in found) this.#noHost(found.failure);
      else this.#attemptAt(found);
    });
    if (!answered) this.#choosing = choosing;
  }

  #noHost(details: string): void {
    this.#cluster!.stats.upstream_cx_none_healthy++;
    this.#fail({ status: 503, body: 'no healthy upstream', details, flags: ResponseFlag.NoHealthyUpstream });
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
    const kept = this.#kept;
    if (this.#retry === undefined) this.#kept = [];
    const bodyless = this.#requestEnded && kept.length === 0 && this.#trailers === undefined;
    const attempt = new UpstreamRequest(this, host, headers, bodyless);
    attempt.span = this.#callbacks.info.trace?.spawn(cluster.name, this.#attempts, host.name);
    this.#attempt = attempt;
    attempt.start(cluster, this.#options!, this.#open(headers, action), this.#timeouts);
    kept.forEach((chunk, i) => {
      attempt.sendData(chunk, this.#requestEnded && this.#trailers === undefined && i === kept.length - 1);
    });
    if (this.#trailers !== undefined) attempt.sendTrailers(this.#trailers);
  }

  #open(headers: Headers, action: RouteAction): OpenUpstream {
    if (headers.method !== 'CONNECT') return openHttp;
    const type = headers.protocol === '' ? 'connect' : headers.protocol.toLowerCase();
    return action.upgrades.get(type)?.terminateConnect ? openTunnel : openHttp;
  }

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    if (end) {
      this.#requestEnded = true;
      this.#noteRequestEnd();
    }
    if (this.#retry !== undefined || this.#choosing !== undefined) this.#keep(chunk);
    for (const shadow of this.#shadows ?? NO_SHADOWS) shadow.sendData(chunk, end);
    const attempt = this.#attempt;
    attempt?.sendData(chunk, end);
    return DataStatus.StopNoBuffer;
  }

  requestTrailers(trailers: Headers): TrailersStatus {
    this.#requestEnded = true;
    this.#trailers = trailers;
    this.#noteRequestEnd();
    for (const shadow of this.#shadows ?? NO_SHADOWS) shadow.sendTrailers(trailers);
    this.#attempt?.sendTrailers(trailers);
    return TrailersStatus.Stop;
  }

  #keep(chunk: Uint8Array): void {
    this.#keptBytes += chunk.length;
    if (this.#retry !== undefined && this.#keptBytes > (this.#route?.bufferLimit ?? DEFAULT_BUFFER)) {
      // Too large to be sent again: from here on there is one attempt.
      this.#cluster!.stats.retry_or_shadow_abandoned++;
      this.#retry.close();
      this.#retry = undefined;
      if (this.#choosing === undefined) {
        this.#kept = [];
        return;
      }
    }
    this.#kept.push(chunk);
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
    cluster.stats.upstream_rq_timeout++;
    if (this.#virtualCluster) this.#virtualCluster.upstream_rq_timeout++;
    if (this.#route?.stats) this.#route.stats.upstream_rq_timeout++;
    const attempt = this.#attempt;
    if (attempt !== undefined) {
      attempt.host.stats.rq_timeout++;
      if (!attempt.responseStarted) attempt.host.outcomes?.localOrigin('timeout');
      attempt.cancel();
    }
    this.#attempt = undefined;
    this.#choosing?.cancel();
    this.#choosing = undefined;
    this.#fail({
      status: 504,
      body: 'upstream request timeout',
      details: 'response_timeout',
      flags: ResponseFlag.UpstreamRequestTimeout,
    });
  }

  attemptTimedOut(attempt: UpstreamRequest, idle: boolean): void {
    const { stats } = this.#cluster!;
    if (idle) stats.upstream_rq_per_try_idle_timeout++;
    else stats.upstream_rq_per_try_timeout++;
    attempt.host.stats.rq_timeout++;
    attempt.host.outcomes?.localOrigin('timeout');
    attempt.cancel();
    this.#attempt = undefined;
    if (!this.#responseStarted && this.#retryFailure(ResetReason.LocalReset, true)) return;
    this.#fail({
      status: 504,
      body: 'upstream request timeout',
      details: idle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout',
      flags: ResponseFlag.UpstreamRequestTimeout,
    });
  }

  attemptReady(attempt: UpstreamRequest, connection: UpstreamConnectionInfo): void {
    const { info } = this.#callbacks;
    info.upstreamConnection = connection;
    info.upstreamHost = attempt.host;
    attempt.host.outcomes?.localOrigin('success');
    if (info.trace !== undefined) (attempt.span ?? info.trace).span.inject(this.#headers!);
    const now = this.timers.now();
    if (info.firstUpstreamByteSent < 0) info.firstUpstreamByteSent = now;
    if (this.#requestEnded) info.lastUpstreamByteSent = now;
  }

  attemptInformational(_attempt: UpstreamRequest, headers: Headers): void {
    if (headers.status !== 100 || this.#headers?.has('expect')) this.#callbacks.respondInformational(headers);
  }

  attemptBackpressure(high: boolean): void {
    if (this.#over) return;
    this.#pausedRequest += high ? 1 : -1;
    this.#callbacks.pauseRequest(high);
  }

  attemptHeaders(attempt: UpstreamRequest, headers: Headers, end: boolean): void {
    if (this.#over || attempt !== this.#attempt) return;
    const { info } = this.#callbacks;
    const cluster = this.#cluster!;
    const { status } = headers;
    const now = this.timers.now();
    info.firstUpstreamByteReceived = now;
    this.#judgeAtEnd = noteAnswer(attempt.host, headers, isGrpc(this.#headers!), end);
    if (this.#retry?.onResponse(headers, () => this.#startAttempt())) {
      this.#countResponse(cluster, status);
      if (!end) attempt.cancel();
      this.#attempt = undefined;
      return;
    }
    if (this.#retry?.limitExceeded) info.flags |= ResponseFlag.UpstreamRetryLimitExceeded;
    if (this.#retry?.overflowed) info.flags |= ResponseFlag.UpstreamOverflow;
    if (this.#internalRedirect(attempt, headers, end)) return;
    this.#releaseRetry();
    this.#responseStarted = true;
    this.#noteUpstreamEnd(end);
    this.#countResponse(cluster, status);
    info.responseCodeDetails = 'via_upstream';
    const route = this.#route!;
    // An answer that did not wait for the whole request says nothing about the time it took.
    if (!this.#config.suppressEnvoyHeaders && this.#requestEndedAt >= 0) {
      headers.set('x-envoy-upstream-service-time', String(Math.max(0, Math.floor(now - this.#requestEndedAt))));
    }
    if (route.virtualHost.includeAttemptCountInResponse) headers.set('x-envoy-attempt-count', String(this.#attempts));
    for (const cookie of this.#setCookies ?? NO_COOKIES) headers.add('set-cookie', cookie);
    info.responseCode = status;
    info.responseHeaders = headers;
    finalizeResponse(headers, info, route, this.#chosen);
    this.#callbacks.respondHeaders(headers, end);
  }

  /** `internal_redirect_policy`: follows the Location itself. */
  #internalRedirect(attempt: UpstreamRequest, response: Headers, end: boolean): boolean {
    const policy = this.#action?.internalRedirect;
    if (policy === undefined || !policy.statuses.has(response.status)) return false;
    const { stats } = this.#cluster!;
    const location = response.get('location');
    const target = /^(https?):\/\/([^/?#]+)([^#]*)$/.exec(location ?? '');
    const request = this.#headers!;
    const sameScheme = target?.[1] === (this.#callbacks.connection.tls ? 'https' : 'http');
    const allowed =
      target !== null &&
      this.#requestEnded &&
      (this.#kept.length > 0 || this.#keptBytes === 0) &&
      this.#redirects < policy.maxRedirects &&
      (sameScheme || policy.allowCrossScheme);
    if (!allowed) {
      stats.upstream_internal_redirect_failed_total++;
      return false;
    }
    const before = { authority: request.authority, path: request.path };
    request.authority = target[2];
    request.path = target[3].startsWith('/') ? target[3] : `/${target[3]}`;
    this.#callbacks.clearRouteCache();
    const { route } = this.#callbacks;
    if (route?.action.kind !== 'route') {
      request.authority = before.authority;
      request.path = before.path;
      this.#callbacks.clearRouteCache();
      stats.upstream_internal_redirect_failed_total++;
      return false;
    }
    stats.upstream_internal_redirect_succeeded_total++;
    this.#countResponse(this.#cluster!, response.status);
    if (!end) attempt.cancel();
    this.#attempt = undefined;
    this.#redirects++;
    this.#attempts = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#route = route;
    this.#action = route.action;
    request.set(
      'x-envoy-original-url',
      `${this.#callbacks.connection.tls ? 'https' : 'http'}://${before.authority}${before.path}`,
    );
    this.#send(request, this.#kept.length === 0, route, route.action);
    return true;
  }

  attemptData(attempt: UpstreamRequest, chunk: Uint8Array, end: boolean): void {
    if (this.#over || attempt !== this.#attempt) return;
    this.#callbacks.info.upstreamBytesReceived += chunk.length;
    if (end && this.#judgeAtEnd) noteEnd(attempt.host, undefined);
    this.#noteUpstreamEnd(end);
    this.#callbacks.respondData(chunk, end);
  }

  attemptTrailers(attempt: UpstreamRequest, trailers: Headers): void {
    if (this.#over || attempt !== this.#attempt) return;
    if (this.#judgeAtEnd) noteEnd(attempt.host, trailers);
    this.#noteUpstreamEnd(true);
    this.#callbacks.respondTrailers(trailers);
  }

  #noteUpstreamEnd(end: boolean): void {
    if (!end) return;
    const { info } = this.#callbacks;
    const now = this.timers.now();
    info.lastUpstreamByteReceived = now;
    this.#timer?.cancel();
    if (this.#requestEndedAt < 0) return;
    const ms = now - this.#requestEndedAt;
    this.#cluster!.stats.recordResponseTime(ms, info.internal);
    this.#virtualCluster?.upstream_rq_time.record(ms);
    this.#route!.stats?.upstream_rq_time.record(ms);
  }

  #countResponse(cluster: Cluster, status: number): void {
    cluster.stats.countResponse(status, this.#callbacks.info.internal);
    this.#virtualCluster?.countResponse(status);
    this.#route!.stats?.countResponse(status);
  }

  attemptFailed(attempt: UpstreamRequest, reason: ResetReason, transportFailure: string, protocolError: string): void {
    if (this.#over || attempt !== this.#attempt) return;
    const { info } = this.#callbacks;
    this.#attempt = undefined;
    if (transportFailure !== '' && reason === ResetReason.ConnectionFailure)
      info.upstreamTransportFailure = transportFailure;
    if (reason !== ResetReason.Overflow) {
      attempt.host.outcomes?.localOrigin(reason === ResetReason.ConnectionFailure ? 'connect-failed' : 'reset');
      attempt.host.stats.rq_error++;
    }
    if (this.#responseStarted) {
      this.#config.stats.rq_reset_after_downstream_response_started++;
      info.flags |= failureFlag(reason);
      const text = reasonText(reason, transportFailure).replaceAll(' ', '_');
      this.#callbacks.resetStream(ResetReason.LocalReset, `upstream_reset_after_response_started{${text}}`);
      return;
    }
    if (this.#retryFailure(reason, attempt.requestStarted)) return;
    this.#failUpstream(reason, transportFailure, protocolError);
  }

  #retryFailure(reason: ResetReason, requestStarted: boolean): boolean {
    const retry = this.#retry;
    if (retry === undefined) return false;
    if (retry.onFailure({ reason, requestStarted }, () => this.#startAttempt())) return true;
    if (retry.limitExceeded) this.#callbacks.info.flags |= ResponseFlag.UpstreamRetryLimitExceeded;
    if (retry.overflowed) this.#callbacks.info.flags |= ResponseFlag.UpstreamOverflow;
    return false;
  }

  #failUpstream(reason: ResetReason, transportFailure: string, protocolError: string): void {
    const text = reasonText(reason, transportFailure);
    const retried = this.#attempts > 1 ? 'retried and the latest ' : '';
    const transport = reason === ResetReason.ConnectionFailure && transportFailure !== text ? transportFailure : '';
    const details = protocolError !== '' && reason === ResetReason.ProtocolError ? protocolError : transport;
    const suffix = details === '' ? '' : `|${details.replaceAll(' ', '_')}`;
    const overloaded = reason === ResetReason.Overflow && !this.#config.suppressEnvoyHeaders;
    this.#fail({
      status: reason === ResetReason.ProtocolError ? 502 : 503,
      body: `upstream connect error or disconnect/reset before headers. ${retried}reset reason: ${text}`,
      details: `upstream_reset_before_response_started{${text.replaceAll(' ', '_')}${suffix}}`,
      flags: failureFlag(reason),
      edit: overloaded ? (headers) => headers.set('x-envoy-overloaded', 'true') : undefined,
    });
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
    this.#retry?.close();
    this.#retry = undefined;
    this.#kept = [];
  }

  destroy(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#retry?.close();
    this.#choosing?.cancel();
    this.#attempt?.cancel();
    // A mirror whose request is complete goes on by itself; one that would never be completed is given up.
    if (!this.#requestEnded) for (const shadow of this.#shadows ?? NO_SHADOWS) shadow.cancel();
  }
}

const NO_SHADOWS: readonly Shadow[] = [];
const NO_COOKIES: readonly string[] = [];
