import { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type { UpstreamStreamHandler } from '../../cluster/cluster.ts';
import { CloseReason } from '../../net/connection.ts';
import type { Format } from '../../observe/format/format.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import type { StreamInfo, UpstreamConnectionInfo } from '../../observe/stream-info.ts';
import type { HeaderEdits } from '../../router/header-edits.ts';
import type { Timer, Timers } from '../../timers.ts';
import type { TcpUpstream, TcpUpstreamOwner } from './upstream.ts';

/** `tunneling_config`: connections travel inside of requests to a proxy. */
export interface TunnelConfig {
  /** Whom the proxy is to connect to. */
  readonly hostname: Format;
  /** POST instead of CONNECT, with this path. */
  readonly postPath: string | undefined;
  readonly edits: HeaderEdits | undefined;
  readonly propagateHeaders: boolean;
  readonly propagateTrailers: boolean;
}

/** Where headers and trailers of the answer are left, for logs. */
const RESPONSE_HEADERS = 'envoy.tcp_proxy.propagate_response_headers';
const RESPONSE_TRAILERS = 'envoy.tcp_proxy.propagate_response_trailers';

/** How long a server that says nothing may take to end after its client has. */
const LINGER_MS = 1000;

const NOTHING = new Uint8Array(0);

/** The request that opens a tunnel. */
export function tunnelRequest({ hostname, postPath, edits }: TunnelConfig, info: StreamInfo, secure: boolean): Headers {
  const host = hostname.render(info, '');
  const headers =
    postPath === undefined ? Headers.request('CONNECT', '', host) : Headers.request('POST', postPath, host);
  if (postPath !== undefined) headers.scheme = secure ? 'https' : 'http';
  edits?.(headers, info);
  return headers;
}

/** A connection carried in the bodies of one exchange. It stands once the proxy has answered with a 2xx. */
export class HttpTunnel implements UpstreamStreamHandler, TcpUpstream {
  readonly #owner: TcpUpstreamOwner;
  readonly #request: Headers;
  readonly #config: TunnelConfig;
  readonly #info: StreamInfo;
  readonly #timers: Timers;
  #linger: Timer | undefined = undefined;
  #stream: OutgoingStream | undefined = undefined;
  #connection: UpstreamConnectionInfo | undefined = undefined;
  #stands = false;
  #sentEnd = false;
  #answered = false;
  #pauses = 0;
  closed = false;

  constructor(owner: TcpUpstreamOwner, request: Headers, config: TunnelConfig, info: StreamInfo, timers: Timers) {
    this.#owner = owner;
    this.#request = request;
    this.#config = config;
    this.#info = info;
    this.#timers = timers;
  }

  onReady(stream: OutgoingStream, connection: UpstreamConnectionInfo): void {
    this.#stream = stream;
    this.#connection = connection;
    stream.sendHeaders(this.#request, false);
  }

  onFailure(reason: ResetReason, details: string): void {
    this.closed = true;
    this.#owner.connectFailed(reason, details);
  }

  onHeaders(headers: Headers, end: boolean): void {
    if (this.closed) return;
    if (this.#config.propagateHeaders) this.#info.setFilterState(RESPONSE_HEADERS, headers);
    const { status } = headers;
    if (status < 200 || status > 299 || end) {
      this.closed = true;
      if (!end) this.#stream!.reset(ResetReason.LocalReset);
      this.#owner.connectFailed(ResetReason.ConnectionFailure, '');
      return;
    }
    this.#stands = true;
    this.#owner.connected(this, this.#connection!);
  }

  onData(chunk: Uint8Array, end: boolean): void {
    if (this.closed) return;
    if (this.#linger !== undefined) this.#goLater();
    if (chunk.length > 0) this.#owner.upstreamData(chunk, 0, chunk.length);
    if (end) this.#end();
  }

  onTrailers(trailers: Headers): void {
    if (this.#config.propagateTrailers) this.#info.setFilterState(RESPONSE_TRAILERS, trailers);
    this.#end();
  }

  /** The proxy sends no more, and takes no more either once it has all. */
  #end(): void {
    if (this.closed || this.#answered) return;
    this.#answered = true;
    this.#linger?.cancel();
    if (this.#sentEnd) this.closed = true;
    this.#owner.upstreamEnded();
  }

  onReset(reason: ResetReason, details: string): void {
    if (this.closed) return;
    this.closed = true;
    this.#linger?.cancel();
    if (this.#stands) {
      if (reason === ResetReason.RemoteReset) this.#info.flags |= ResponseFlag.UpstreamRemoteReset;
      this.#owner.upstreamClosed(reason === ResetReason.ConnectionTermination ? CloseReason.Remote : CloseReason.Reset);
    } else this.#owner.connectFailed(reason, details);
  }

  onError(): void {
    this.onReset(ResetReason.ProtocolError, '');
  }

  onWriteBackpressure(high: boolean): void {
    if (!this.closed) this.#owner.upstreamBackpressure(high);
  }

  start(): void {}

  write(chunk: Uint8Array): void {
    if (!this.closed && !this.#sentEnd) this.#stream!.sendData(chunk, false);
  }

  end(): void {
    if (this.closed || this.#sentEnd) return;
    this.#sentEnd = true;
    if (this.#answered) this.closed = true;
    this.#stream!.sendData(NOTHING, true);
    // CONNECT of HTTP/1.1 has no end of its own: what is still to come gets its time, and then the tunnel goes.
    if (!this.closed && this.#config.postPath === undefined && this.#connection!.protocol !== 'HTTP/2') this.#goLater();
  }

  #goLater(): void {
    this.#linger?.cancel();
    this.#linger = this.#timers.start(LINGER_MS, () => {
      if (this.closed) return;
      this.reset();
      this.#owner.upstreamEnded();
    });
  }

  pauseReading(pause: boolean): void {
    const before = this.#pauses;
    this.#pauses = Math.max(0, before + (pause ? 1 : -1));
    if (!this.closed && before > 0 !== this.#pauses > 0) this.#stream?.pauseReading(pause);
  }

  reset(): void {
    if (this.closed) return;
    this.closed = true;
    this.#linger?.cancel();
    this.#stream?.reset(ResetReason.LocalReset);
  }

  closeAfterFlush(): void {
    // A request that is complete leaves by itself; one that never will be is given up.
    if (this.#sentEnd && this.#answered) this.closed = true;
    else this.reset();
  }
}
