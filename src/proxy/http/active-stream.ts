import { Headers } from '../../wire/headers.ts';
import { type MessageError, type OutgoingStream, ResetReason, type StreamHandler } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { Connection } from '../net/connection.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import { beginTrace } from '../observe/tracing/begin.ts';
import { finalizeResponse } from '../router/finalize-response.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import { isGrpc } from '../router/route-entry.ts';
import type { RouteTable } from '../router/route-table.ts';
import type { HcmConfig } from './config.ts';
import { noteDownstreamReset } from './downstream-reset.ts';
import type { LocalReply } from './filter.ts';
import { FilterManager } from './filter-manager.ts';
import type { FilteredStream } from './filtered-stream.ts';
import { localResponse } from './local-reply.ts';
import { matchContext } from './match-context.ts';
import { nameAnsweredOperation, nameOperation } from './operation-name.ts';
import { checkRequest, codecErrorReply, type Refusal } from './request-checks.ts';
import { mutateRequestHeaders, normalizeHost } from './request-headers.ts';
import { cleanUpstreamHeaders, finishResponseHeaders } from './response-headers.ts';
import { limitStream } from './stream-duration.ts';
import { StreamLogs } from './stream-logs.ts';
import { StreamTimers, type TimedStream } from './stream-timers.ts';
import { upgradeFilters, upgradeType } from './upgrade.ts';

/** The connection that a stream belongs to, as the stream needs it. */
export interface StreamOwner {
  readonly config: HcmConfig;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly connection: Connection;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** The listener is going away, or this connection has had its share of requests. */
  readonly draining: boolean;
  /** The listener is going away; clients are told with the next response, however idle they are until then. */
  readonly toBeDrained: boolean;
  /** This request is to be the last, or among the last, of the connection. */
  drain(): void;
  streamEnded(stream: ActiveStream): void;
  /** A request has begun anew, as another stream. */
  streamRecreated(stream: ActiveStream): void;
}

const IDLE_TIMEOUT: LocalReply = {
  status: 504,
  body: 'stream timeout',
  details: 'stream_idle_timeout',
  flags: ResponseFlag.StreamIdleTimeout,
};
const IDLE_TIMEOUT_REQUEST: LocalReply = { ...IDLE_TIMEOUT, status: 408 };

/** One request and its response: from the codec through the filters and back. */
export class ActiveStream implements StreamHandler, FilteredStream, TimedStream {
  readonly info: StreamInfo;
  readonly owner: StreamOwner;
  /** One route configuration from start to end, whatever RDS sends meanwhile. */
  readonly #table: RouteTable | undefined;
  readonly #out: OutgoingStream;
  #requestHeaders: Headers | undefined = undefined;
  /** The request as the client sent it, whatever filters make of it. */
  #grpc = false;
  #head = false;
  #route: Route | undefined = undefined;
  #routeKnown = false;
  #chosen: ChosenCluster | undefined = undefined;
  readonly #filters: FilterManager;
  readonly #timers: StreamTimers;
  readonly #logs: StreamLogs;
  #responseHeadersSent = false;
  #requestEnded = false;
  #responseEnded = false;
  #upgrade = false;
  /** The client's proxy has said what the operation is called. */
  #operationGiven = false;
  /** This proxy has answered by itself. */
  answeredHere = false;
  over = false;
  /** The stream that goes on with the request in place of this one. */
  #successor: ActiveStream | undefined = undefined;

  constructor(owner: StreamOwner, out: OutgoingStream) {
    const { config, worker, connection } = owner;
    const { timers } = worker;
    this.owner = owner;
    this.#out = out;
    this.#table = config.routes.table;
    this.#filters = new FilterManager(this, config.filters);
    this.info = new StreamInfo(connection, timers.now(), timers.wallClock());
    this.info.protocol = owner.protocol;
    config.stats.downstream_rq_total++;
    config.stats.downstream_rq_active++;
    if (owner.protocol === 'HTTP/2') config.stats.downstream_rq_http2_total++;
    else config.stats.downstream_rq_http1_total++;
    this.#timers = new StreamTimers(this, timers, config);
    this.#logs = new StreamLogs(config.accessLogs, config.logOccasions, this.info, timers);
  }

