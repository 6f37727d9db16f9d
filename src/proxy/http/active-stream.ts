import { Headers } from '../../wire/headers.ts';
import { type MessageError, type OutgoingStream, ResetReason, type StreamHandler } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { Connection } from '../net/connection.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import { beginTrace } from '../observe/tracing/begin.ts';
import type { TracingConfig } from '../observe/tracing/config.ts';
import { finalizeResponse } from '../router/finalize-response.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import { isGrpc } from '../router/route-entry.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { MatchContext } from '../router/scope.ts';
import type { Timer } from '../timers.ts';
import type { HcmConfig, NamedFilter } from './config.ts';
import type { LocalReply } from './filter.ts';
import { FilterContext } from './filter-context.ts';
import { FilterPass, type PassSink } from './filter-pass.ts';
import type { FilteredStream } from './filtered-stream.ts';
import { localResponse, type RequestKind } from './local-reply.ts';
import { canonicalizePath, mutateRequestHeaders, normalizeHost } from './request-headers.ts';
import { cleanUpstreamHeaders, finishResponseHeaders } from './response-headers.ts';

const UPGRADE_TOKEN = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;

/** The connection that a stream belongs to, as the stream needs it. */
export interface StreamOwner {
  readonly config: HcmConfig;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly connection: Connection;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** The listener is going away, or this connection has had its share of requests. */
  readonly draining: boolean;
  /** This request is to be the last, or among the last, of the connection. */
  drain(): void;
  streamEnded(stream: ActiveStream): void;
}

const REQUEST_TIMEOUT: LocalReply = { status: 408, body: 'request timeout', details: 'request_overall_timeout' };
const HEADERS_TIMEOUT: LocalReply = { status: 408, body: 'request header timeout', details: 'request_header_timeout' };
const IDLE_TIMEOUT: LocalReply = {
  status: 504,
  body: 'stream timeout',
  details: 'stream_idle_timeout',
  flags: ResponseFlag.StreamIdleTimeout,
};
const IDLE_TIMEOUT_REQUEST: LocalReply = { ...IDLE_TIMEOUT, status: 408 };

/** While no request could be read. */
const UNREAD: RequestKind = { grpc: false, head: false };

/** One request and its response: from the codec through the filters and back. */
export class ActiveStream implements StreamHandler, PassSink, FilteredStream {
  readonly info: StreamInfo;
  readonly owner: StreamOwner;
  /** One route configuration from start to end, whatever RDS sends meanwhile. */
  readonly #table: RouteTable | undefined;
  readonly #out: OutgoingStream;
  #requestHeaders: Headers | undefined = undefined;
  #requestKind: RequestKind = UNREAD;
  #route: Route | undefined = undefined;
  #routeKnown = false;
  #chosen: ChosenCluster | undefined = undefined;
  /** The chain of this request, and the number of its filters that have been made. */
  #filters: readonly NamedFilter[];
  #made = 0;
  /** Filters that the route switched on or off when the request came; a later route does not. */
  #filterDisabled: ReadonlyMap<string, boolean> | undefined = undefined;
  readonly #contexts: FilterContext[] = [];
  #requestPass: FilterPass | undefined = undefined;
  #responsePass: FilterPass | undefined = undefined;
  #responseStarted = false;
  #responseHeadersSent = false;
  #localReply = false;
  #requestEnded = false;
  #responseEnded = false;
  #upgrade = false;
  /** The client's proxy has said what the operation is called. */
  #operationGiven = false;
  #high = false;
  #backpressureListeners: ((high: boolean) => void)[] | undefined = undefined;
  #idleTimer: Timer | undefined = undefined;
  #idleMs = 0;
  #lastActivity = 0;
  #requestTimer: Timer | undefined = undefined;
  #headersTimer: Timer | undefined = undefined;
  #durationTimer: Timer | undefined = undefined;
  over = false;

