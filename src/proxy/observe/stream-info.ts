import type { Headers } from '../../wire/headers.ts';
import type { Host } from '../cluster/host.ts';
import type { Connection, SocketAddress, TlsInfo } from '../net/connection.ts';
import type { RedirectHistory } from '../router/internal-redirect.ts';
import type { RequestTrace } from './tracing/span.ts';

/** What is known of one connection to an upstream, for logs and metrics. */
export interface UpstreamConnectionInfo {
  readonly id: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly tls: TlsInfo | undefined;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | '';
  /** What filters of the cluster know of the connection; more may come into it. */
  readonly filterState?: ReadonlyMap<string, unknown> | undefined;
}

/** Occasions on which a stream or connection is logged. */
export type LogType =
  | 'NotSet'
  | 'TcpConnectionEnd'
  | 'DownstreamStart'
  | 'DownstreamPeriodic'
  | 'DownstreamEnd'
  | 'DownstreamTunnelSuccessfullyEstablished';

/**
 * The account of one stream (an HTTP exchange, or a TCP connection) while it runs and for its access log. Times are
 * milliseconds of the worker's monotonic clock; -1 for what has not happened.
 */
export class StreamInfo {
  /** Milliseconds since 1970. */
  readonly startTime: number;
  readonly start: number;
  readonly connection: Connection;
  protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | '' = '';

  /** The client as X-Forwarded-For, the PROXY protocol and the like tell it; the socket's peer otherwise. */
  remoteAddress: SocketAddress;
  responseCode = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  /** Bits of ResponseFlag. */
  flags = 0;
  /** Bytes of bodies, without heads. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Bytes of heads as counted by Headers.byteSize. */
  requestHeaderBytes = 0;
  responseHeaderBytes = 0;

  routeName = '';
  virtualHostName = '';
  virtualClusterName = '';
  /** The request came from inside (x-envoy-internal). */
  internal = false;
  /** Cluster that the route names, whether or not it exists. */
  upstreamCluster = '';
  upstreamClusterStatName = '';
  upstreamHost: Host | undefined = undefined;
  upstreamConnection: UpstreamConnectionInfo | undefined = undefined;
  /** The host that a filter wants; if `strict`, rather none than another one. */
  overrideHost: { readonly address: string; readonly strict: boolean } | undefined = undefined;
  upstreamTransportFailure = '';
  downstreamTransportFailure = '';
  attemptCount = 0;
  upstreamBytesSent = 0;
  upstreamBytesReceived = 0;

  /** Redirects that were followed in place of the client. */
  redirects: RedirectHistory | undefined = undefined;

  requestId = '';
  traceId = '';
  /** The request is traced because a service asked for it, whether or not this proxy tells anybody. */
  traceForced = false;
  /** A filter has found the request to be a health check. */
  healthCheck = false;
  /** Its spans, where somebody collects them. */
  trace: RequestTrace | undefined = undefined;

  lastRequestByte = -1;
  firstUpstreamByteSent = -1;
  lastUpstreamByteSent = -1;
  firstUpstreamByteReceived = -1;
  lastUpstreamByteReceived = -1;
  firstResponseByte = -1;
  end = -1;

  /** Headers as the router sent or the client got them; for logs. Trailers of gRPC carry the status. */
  requestHeaders: Headers | undefined = undefined;
  responseHeaders: Headers | undefined = undefined;
  responseTrailers: Headers | undefined = undefined;

  /** Objects that filters leave for each other, by name (Envoy's filter state). */
  filterState: Map<string, unknown> | undefined = undefined;
  /** `envoy.config.core.v3.Metadata` that filters set: filter name -> struct. */
  dynamicMetadata: Map<string, Readonly<Record<string, unknown>>> | undefined = undefined;
  /** Metadata of the matched route. */
  routeMetadata: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined = undefined;
  /** Metadata of the upstream cluster. */
  clusterMetadata: ReadonlyMap<string, Readonly<Record<string, unknown>>> | undefined = undefined;
  /** The scheme of the request is to be that of the connection that it goes out on. */
  schemeOfUpstream = false;
  /** Why the account is being logged now, as Envoy's `AccessLogType` calls it. */
  logType: LogType = 'NotSet';
  /** Body of the answer that was made here, for formats of local replies. */
  localReplyBody: string | undefined = undefined;

  constructor(connection: Connection, now: number, wallClock: number) {
    this.connection = connection;
    this.remoteAddress = connection.remote;
    this.start = now;
    this.startTime = wallClock;
  }

  /** Takes over what is known of the request from its account so far. As in Envoy, the client is the socket's peer again. */
  continue(before: StreamInfo): void {
    this.protocol = before.protocol;
    this.bytesReceived = before.bytesReceived;
    this.internal = before.internal;
    this.requestId = before.requestId;
    this.traceId = before.traceId;
    this.traceForced = before.traceForced;
    this.redirects = before.redirects;
  }

  setFilterState(name: string, value: unknown): void {
    (this.filterState ??= new Map()).set(name, value);
  }

  /** What a filter of the stream, or else of its connection, has left under a name. */
  getFilterState(name: string): unknown {
    return this.filterState?.get(name) ?? this.connection.filterState?.get(name);
  }

  setDynamicMetadata(filter: string, values: Readonly<Record<string, unknown>>): void {
    const all = (this.dynamicMetadata ??= new Map());
    all.set(filter, { ...all.get(filter), ...values });
  }
}
