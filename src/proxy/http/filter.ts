import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ResetReason } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { Connection } from '../net/connection.ts';
import type { InitTarget } from '../net/network-filter.ts';
import type { AcquireStats } from '../observe/stat-leases.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import type { Timers } from '../timers.ts';

/** What becomes of the headers after a filter has seen them. */
export const HeadersStatus = {
  /** On to the next filter. */
  Continue: 0,
  /** The next filter waits; body still comes to this one, and its answer to a piece of body may let both go on. */
  StopIteration: 1,
  /** Everything waits, body included, until `continueRequest` or `continueResponse`; the sender is slowed down at the buffer limit. */
  StopAll: 2,
} as const;
export type HeadersStatus = (typeof HeadersStatus)[keyof typeof HeadersStatus];

/** What becomes of a piece of body. */
export const DataStatus = {
  Continue: 0,
  /** Kept for the filters behind until something continues; more than the buffer limit ends in 413 (500 for a response). */
  StopAndBuffer: 1,
  /** Taken: the filter keeps or drops it. */
  StopNoBuffer: 2,
  /** Kept as with StopAndBuffer, but the sender is slowed down at the buffer limit. */
  StopAndWatermark: 3,
} as const;
export type DataStatus = (typeof DataStatus)[keyof typeof DataStatus];

export const TrailersStatus = { Continue: 0, Stop: 1 } as const;
export type TrailersStatus = (typeof TrailersStatus)[keyof typeof TrailersStatus];

/**
 * One filter of one stream. All methods are synchronous; what has to wait stops the iteration and continues it through
 * the callbacks. A filter may change the headers in place. Request methods are called in the order of configuration,
 * response methods in reverse. Nothing is called after `destroy`.
 */
export interface HttpFilter {
  requestHeaders?(headers: Headers, end: boolean): HeadersStatus;
  requestData?(chunk: Uint8Array, end: boolean): DataStatus;
  requestTrailers?(trailers: Headers): TrailersStatus;
  responseInformational?(headers: Headers): void;
  responseHeaders?(headers: Headers, end: boolean): HeadersStatus;
  responseData?(chunk: Uint8Array, end: boolean): DataStatus;
  responseTrailers?(trailers: Headers): TrailersStatus;
  /** The exchange is over and its account complete; the access log is written next. */
  onComplete?(): void;
  /** The stream is gone: cancel timers and calls. Comes exactly once, whatever happened. */
  destroy?(): void;
}

export interface LocalReply {
  readonly status: number;
  /** Text of the body; empty for none. A gRPC request gets it as `grpc-message` instead. */
  readonly body: string;
  /** `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  /** Bits of ResponseFlag to set. */
  readonly flags?: number;
  /** Overrides the mapping from the HTTP status. */
  readonly grpcStatus?: number;
  /** Changes the headers before they go out. */
  readonly edit?: (headers: Headers) => void;
}

/** What a filter can do with its stream. */
export interface FilterCallbacks {
  readonly info: StreamInfo;
  readonly connection: Connection;
  readonly timers: Timers;
  readonly clusters: ClusterSource;
  readonly random: () => number;
  /** Headers of the request as the filters have left them so far. */
  readonly requestHeaders: Headers;
  /** The route that was found for the request, or undefined. */
  readonly route: Route | undefined;
  /** The cluster that the route chose for the request, if it names one; known since the route was found. */
  readonly chosenCluster: ChosenCluster | undefined;
  /** The most specific configuration that weighted cluster, route, virtual host or route table hold for this filter. */
  routeConfig<T>(): T | undefined;
  /** All of them, least specific first, for filters that add them up. */
  routeConfigs<T>(): readonly T[];
  /**
   * Looks for the route again when it is asked for next, after a change of the headers that it matches on. Filters
   * behind this one, if the request has not come to them, are made anew by what the new route configures.
   */
  clearRouteCache(): void;
  setRoute(route: Route): void;