  recreate(response: Headers, body: readonly Uint8Array[], trailers: Headers | undefined): void {
    if (this.over) return;
    const { info, owner } = this;
    info.responseCode = response.status;
    info.responseHeaders = response;
    info.responseCodeDetails = 'internal_redirect';
    const next = new ActiveStream(owner, this.#out);
    next.info.continue(info);
    this.#successor = next;
    owner.streamRecreated(next);
    this.#finish();
    next.#goOn(this.#requestHeaders!, body, trailers);
  }

  /** Begins with a request that another stream had already let in. */
  #goOn(headers: Headers, body: readonly Uint8Array[], trailers: Headers | undefined): void {
    const end = body.length === 0 && trailers === undefined;
    this.#noteHeaders(headers);
    this.#timers.headersCame();
    this.#endRequest();
    const refusal = checkRequest(headers, this.owner.config);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    normalizeHost(headers, this.owner.config, this.owner.connection.local.port);
    this.#findRoute();
    this.#startFilters(headers, end, this.owner.config.filters);
    body.forEach((chunk, i) => {
      if (!this.over) this.onData(chunk, trailers === undefined && i === body.length - 1);
    });
    if (trailers !== undefined && !this.over) this.onTrailers(trailers);
  }

  get requestHeaders(): Headers {
    return this.#requestHeaders!;
  }

  onIdleTimeout(): void {
    if (this.#filters.responsePass !== undefined) {
      this.info.flags |= ResponseFlag.StreamIdleTimeout;
      this.info.responseCodeDetails = 'stream_idle_timeout';
      this.#reset(ResetReason.LocalReset);
    } else this.sendLocalReply(this.#requestEnded ? IDLE_TIMEOUT : IDLE_TIMEOUT_REQUEST);
  }

  #noteHeaders(headers: Headers): void {
    this.#requestHeaders = headers;
    this.#grpc = isGrpc(headers);
    this.#head = headers.method === 'HEAD';
    this.info.requestHeaders = headers;
    this.info.requestHeaderBytes = headers.byteSize();
  }

  onHeaders(headers: Headers, end: boolean): void {
    const { config, connection } = this.owner;
    this.#noteHeaders(headers);
    this.#timers.headersCame();
    if (end) this.#endRequest();
    if (!config.proxy100Continue && headers.getJoined('expect')?.toLowerCase() === '100-continue') {
      headers.remove('expect');
      this.#out.sendInformational(Headers.response(100));
    }
    const refusal = checkRequest(headers, config);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    normalizeHost(headers, config, connection.local.port);
    const upgrade = upgradeType(headers, end);
    this.#upgrade = upgrade !== undefined;
    const { internalOnlyHeaders } = this.#table ?? {};
    const status = mutateRequestHeaders(headers, connection, this.info, config, internalOnlyHeaders, this.#upgrade);
    if (status > 0) {
      this.sendLocalReply({ status, body: '', details: 'rejecting_because_detection_failed' });
      return;
    }
    this.#findRoute();
    if (this.over) return;
    let chain: typeof config.filters | undefined = config.filters;
    if (upgrade !== undefined) {
      chain = upgradeFilters(upgrade, config, this.#route);
      if (chain === undefined) {
        this.#upgrade = false;
        config.stats.downstream_rq_ws_on_non_ws_route++;
        this.#logs.requestBegins();
        this.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
        return;
      }
      config.stats.downstream_cx_upgrades_total++;
      config.stats.downstream_cx_upgrades_active++;
    }
    this.#startFilters(headers, end, chain);
  }

  #startFilters(headers: Headers, end: boolean, chain: HcmConfig['filters']): void {
    const { config } = this.owner;
    if (config.tracing !== undefined) {
      beginTrace(headers, this.info, config.tracing, this.#route?.tracing, this.owner.worker.random);
      this.#nameOperation(headers);
    }
    this.#logs.requestBegins();
    this.#filters.startRequest(headers, end, chain, this.#route?.filterDisabled);
  }

  #nameOperation(headers: Headers): void {
    const { tracing } = this.owner.config;
    if (tracing === undefined) return;
    const { trace } = this.info;
    this.#operationGiven = nameOperation(headers, trace, this.#route, tracing.egress, this.#operationGiven);
  }

  get bufferLimit(): number {
    return this.#route?.bufferLimit ?? this.owner.config.bufferLimit;
  }

  #refuse({ reply, counter, endsConnection, headless }: Refusal): void {
    if (counter !== undefined) this.owner.config.stats[counter]++;
    if (headless) {
      this.#requestHeaders = undefined;
      this.info.requestHeaders = undefined;
    }
    if (endsConnection) this.#out.endConnection?.();
    this.sendLocalReply(reply);
  }