  constructor(owner: StreamOwner, out: OutgoingStream) {
    const { config, worker, connection } = owner;
    const { timers } = worker;
    this.owner = owner;
    this.#out = out;
    this.#table = config.routes.table;
    this.#filters = config.filters;
    this.info = new StreamInfo(connection, timers.now(), timers.wallClock());
    this.info.protocol = owner.protocol;
    config.stats.downstream_rq_total++;
    config.stats.downstream_rq_active++;
    if (owner.protocol === 'HTTP/2') config.stats.downstream_rq_http2_total++;
    else config.stats.downstream_rq_http1_total++;
    if (config.streamIdleTimeoutMs > 0) this.#armIdle(config.streamIdleTimeoutMs);
    if (config.requestTimeoutMs > 0) {
      this.#requestTimer = timers.start(config.requestTimeoutMs, () => {
        config.stats.downstream_rq_timeout++;
        this.sendLocalReply(REQUEST_TIMEOUT);
      });
    }
    if (config.maxStreamDurationMs > 0) this.setMaxDuration(config.maxStreamDurationMs);
  }

  get requestHeaders(): Headers {
    return this.#requestHeaders!;
  }

  get downstreamEnded(): boolean {
    return this.#requestEnded;
  }

  get responseStarted(): boolean {
    return this.#responseStarted;
  }

  /** `max_stream_duration`: the stream ends after so many ms, whatever happens. */
  setMaxDuration(ms: number): void {
    this.#durationTimer?.cancel();
    this.#durationTimer = this.owner.worker.timers.start(ms, () => {
      this.owner.config.stats.downstream_rq_max_duration_reached++;
      this.sendLocalReply({
        status: 408,
        body: 'downstream duration timeout',
        details: 'max_duration_timeout',
        flags: ResponseFlag.DurationTimeout,
      });
    });
  }

  /** Nothing may move for longer than this; a route may set another limit than the listener. */
  setIdleTimeout(ms: number): void {
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    if (ms > 0) this.#armIdle(ms);
  }

  #armIdle(ms: number): void {
    const { timers } = this.owner.worker;
    this.#idleMs = ms;
    this.#lastActivity = timers.now();
    const sleep = (wait: number) => {
      this.#idleTimer = timers.start(wait, () => {
        const left = this.#lastActivity + this.#idleMs - timers.now();
        if (left > 0) sleep(left);
        else this.#onIdle();
      });
    };
    sleep(ms);
  }

  #onIdle(): void {
    this.owner.config.stats.downstream_rq_idle_timeout++;
    if (this.#responseStarted) {
      this.info.flags |= ResponseFlag.StreamIdleTimeout;
      this.info.responseCodeDetails = 'stream_idle_timeout';
      this.#reset(ResetReason.LocalReset);
    } else this.sendLocalReply(this.#requestEnded ? IDLE_TIMEOUT : IDLE_TIMEOUT_REQUEST);
  }

  #touch(): void {
    if (this.#idleTimer !== undefined) this.#lastActivity = this.owner.worker.timers.now();
  }

  #noteHeaders(headers: Headers): void {
    this.#requestHeaders = headers;
    this.#requestKind = { grpc: isGrpc(headers), head: headers.method === 'HEAD' };
    this.info.requestHeaders = headers;
    this.info.requestHeaderBytes = headers.byteSize();
  }

  onHeaders(headers: Headers, end: boolean): void {
    const { config, connection } = this.owner;
    this.#noteHeaders(headers);
    this.#headersTimer?.cancel();
    if (end) this.#endRequest();
    if (headers.path.charCodeAt(0) !== 47 && headers.method !== 'CONNECT' && headers.path !== '*') {
      config.stats.downstream_rq_non_relative_path++;
      this.sendLocalReply({ status: 404, body: '', details: 'absolute_path_rejected' });
      return;
    }
    if (config.underscores !== 'allow' && !this.#checkUnderscores(headers)) return;
    if (headers.path !== '') {
      const problem = canonicalizePath(headers, config);
      if (problem !== undefined) {
        this.#answerPathProblem(problem);
        return;
      }
    }
    normalizeHost(headers, config, connection.local.port);
    const upgradeType = this.#upgradeType(headers, end);
    this.#upgrade = upgradeType !== undefined;
    mutateRequestHeaders(headers, connection, this.info, config, this.#table?.internalOnlyHeaders, this.#upgrade);
    this.#findRoute();
    if (this.over) return;
    let filters = config.filters;
    if (upgradeType !== undefined) {
      const chain = this.#upgradeFilters(upgradeType);
      if (chain === undefined) {
        config.stats.downstream_rq_ws_on_non_ws_route++;
        this.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
        return;
      }
      filters = chain;
      config.stats.downstream_cx_upgrades_total++;
      config.stats.downstream_cx_upgrades_active++;
    }
    if (config.tracing !== undefined) {
      beginTrace(headers, this.info, config.tracing, this.#route?.tracing, this.owner.worker.random);
      this.#nameOperation(headers, config.tracing);
    }
    if (!config.proxy100Continue && headers.get('expect')?.toLowerCase() === '100-continue') {
      headers.remove('expect');
      this.#out.sendInformational(Headers.response(100));
    }
    this.#filters = filters;
    this.#filterDisabled = this.#route?.filterDisabled;
    this.#makeFilters();
    this.#requestPass = new FilterPass(this.#contexts, true, this, this.#bufferLimit());
    this.#requestPass.headers(headers, end);
  }

  /** Operation names travel ahead of spans: a client's proxy names the operation, a server's proxy takes the name off. */
  #nameOperation(headers: Headers, { egress }: TracingConfig): void {
    const { trace } = this.info;
    const route = this.#route;
    const operation = route?.decoratorOperation ?? '';
    if (operation !== '' && !this.#operationGiven) trace?.span.rename(operation);
    if (egress) {
      if (route?.decoratorPropagate && operation !== '') headers.set('x-envoy-decorator-operation', operation);
      return;
    }
    const given = headers.get('x-envoy-decorator-operation');
    if (given === undefined) return;
    if (given !== '') trace?.span.rename(given);
    headers.remove('x-envoy-decorator-operation');
    this.#operationGiven = true;
  }

  #bufferLimit(): number {
    return this.#route?.bufferLimit ?? this.owner.config.bufferLimit;
  }

  #checkUnderscores(headers: Headers): boolean {
    const has = (name: string) => name.includes('_');
    if (this.owner.config.underscores === 'drop') {
      headers.removeIf(has);
      return true;
    }
    for (let i = 0; i < headers.size; i++) {
      if (!has(headers.nameAt(i))) continue;
      // As what the codec refuses, which no log has the head of.
      this.#requestHeaders = undefined;
      this.info.requestHeaders = undefined;
      this.info.flags |= ResponseFlag.DownstreamProtocolError;
      this.sendLocalReply({ status: 400, body: 'Bad Request', details: 'http1.unexpected_underscore' });
      return false;
    }
    return true;
  }

  #answerPathProblem(problem: NonNullable<ReturnType<typeof canonicalizePath>>): void {
    const { stats } = this.owner.config;
    if (problem.kind === 'redirect') {
      stats.downstream_rq_redirected_with_normalized_path++;
      const location = problem.path;
      this.sendLocalReply({
        status: 307,
        body: '',
        details: 'path_normalization_failed',
        edit: (headers) => headers.set('location', location),
      });
      return;
    }
    stats.downstream_rq_failed_path_normalization++;
    this.#out.endConnection?.();
    this.sendLocalReply({ status: 400, body: '', details: 'path_normalization_failed' });
  }

  /** Type of the upgrade that a request asks for, in lower case: `connect`, `websocket`, ... */
  #upgradeType(headers: Headers, end: boolean): string | undefined {
    if (headers.method === 'CONNECT') return headers.protocol === '' ? 'connect' : headers.protocol.toLowerCase();
    if (end) return undefined;
    const type = headers.get('upgrade');
    // An offer that the connection does not name is none (RFC 9110 section 7.8).
    if (type === undefined || !UPGRADE_TOKEN.test(headers.getJoined('connection') ?? '')) return undefined;
    return type.toLowerCase();
  }

  /** The filters for an upgrade, or undefined if it is not allowed here. */
  #upgradeFilters(type: string): readonly NamedFilter[] | undefined {
    const { config } = this.owner;
    const listener = config.upgrades.get(type);
    const action = this.#route?.action;
    const route = action?.kind === 'route' ? action.upgrades.get(type) : undefined;
    // A route without an answer of its own for this type leaves it to the listener. No route at all is the router's to answer.
    if (this.#route === undefined) return config.filters;
    if (!(route?.enabled ?? listener?.enabled ?? false)) return undefined;
    return listener?.filters ?? config.filters;
  }

  #findRoute(): void {
    const headers = this.#requestHeaders!;
    this.#routeKnown = true;
    this.#route = this.#table?.match(headers, this.#matchContext());
    this.#noteRoute();
  }

  #noteRoute(): void {
    const route = this.#route;
    this.info.routeName = route?.name ?? '';
    this.info.routeMetadata = route?.metadata;
    this.info.virtualHostName = route?.virtualHost.name ?? '';
    const action = route?.action;
    this.#chosen = undefined;
    // A route that filters have changed names another operation.
    const { tracing } = this.owner.config;
    if (this.#requestPass !== undefined && tracing !== undefined) this.#nameOperation(this.#requestHeaders!, tracing);
    if (action?.kind !== 'route') return;
    this.#chosen = action.cluster(this.#requestHeaders!, this.owner.worker.random);
    const { name } = this.#chosen ?? {};
    this.info.upstreamCluster = name !== undefined && this.owner.clusters.get(name) !== undefined ? name : '';
    if (action.idleTimeoutMs !== undefined) this.setIdleTimeout(action.idleTimeoutMs);
    if (action.maxStreamDurationMs !== undefined && action.maxStreamDurationMs > 0) {
      this.setMaxDuration(action.maxStreamDurationMs);
    }
  }

  #matchContext(): MatchContext {
    const { connection, worker } = this.owner;
    const peer = connection.tls?.peer;
    return {
      peerPresented: peer !== undefined,
      peerValidated: peer?.validated ?? false,
      dynamicMetadata: this.info.dynamicMetadata,
      random: worker.random,
    };
  }

  get route(): Route | undefined {
    if (!this.#routeKnown) this.#findRoute();
    return this.#route;
  }

  /** The cluster that the route chose for this request when it was matched. */
  get chosenCluster(): ChosenCluster | undefined {
    if (!this.#routeKnown) this.#findRoute();
    return this.#chosen;
  }

  clearRouteCache(index: number): void {
    this.#routeKnown = false;
    this.#unmakeFiltersBehind(index);
  }

  setRoute(route: Route, index: number): void {
    this.#route = route;
    this.#routeKnown = true;
    this.#noteRoute();
    this.#unmakeFiltersBehind(index);
  }

  /**
   * Filters are made by what the route configures for them. If the route changes before the request has come to them,
   * they are made anew.
   */
  #unmakeFiltersBehind(index: number): void {
    const contexts = this.#contexts;
    if (index + 1 >= contexts.length || this.#requestPass === undefined || this.#requestPass.passed > index) return;
    this.#made = contexts[index].order + 1;
    for (const { filter } of contexts.splice(index + 1)) filter.destroy?.();
  }

  #makeFilters(): void {
    const filters = this.#filters;
    const disabled = this.#filterDisabled;
    while (this.#made < filters.length) {
      const order = this.#made++;
      const { name, factory, disabled: off } = filters[order];
      if ((disabled === undefined ? off : (disabled.get(name) ?? off)) && !factory.terminal) continue;
      const context = new FilterContext(this, name, this.#contexts.length, order);
      const filter = factory.create(context);
      if (filter === undefined) continue;
      context.filter = filter;
      this.#contexts.push(context);
    }
  }

  moreFilters(): boolean {
    if (this.#made === this.#filters.length) return false;
    const before = this.#contexts.length;
    this.#makeFilters();
    return this.#contexts.length > before;
  }

  isOver(request: boolean): boolean {
    return this.over || (request && this.#localReply);
  }

  overflow(request: boolean): void {
    const { stats } = this.owner.config;
    if (request) {
      stats.downstream_rq_too_large++;
      // There may be more of it.
      this.#out.endConnection?.();
      this.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
      return;
    }
    stats.rs_too_large++;
    if (this.#responseHeadersSent) {
      this.info.responseCodeDetails = 'response_payload_too_large';
      this.#reset(ResetReason.LocalReset);
      return;
    }
    this.sendLocalReply({ status: 500, body: 'Internal Server Error', details: 'response_payload_too_large' });
  }

  holdSender(request: boolean, hold: boolean): void {
    if (request) this.pauseRequest(hold);
    else for (const listener of this.#backpressureListeners ?? []) listener(hold);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.info.bytesReceived += chunk.length;
    this.#touch();
    if (end) this.#endRequest();
    if (this.over || this.#localReply) return;
    this.#requestPass?.data(chunk, end);
  }

  onTrailers(trailers: Headers): void {
    this.#touch();
    this.#endRequest();
    if (this.over || this.#localReply) return;
    this.#requestPass?.trailers(trailers);
  }

  #endRequest(): void {
    this.#requestEnded = true;
    this.info.lastRequestByte = this.owner.worker.timers.now();
    this.#requestTimer?.cancel();
  }

  onReset(reason: ResetReason, details: string): void {
    const { info } = this;
    const { stats } = this.owner.config;
    stats.downstream_rq_rx_reset++;
    if (reason === ResetReason.RemoteReset) {
      info.flags |= ResponseFlag.DownstreamRemoteReset;
      info.responseCodeDetails ||= 'http2.remote_reset';
    } else if (reason === ResetReason.ProtocolError) {
      info.flags |= ResponseFlag.DownstreamProtocolError;
      info.responseCodeDetails = details;
    } else {
      info.flags |= ResponseFlag.DownstreamConnectionTermination;
      info.responseCodeDetails ||= 'downstream_remote_disconnect';
    }
    this.#finish();
  }

  onError(error: MessageError, headers?: Headers): void {
    const { config } = this.owner;
    if (headers !== undefined && this.#requestHeaders === undefined) this.#noteHeaders(headers);
    config.stats.downstream_cx_protocol_error++;
    this.info.flags |= ResponseFlag.DownstreamProtocolError;
    if (error.details === 'missing_host_header') {
      this.info.flags &= ~ResponseFlag.DownstreamProtocolError;
      this.sendLocalReply({ status: 400, body: '', details: error.details });
      return;
    }
    this.sendLocalReply({
      status: error.status,
      body: STATUS_TEXT[error.status] ?? 'Bad Request',
      details: error.details,
    });
  }

  onWriteBackpressure(high: boolean): void {
    if (high === this.#high) return;
    this.#high = high;
    for (const listener of this.#backpressureListeners ?? []) listener(high);
  }

  addBackpressureListener(listener: (high: boolean) => void): void {
    (this.#backpressureListeners ??= []).push(listener);
    if (this.#high) listener(true);
  }

  pauseRequest(pause: boolean): void {
    const { stats } = this.owner.config;
    if (this.over) return;
    if (pause) stats.downstream_flow_control_paused_reading_total++;
    else stats.downstream_flow_control_resumed_reading_total++;
    this.#out.pauseReading(pause);
  }

  continueRequest(index: number): void {
    if (!this.over && !this.#localReply) this.#requestPass?.resume(index);
  }

  continueResponse(index: number): void {
    if (!this.over) this.#responsePass?.resume(this.responsePlace(index));
  }

  get requestPass(): FilterPass | undefined {
    return this.#requestPass;
  }

  get responsePass(): FilterPass | undefined {
    return this.#responsePass;
  }

  /** Place of a filter in the order of the response. */
  responsePlace(index: number): number {
    return this.#contexts.length - 1 - index;
  }

  setBufferLimit(bytes: number): void {
    if (this.#requestPass) this.#requestPass.limit = bytes;
    if (this.#responsePass) this.#responsePass.limit = bytes;
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.over) return;
    const { info } = this;
    if (reply.flags !== undefined) info.flags |= reply.flags;
    info.responseCodeDetails = reply.details;
    if (this.#responseHeadersSent) {
      this.#reset(ResetReason.LocalReset);
      return;
    }
    this.#localReply = true;
    // Filters see the answer to what was no request, too. No route is for it, nor for what is refused before there is one.
    this.#requestHeaders ??= Headers.request('', '', '');
    if (this.#requestPass === undefined) this.#routeKnown = true;
    // Filters may have made the request one for another route: the answer is told as that route's.
    if (this.#requestPass !== undefined && !this.#routeKnown) this.#findRoute();
    const { config } = this.owner;
    const headers = Headers.response(reply.status);
    this.#editReply(headers, reply);
    info.responseCode = reply.status;
    const mapped = config.localReplies(info, reply.status, reply.body);
    // A bad request may be one of many that are no requests at all.
    if (reply.status === 400 && !config.http1.streamErrorOnInvalidMessage) this.#out.endConnection?.();
    mapped.edits?.(headers, info);
    const rewritten = mapped.body !== reply.body;
    const { grpcStatus } = reply;
    const { body } = localResponse(headers, { ...mapped, grpcStatus, rewritten }, this.#requestKind);
    if (this.#responseStarted) {
      // Filters have seen the headers of a response already, which were not sent: this one passes them by.
      this.passHeaders(headers, body === undefined);
      if (body !== undefined && !this.over) this.passData(body, true);
      return;
    }
    this.#startResponse(headers, body === undefined);
    if (body !== undefined && !this.over) this.#responsePass!.data(body, true);
  }

  /** What the route does to responses, then whoever answers; neither knows yet which status that will have. */
  #editReply(headers: Headers, reply: LocalReply): void {
    const { info } = this;
    info.responseHeaders = headers;
    const route = this.#route;
    if (route?.action.kind === 'route') finalizeResponse(headers, info, route, this.#chosen);
    reply.edit?.(headers);
  }

  /** A response passes every filter, whichever of them it comes from. */
  respondHeaders(headers: Headers, end: boolean): void {
    if (!this.over && !this.#localReply) this.#startResponse(headers, end);
  }

  #startResponse(headers: Headers, end: boolean): void {
    this.#makeFilters();
    this.#responseStarted = true;
    this.info.responseCode = headers.status;
    this.#responsePass = new FilterPass(this.#contexts, false, this, this.#bufferLimit());
    this.#responsePass.headers(headers, end);
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    if (!this.over) this.#responsePass?.data(chunk, end);
  }

  respondTrailers(trailers: Headers): void {
    if (!this.over) this.#responsePass?.trailers(trailers);
  }

  respondInformational(headers: Headers): void {
    if (this.over || this.#responseStarted) return;
    for (let i = this.#contexts.length - 1; i >= 0; i--) this.#contexts[i].filter.responseInformational?.(headers);
    if (!this.over) this.#out.sendInformational(headers);
  }

  passData(chunk: Uint8Array, end: boolean): void {
    this.info.bytesSent += chunk.length;
    this.#touch();
    if (end) this.#responseEnded = true;
    this.#out.sendData(chunk, end);
    if (end) this.#finish();
  }

  passTrailers(trailers: Headers): void {
    this.info.responseTrailers = trailers;
    this.#responseEnded = true;
    this.#out.sendTrailers(trailers);
    this.#finish();
  }

  passHeaders(headers: Headers, end: boolean): void {
    const { config, worker } = this.owner;
    const { info } = this;
    this.#touch();
    this.#responseHeadersSent = true;
    // The rest of a request that was answered early is not waited for: a connection of HTTP/1 ends with it.
    if (!this.#requestEnded && !(this.#upgrade && headers.status === 101)) this.#out.endConnection?.();
    if (worker.health.failed) this.owner.drain();
    cleanUpstreamHeaders(headers, this.#upgrade && headers.status === 101);
    if (config.tracing !== undefined) this.#traceResponse(headers, config.tracing);
    const isTraceForced = info.internal && (this.#requestHeaders?.has('x-envoy-force-trace') ?? false);
    finishResponseHeaders(headers, config, worker.timers.wallClock(), info.requestId, isTraceForced);
    info.responseCode = headers.status;
    info.responseHeaders = headers;
    info.firstResponseByte = worker.timers.now();
    info.responseHeaderBytes = headers.byteSize();
    config.stats.countResponse(headers.status);
    config.listenerStats.countResponse(headers.status);
    if (end) this.#responseEnded = true;
    this.#out.sendHeaders(headers, end);
    if (end) this.#finish();
  }

  /** A server's proxy names the operation for its client's, unless that has done so itself. */
  #traceResponse(headers: Headers, { egress }: TracingConfig): void {
    if (egress) {
      const given = headers.get('x-envoy-decorator-operation');
      if (given === undefined) return;
      if (given !== '') this.info.trace?.span.rename(given);
      headers.remove('x-envoy-decorator-operation');
      return;
    }
    const route = this.#route;
    if (route?.decoratorPropagate && route.decoratorOperation !== '' && !this.#operationGiven) {
      headers.set('x-envoy-decorator-operation', route.decoratorOperation);
    }
  }

  resetStream(reason: ResetReason, details: string): void {
    if (this.over) return;
    if (details !== '') this.info.responseCodeDetails = details;
    this.#reset(reason);
  }

  #reset(reason: ResetReason): void {
    if (this.over) return;
    this.owner.config.stats.downstream_rq_tx_reset++;
    this.#finish();
    this.#out.reset(reason);
  }

  #finish(): void {
    if (this.over) return;
    this.over = true;
    const { info } = this;
    const { config, worker } = this.owner;
    info.end = worker.timers.now();
    this.#idleTimer?.cancel();
    this.#requestTimer?.cancel();
    this.#headersTimer?.cancel();
    this.#durationTimer?.cancel();
    config.stats.downstream_rq_active--;
    config.stats.downstream_rq_time.record(info.end - info.start);
    if (this.#upgrade) config.stats.downstream_cx_upgrades_active--;
    if (this.#responseEnded && !this.#requestEnded) config.stats.downstream_rq_response_before_rq_complete++;
    for (const { filter } of this.#contexts) filter.onComplete?.();
    info.trace?.finish();
    for (const log of config.accessLogs) log.log(info);
    for (const { filter } of this.#contexts) filter.destroy?.();
    this.owner.streamEnded(this);
  }

  /** The headers of a request did not come in time. */
  startHeadersTimer(ms: number): void {
    this.#headersTimer = this.owner.worker.timers.start(ms, () => {
      this.owner.config.stats.downstream_rq_header_timeout++;
      this.sendLocalReply(HEADERS_TIMEOUT);
    });
  }
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
};