  continueRequest(): void;
  continueResponse(): void;
  /** Body that this filter has stopped and that waits, in order. */
  requestBuffer(): readonly Uint8Array[];
  responseBuffer(): readonly Uint8Array[];
  replaceRequestBuffer(chunks: readonly Uint8Array[]): void;
  replaceResponseBuffer(chunks: readonly Uint8Array[]): void;
  /** Hands body that this filter took (StopNoBuffer) on to the next one, at any time; `end` if it was the last. */
  injectRequestData(chunk: Uint8Array, end: boolean): void;
  injectResponseData(chunk: Uint8Array, end: boolean): void;
  /** Adds body behind this filter, within its call for trailers, or for headers that end the message. */
  addRequestData(chunk: Uint8Array): void;
  addResponseData(chunk: Uint8Array): void;
  /** Adds trailers behind this filter, within the call that gives it the end of the message. */
  addRequestTrailers(trailers: Headers): void;
  addResponseTrailers(trailers: Headers): void;
  setBufferLimit(bytes: number): void;

  /** Answers here. If a response is on its way already, the stream is reset instead. */
  sendLocalReply(reply: LocalReply): void;
  /** Sends a response, which passes every filter of the chain from the last to the first, this one included. */
  respondInformational(headers: Headers): void;
  respondHeaders(headers: Headers, end: boolean): void;
  respondData(chunk: Uint8Array, end: boolean): void;
  respondTrailers(trailers: Headers): void;
  resetStream(reason: ResetReason, details: string): void;
  /**
   * Ends this pass of a request that is here as a whole, with `response` as what it came to, which the client does not
   * get, and begins the request anew through all filters, with its headers as they are now.
   */
  recreateStream(response: Headers, body: readonly Uint8Array[], trailers: Headers | undefined): void;

  /** Slows the client's sending down (true) or lets it go on; calls nest. */
  pauseRequest(pause: boolean): void;
  /** Slows the upstream's sending down, in the same way. */
  pauseResponse(pause: boolean): void;
  /** Called with true when the client reads too slowly for what we send, with false when it has caught up. */
  onResponseBackpressure(listener: (high: boolean) => void): void;
}

/** Makes the filter of each stream from what was compiled when the configuration came. */
export interface HttpFilterFactory {
  /** The last filter of a chain: it answers, or sends the request upstream. */
  readonly terminal?: boolean;
  /** Undefined if this filter has nothing to do for the stream: it then costs nothing more. */
  create(callbacks: FilterCallbacks): HttpFilter | undefined;
  /** The configuration goes: ends timers and subscriptions. Streams that run keep what they have. */
  dispose?(): void;
}

/** What per-route configurations of filters get when they are compiled. */
export interface RouteConfigContext {
  readonly worker: WorkerContext;
  /** The content of a DataSource, or undefined if it cannot be had, which is in the errors then. */
  readonly readData: (source: DataSource | undefined, errors: ConfigErrors) => Buffer | undefined;
  /** Statistics by their full names, for filters that name theirs themselves; shown until the configuration goes. */
  readonly rootStats: AcquireStats;
}

/** What filters get when they are compiled. */
export interface FilterBuildContext extends RouteConfigContext {
  readonly clusters: ClusterSource;
  /** What has to be there before the listener may take connections. */
  readonly waitFor: (pending: InitTarget) => void;
  /** STAT_PREFIX of the connection manager. */
  readonly statPrefix: string;
  /**
   * The statistics of a filter under `http.STAT_PREFIX.` and a name such as `cors.`. They are shown until the
   * configuration goes.
   */
  readonly stats: AcquireStats;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** Bytes of body that filters may keep where a route says nothing else: the listener's buffer limit. */
  readonly bufferLimit: number;
}

/**
 * One kind of HTTP filter: what its configuration is, and how it is compiled. A filter is a folder under
 * `proxy/filters` that exports one of these, plus one line in `proxy/filters/index.ts`.
 */
export interface HttpFilterDefinition<Config extends Message = Message, RouteConfig extends Message = Message> {
  /** Canonical name, such as `envoy.filters.http.cors`: configurations that give no type go by it. */
  readonly name: string;
  readonly schema: DescMessage;
  readonly routeSchema?: DescMessage;
  /** Type that configurations go by where it is not the schema's: one that comes as a TypedStruct and has no schema. */
  readonly configType?: string;
  /** Proto names of the fields that are honoured, by message; anything else that is set is refused with its path. */
  readonly supported: Readonly<Record<string, readonly string[]>>;
  /** Whatever is wrong goes to `errors`; the result is used only if there are none. */
  compile(config: Config, context: FilterBuildContext, errors: ConfigErrors): HttpFilterFactory;
  compileRoute?(config: RouteConfig, context: RouteConfigContext, errors: ConfigErrors): unknown;
}
