import type { Headers } from '../../wire/headers.ts';
import type { ResetReason } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { Connection } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import type { Timers } from '../timers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type LocalReply } from './filter.ts';
import type { FilterPass, PassEntry } from './filter-pass.ts';
import type { FilteredStream } from './filtered-stream.ts';

const PASSIVE: HttpFilter = {};

/** The filters of a stream as one of them reaches it. `index` is the place of a filter in the order of the request. */
export interface FilterContextOwner {
  readonly stream: FilteredStream;
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
  respondInformational(headers: Headers): void;
  respondHeaders(headers: Headers, end: boolean): void;
  respondData(chunk: Uint8Array, end: boolean): void;
  respondTrailers(trailers: Headers): void;
  holdSender(request: boolean, hold: boolean): void;
  addBackpressureListener(listener: (high: boolean) => void): void;
}

/** The callbacks of one filter of one stream, and its place in the chain. */
export class FilterContext implements FilterCallbacks, PassEntry {
  filter: HttpFilter = PASSIVE;
  requestHold: HeadersStatus = HeadersStatus.Continue;
  responseHold: HeadersStatus = HeadersStatus.Continue;
  readonly #manager: FilterContextOwner;
  /** The manager's, one step nearer: filters ask for much of it. */
  readonly #stream: FilteredStream;
  readonly #name: string;
  readonly #index: number;
  /** Place of its factory in the configured chain; filters with nothing to do have none in the stream's. */
  readonly order: number;

  constructor(manager: FilterContextOwner, name: string, index: number, order: number) {
    this.#manager = manager;
    this.#stream = manager.stream;
    this.#name = name;
    this.#index = index;
    this.order = order;
  }

  get info(): StreamInfo {
    return this.#stream.info;
  }

  get connection(): Connection {
    return this.#stream.owner.connection;
  }

  get timers(): Timers {
    return this.#stream.owner.worker.timers;
  }

  get clusters(): ClusterSource {
    return this.#stream.owner.clusters;
  }

  get random(): () => number {
    return this.#stream.owner.worker.random;
  }

  get requestHeaders(): Headers {
    return this.#stream.requestHeaders;
  }

  get route(): Route | undefined {
    return this.#stream.route;
  }

  get chosenCluster(): ChosenCluster | undefined {
    return this.#stream.chosenCluster;
  }

  routeConfig<T>(): T | undefined {
    return this.routeConfigs<T>().at(-1);
  }

  routeConfigs<T>(): readonly T[] {
    const configs = this.#stream.route?.filterConfigs(this.#name) ?? NONE;
    const own = this.#stream.chosenCluster?.filterConfig(this.#name);
    return (own === undefined ? configs : [...configs, own]) as readonly T[];
  }

  clearRouteCache(): void {
    this.#manager.clearRouteCache(this.#index);
  }

  setRoute(route: Route): void {
    this.#manager.setRoute(route, this.#index);
  }

  continueRequest(): void {
    this.#manager.continueRequest(this.#index);
  }

  continueResponse(): void {
    this.#manager.continueResponse(this.#index);
  }

  requestBuffer(): readonly Uint8Array[] {
    return this.#manager.requestPass?.buffer(this.#index) ?? NO_CHUNKS;
  }

  responseBuffer(): readonly Uint8Array[] {
    return this.#manager.responsePass?.buffer(this.#responsePlace) ?? NO_CHUNKS;
  }

  replaceRequestBuffer(chunks: readonly Uint8Array[]): void {
    this.#manager.requestPass?.replaceBuffer(this.#index, chunks);
  }

  replaceResponseBuffer(chunks: readonly Uint8Array[]): void {
    this.#manager.responsePass?.replaceBuffer(this.#responsePlace, chunks);
  }

  get #responsePlace(): number {
    return this.#manager.responsePlace(this.#index);
  }

  injectRequestData(chunk: Uint8Array, end: boolean): void {
    if (!this.#manager.isOver(true)) this.#manager.requestPass?.inject(this.#index, chunk, end);
  }

  injectResponseData(chunk: Uint8Array, end: boolean): void {
    if (!this.#manager.isOver(false)) this.#manager.responsePass?.inject(this.#responsePlace, chunk, end);
  }

  addRequestData(chunk: Uint8Array): void {
    this.#manager.requestPass?.add(this.#index, chunk);
  }

  addResponseData(chunk: Uint8Array): void {
    this.#manager.responsePass?.add(this.#responsePlace, chunk);
  }

  addRequestTrailers(trailers: Headers): void {
    this.#manager.requestPass?.addTrailers(this.#index, trailers);
  }

  addResponseTrailers(trailers: Headers): void {
    this.#manager.responsePass?.addTrailers(this.#responsePlace, trailers);
  }

  setBufferLimit(bytes: number): void {
    this.#manager.setBufferLimit(bytes);
  }

  sendLocalReply(reply: LocalReply): void {
    this.#stream.sendLocalReply(reply);
  }

  respondInformational(headers: Headers): void {
    this.#manager.respondInformational(headers);
  }

  respondHeaders(headers: Headers, end: boolean): void {
    this.#manager.respondHeaders(headers, end);
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    this.#manager.respondData(chunk, end);
  }

  respondTrailers(trailers: Headers): void {
    this.#manager.respondTrailers(trailers);
  }

  resetStream(reason: ResetReason, details: string): void {
    this.#stream.resetStream(reason, details);
  }

  recreateStream(response: Headers, body: readonly Uint8Array[], trailers: Headers | undefined): void {
    this.#stream.recreate(response, body, trailers);
  }

  pauseRequest(pause: boolean): void {
    this.#stream.pauseRequest(pause);
  }

  pauseResponse(pause: boolean): void {
    this.#manager.holdSender(false, pause);
  }

  onResponseBackpressure(listener: (high: boolean) => void): void {
    this.#manager.addBackpressureListener(listener);
  }
}

const NONE: readonly never[] = [];
const NO_CHUNKS: readonly Uint8Array[] = [];
