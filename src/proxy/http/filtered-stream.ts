import type { Headers } from '../../wire/headers.ts';
import type { ResetReason } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { Connection } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import type { LocalReply } from './filter.ts';
import type { FilterPass } from './filter-pass.ts';

/** A stream as its filters reach it. `index` is the place of a filter in the order of the request. */
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
  /** Undefined until the message has come to the filters. */
  readonly requestPass: FilterPass | undefined;
  readonly responsePass: FilterPass | undefined;
  /** Place of a filter in the order of the response. */
  responsePlace(index: number): number;
  /** Nothing more of the request (true) or of the response (false) goes through the filters. */
  isOver(request: boolean): boolean;
  clearRouteCache(index: number): void;
  setRoute(route: Route, index: number): void;
  continueRequest(index: number): void;
  continueResponse(index: number): void;
  setBufferLimit(bytes: number): void;
  sendLocalReply(reply: LocalReply): void;
  respondInformational(headers: Headers): void;
  respondHeaders(headers: Headers, end: boolean): void;
  respondData(chunk: Uint8Array, end: boolean): void;
  respondTrailers(trailers: Headers): void;
  resetStream(reason: ResetReason, details: string): void;
  pauseRequest(pause: boolean): void;
  holdSender(request: boolean, hold: boolean): void;
  addBackpressureListener(listener: (high: boolean) => void): void;
}
