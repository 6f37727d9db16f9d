import type { Headers } from '../../wire/headers.ts';
import type { ResetReason } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { Connection } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import type { LocalReply } from './filter.ts';

/** A stream as its filters reach it, and what becomes of a response behind them (Envoy's `FilterManagerCallbacks`). */
export interface FilteredStream {
  readonly info: StreamInfo;
  readonly owner: {
    readonly connection: Connection;
    readonly worker: WorkerContext;
    readonly clusters: ClusterSource;
  };
  readonly requestHeaders: Headers;
  readonly route: Route | undefined;
  readonly chosenCluster: ChosenCluster | undefined;
  /** Bytes of body that filters may keep in either direction. */
  readonly bufferLimit: number;
  /** The stream is gone: nothing goes through its filters any more. */
  readonly over: boolean;
  /** The request has been answered by this proxy: nothing more of it goes through the filters. */
  readonly answeredHere: boolean;
  /** The route is looked for anew when it is asked for next. */
  clearRoute(): void;
  setRoute(route: Route): void;
  sendLocalReply(reply: LocalReply): void;
  resetStream(reason: ResetReason, details: string): void;
  /** The request begins anew through all filters; `response` is what this pass came to. */
  recreate(response: Headers, body: readonly Uint8Array[], trailers: Headers | undefined): void;
  pauseRequest(pause: boolean): void;
  /** The response, when it is through all filters. */
  passInformational(headers: Headers): void;
  passHeaders(headers: Headers, end: boolean): void;
  passData(chunk: Uint8Array, end: boolean): void;
  passTrailers(trailers: Headers): void;
  /** More body was to be kept than the limit allows. */
  requestTooLarge(): void;
  responseTooLarge(): void;
}