  #findRoute(): void {
    const headers = this.#requestHeaders!;
    this.#routeKnown = true;
    this.#route = this.#table?.match(headers, matchContext(this.owner.connection, this.info, this.owner.worker.random));
    this.#noteRoute();
  }

  #noteRoute(): void {
    const route = this.#route;
    this.info.routeName = route?.name ?? '';
    this.info.routeMetadata = route?.metadata;
    this.info.virtualHostName = route?.virtualHost.name ?? '';
    const action = route?.action;
    this.#chosen = undefined;
    this.info.upstreamCluster = '';
    this.info.upstreamClusterStatName = '';
    // A route that filters have changed names another operation.
    if (this.#filters.requestPass !== undefined) this.#nameOperation(this.#requestHeaders!);
    if (action?.kind !== 'route') return;
    this.#chosen = action.cluster(this.#requestHeaders!, this.owner.worker.random);
    const { name } = this.#chosen ?? {};
    this.info.upstreamCluster = name !== undefined && this.owner.clusters.get(name) !== undefined ? name : '';
    if (action.idleTimeoutMs !== undefined) this.#timers.setIdleTimeout(action.idleTimeoutMs);
    limitStream(action, this.#requestHeaders!, this.#timers);
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

  clearRoute(): void {
    this.#routeKnown = false;
  }

  setRoute(route: Route): void {
    this.#route = route;
    this.#routeKnown = true;
    this.#noteRoute();
  }

  requestTooLarge(): void {
    this.owner.config.stats.downstream_rq_too_large++;
    // There may be more of it.
    this.#out.endConnection?.();
    this.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
  }

  responseTooLarge(): void {
    this.owner.config.stats.rs_too_large++;
    if (this.#responseHeadersSent) {
      this.info.responseCodeDetails = 'response_payload_too_large';
      this.#reset(ResetReason.LocalReset);
      return;
    }
    this.sendLocalReply({ status: 500, body: 'Internal Server Error', details: 'response_payload_too_large' });
  }

  onData(chunk: Uint8Array, end: boolean): void {
    this.info.bytesReceived += chunk.length;
    this.#timers.touch();
    if (end) this.#endRequest();
    this.#filters.requestData(chunk, end);
  }

  onTrailers(trailers: Headers): void {
    this.#timers.touch();
    this.#endRequest();
    this.#filters.requestTrailers(trailers);
  }

  #endRequest(): void {
    this.#requestEnded = true;
    this.info.lastRequestByte = this.owner.worker.timers.now();
    this.#timers.requestEnded();
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.#successor !== undefined) {
      this.#successor.onReset(reason, details);
      return;
    }
    const { info } = this;
    const { stats } = this.owner.config;
    stats.downstream_rq_rx_reset++;
    noteDownstreamReset(info, reason, details);
    this.#finish();
  }

  onError(error: MessageError, headers?: Headers): void {
    const { config } = this.owner;
    if (headers !== undefined && this.#requestHeaders === undefined) this.#noteHeaders(headers);
    config.stats.downstream_cx_protocol_error++;
    // A request without a host is one like any other, and without a body a whole one.
    if (error.details === 'missing_host_header' && headers !== undefined && isBodiless(headers)) this.#endRequest();
    this.sendLocalReply(codecErrorReply(error));
  }

  onWriteBackpressure(high: boolean): void {
    if (this.#successor !== undefined) this.#successor.onWriteBackpressure(high);
    else this.#filters.writeBackpressure(high);
  }

  pauseRequest(pause: boolean): void {
    const { stats } = this.owner.config;
    if (this.over) return;
    if (pause) stats.downstream_flow_control_paused_reading_total++;
    else stats.downstream_flow_control_resumed_reading_total++;
    this.#out.pauseReading(pause);
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
    this.answeredHere = true;
    // Filters see the answer to what was no request, too. No route is for it, nor for what is refused before there is one.
    this.#requestHeaders ??= Headers.request('', '', '');
    if (this.#filters.requestPass === undefined) this.#routeKnown = true;
    // Filters may have made the request one for another route: the answer is told as that route's.
    if (this.#filters.requestPass !== undefined && !this.#routeKnown) this.#findRoute();
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
    const kind = { grpc: this.#grpc, head: this.#head };
    const { body } = localResponse(headers, { ...mapped, grpcStatus, rewritten }, kind);
    if (this.#filters.responsePass !== undefined) {
      // Filters have seen the headers of a response already, which were not sent: this one passes them by.
      this.passHeaders(headers, body === undefined);
      if (body !== undefined && !this.over) this.passData(body, true);
      return;
    }
    this.#filters.startResponse(headers, body === undefined);
    if (body !== undefined) this.#filters.respondData(body, true);
  }

  /** What the route does to responses, then whoever answers; neither knows yet which status that will have. */
  #editReply(headers: Headers, reply: LocalReply): void {
    const { info } = this;
    info.responseHeaders = headers;
    const route = this.#route;
    if (route?.action.kind === 'route') finalizeResponse(headers, info, route, this.#chosen);
    reply.edit?.(headers);
  }

  passInformational(headers: Headers): void {
    this.#out.sendInformational(headers);
  }

  passData(chunk: Uint8Array, end: boolean): void {
    this.info.bytesSent += chunk.length;
    this.#timers.touch();
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
    this.#timers.touch();
    this.#responseHeadersSent = true;
    // The rest of a request that was answered early is not waited for: a connection of HTTP/1 ends with it.
    if (!this.#requestEnded && !(this.#upgrade && headers.status === 101)) this.#out.endConnection?.();
    if (this.owner.toBeDrained || (worker.health.failed && config.drainsWhenUnhealthy)) this.owner.drain();
    cleanUpstreamHeaders(headers, this.#upgrade && headers.status === 101);
    if (config.tracing !== undefined) {
      nameAnsweredOperation(headers, info.trace, this.#route, config.tracing.egress, this.#operationGiven);
    }
    const isTraceForced = info.internal && (this.#requestHeaders?.has('x-envoy-force-trace') ?? false);
    finishResponseHeaders(headers, config, worker.timers.wallClock(), info, isTraceForced);
    info.responseCode = headers.status;
    info.responseHeaders = headers;
    info.firstResponseByte = worker.timers.now();
    info.responseHeaderBytes = headers.byteSize();
    if (!info.healthCheck) {
      config.stats.countResponse(headers.status);
      config.listenerStats.countResponse(headers.status);
    }
    if (end) this.#responseEnded = true;
    this.#out.sendHeaders(headers, end);
    if (this.#upgrade && (headers.status === 101 || Math.floor(headers.status / 100) === 2))
      this.#logs.tunnelEstablished();
    if (end) this.#finish();
  }

  resetStream(reason: ResetReason, details: string): void {
    if (this.over) return;
    if (details !== '') this.info.responseCodeDetails = details;
    this.#reset(reason);
  }

  #reset(reason: ResetReason): void {
    if (this.over) return;
    const { stats } = this.owner.config;
    stats.downstream_rq_tx_reset++;
    // As in Envoy, whose codec tells of its own resets as well.
    stats.downstream_rq_rx_reset++;
    this.#finish();
    this.#out.reset(reason);
  }

  #finish(): void {
    if (this.over) return;
    this.over = true;
    const { info } = this;
    const { config, worker } = this.owner;
    info.end = worker.timers.now();
    this.#timers.cancel();
    config.stats.downstream_rq_active--;
    config.stats.downstream_rq_time.record(info.end - info.start);
    if (this.#upgrade) config.stats.downstream_cx_upgrades_active--;
    if (this.#responseEnded && !this.#requestEnded) {
      config.stats.downstream_rq_response_before_rq_complete++;
      // The rest of the request is not read any more, which Envoy counts so.
      config.stats.downstream_rq_rx_reset++;
    }
    this.#filters.complete();
    info.trace?.finish();
    this.#logs.streamEnds();
    this.#filters.destroy();
    this.owner.streamEnded(this);
  }
}

function isBodiless(headers: Headers): boolean {
  return !headers.has('content-length') && !headers.has('transfer-encoding');
}
