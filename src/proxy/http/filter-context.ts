import type { Headers } from '../../wire/headers.ts';
import type { ResetReason } from '../../wire/http.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { Connection } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { ChosenCluster, Route } from '../router/route.ts';
import type { Timers } from '../timers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type LocalReply } from './filter.ts';
import type { PassEntry } from './filter-pass.ts';
import type { FilteredStream } from './filtered-stream.ts';

const PASSIVE: HttpFilter = {};

/** The callbacks of one filter of one stream, and its place in the chain. */
export class FilterContext implements FilterCallbacks, PassEntry {
  filter: HttpFilter = PASSIVE;
  requestHold: HeadersStatus = HeadersStatus.Continue;
  responseHold: HeadersStatus = HeadersStatus.Continue;
  readonly #stream: FilteredStream;
  readonly #name: string;
  readonly #index: number;
  /** Place of its factory in the configured chain; filters with nothing to do have none in the stream's. */
  readonly order: number;

  constructor(stream: FilteredStream, name: string, index: number, order: number) {
    this.#stream = stream;
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
    this.#stream.clearRouteCache(this.#index);
  }

  setRoute(route: Route): void {
    this.#stream.setRoute(route, this.#index);
  }

  continueRequest(): void {
    this.#stream.continueRequest(this.#index);
  }

  continueResponse(): void {
    this.#stream.continueResponse(this.#index);
  }

  requestBuffer(): readonly Uint8Array[] {
    return this.#stream.requestPass?.buffer(this.#index) ?? NO_CHUNKS;
  }

  responseBuffer(): readonly Uint8Array[] {
    return this.#stream.responsePass?.buffer(this.#responsePlace) ?? NO_CHUNKS;
  }

  replaceRequestBuffer(chunks: readonly Uint8Array[]): void {
    this.#stream.requestPass?.replaceBuffer(this.#index, chunks);
  }

  replaceResponseBuffer(chunks: readonly Uint8Array[]): void {
    this.#stream.responsePass?.replaceBuffer(this.#responsePlace, chunks);
  }

  get #responsePlace(): number {
    return this.#stream.responsePlace(this.#index);
  }

  injectRequestData(chunk: Uint8Array, end: boolean): void {
    if (!this.#stream.isOver(true)) this.#stream.requestPass?.inject(this.#index, chunk, end);
  }

  injectResponseData(chunk: Uint8Array, end: boolean): void {
    if (!this.#stream.isOver(false)) this.#stream.responsePass?.inject(this.#responsePlace, chunk, end);
  }

  addRequestData(chunk: Uint8Array): void {
    this.#stream.requestPass?.add(this.#index, chunk);
  }

  addResponseData(chunk: Uint8Array): void {
    this.#stream.responsePass?.add(this.#responsePlace, chunk);
  }

  addRequestTrailers(trailers: Headers): void {
    this.#stream.requestPass?.addTrailers(this.#index, trailers);
  }

  addResponseTrailers(trailers: Headers): void {
    this.#stream.responsePass?.addTrailers(this.#responsePlace, trailers);
  }

  setBufferLimit(bytes: number): void {
    this.#stream.setBufferLimit(bytes);
  }

  sendLocalReply(reply: LocalReply): void {
    this.#stream.sendLocalReply(reply);
  }

  respondInformational(headers: Headers): void {
    this.#stream.respondInformational(headers);
  }

  respondHeaders(headers: Headers, end: boolean): void {
    this.#stream.respondHeaders(headers, end);
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    this.#stream.respondData(chunk, end);
  }

  respondTrailers(trailers: Headers): void {
    this.#stream.respondTrailers(trailers);
  }

  resetStream(reason: ResetReason, details: string): void {
    this.#stream.resetStream(reason, details);
  }

  pauseRequest(pause: boolean): void {
    this.#stream.pauseRequest(pause);
  }

  pauseResponse(pause: boolean): void {
    this.#stream.holdSender(false, pause);
  }

  onResponseBackpressure(listener: (high: boolean) => void): void {
    this.#stream.addBackpressureListener(listener);
  }
}

const NONE: readonly never[] = [];
const NO_CHUNKS: readonly Uint8Array[] = [];
