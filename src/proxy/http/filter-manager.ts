import type { Headers } from '../../wire/headers.ts';
import type { Route } from '../router/route.ts';
import type { NamedFilter } from './config.ts';
import { FilterContext, type FilterContextOwner } from './filter-context.ts';
import { FilterPass, type PassSink } from './filter-pass.ts';
import type { FilteredStream } from './filtered-stream.ts';

/**
 * The filters of one stream: which there are, and the two messages on their way through them (Envoy's `FilterManager`).
 */
export class FilterManager implements PassSink, FilterContextOwner {
  readonly stream: FilteredStream;
  readonly #contexts: FilterContext[] = [];
  /** The chain of this request, and the number of its filters that have been made. */
  #chain: readonly NamedFilter[];
  #made = 0;
  /** Filters that the route switched on or off when the request came; a later route does not. */
  #disabled: ReadonlyMap<string, boolean> | undefined = undefined;
  #requestPass: FilterPass | undefined = undefined;
  #responsePass: FilterPass | undefined = undefined;
  #high = false;
  #backpressureListeners: ((high: boolean) => void)[] | undefined = undefined;

  /** `chain` is for what is answered before the request has come to its filters. */
  constructor(stream: FilteredStream, chain: readonly NamedFilter[]) {
    this.stream = stream;
    this.#chain = chain;
  }

  get requestPass(): FilterPass | undefined {
    return this.#requestPass;
  }

  get responsePass(): FilterPass | undefined {
    return this.#responsePass;
  }

  responsePlace(index: number): number {
    return this.#contexts.length - 1 - index;
  }

  isOver(request: boolean): boolean {
    return this.stream.over || (request && this.stream.answeredHere);
  }

  /** Starts the request through `chain`, of which `disabled` says what is off (true) or on (false) whatever it says itself. */
  startRequest(
    headers: Headers,
    end: boolean,
    chain: readonly NamedFilter[],
    disabled: ReadonlyMap<string, boolean> | undefined,
  ): void {
    this.#chain = chain;
    this.#disabled = disabled;
    this.#makeFilters();
    this.#requestPass = new FilterPass(this.#contexts, true, this, this.stream.bufferLimit);
    this.#requestPass.headers(headers, end);
  }

  requestData(chunk: Uint8Array, end: boolean): void {
    if (!this.isOver(true)) this.#requestPass?.data(chunk, end);
  }

  requestTrailers(trailers: Headers): void {
    if (!this.isOver(true)) this.#requestPass?.trailers(trailers);
  }

  /** An interim response: filters may look at it, none may hold it. */
  respondInformational(headers: Headers): void {
    if (this.stream.over || this.#responsePass !== undefined) return;
    for (let i = this.#contexts.length - 1; i >= 0; i--) this.#contexts[i].filter.responseInformational?.(headers);
    if (!this.stream.over) this.stream.passInformational(headers);
  }

  /** Starts the response of the terminal filter, unless the request has been answered otherwise. */
  respondHeaders(headers: Headers, end: boolean): void {
    if (!this.isOver(true)) this.startResponse(headers, end);
  }

  /** Starts a response. It passes every filter, whichever of them it comes from. */
  startResponse(headers: Headers, end: boolean): void {
    this.#makeFilters();
    this.stream.info.responseCode = headers.status;
    this.#responsePass = new FilterPass(this.#contexts, false, this, this.stream.bufferLimit);
    this.#responsePass.headers(headers, end);
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    if (!this.stream.over) this.#responsePass?.data(chunk, end);
  }

  respondTrailers(trailers: Headers): void {
    if (!this.stream.over) this.#responsePass?.trailers(trailers);
  }

  continueRequest(index: number): void {
    if (!this.isOver(true)) this.#requestPass?.resume(index);
  }

  continueResponse(index: number): void {
    if (!this.stream.over) this.#responsePass?.resume(this.responsePlace(index));
  }

  setBufferLimit(bytes: number): void {
    if (this.#requestPass) this.#requestPass.limit = bytes;
    if (this.#responsePass) this.#responsePass.limit = bytes;
  }

  clearRouteCache(index: number): void {
    this.stream.clearRoute();
    this.#unmakeFiltersBehind(index);
  }

  setRoute(route: Route, index: number): void {
    this.stream.setRoute(route);
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
    const chain = this.#chain;
    const disabled = this.#disabled;
    while (this.#made < chain.length) {
      const order = this.#made++;
      const { name, factory, disabled: off } = chain[order];
      if ((disabled === undefined ? off : (disabled.get(name) ?? off)) && !factory.terminal) continue;
      const context = new FilterContext(this, name, this.#contexts.length, order);
      const filter = factory.create(context);
      if (filter === undefined) continue;
      context.filter = filter;
      this.#contexts.push(context);
    }
  }

  moreFilters(): boolean {
    if (this.#made === this.#chain.length) return false;
    const before = this.#contexts.length;
    this.#makeFilters();
    return this.#contexts.length > before;
  }

  passHeaders(headers: Headers, end: boolean): void {
    this.stream.passHeaders(headers, end);
  }

  passData(chunk: Uint8Array, end: boolean): void {
    this.stream.passData(chunk, end);
  }

  passTrailers(trailers: Headers): void {
    this.stream.passTrailers(trailers);
  }

  overflow(request: boolean): void {
    if (request) this.stream.requestTooLarge();
    else this.stream.responseTooLarge();
  }

  holdSender(request: boolean, hold: boolean): void {
    if (request) this.stream.pauseRequest(hold);
    else for (const listener of this.#backpressureListeners ?? []) listener(hold);
  }

  /** The client takes the response more slowly (true) than it comes, or has caught up (false). */
  writeBackpressure(high: boolean): void {
    if (high === this.#high) return;
    this.#high = high;
    for (const listener of this.#backpressureListeners ?? []) listener(high);
  }

  addBackpressureListener(listener: (high: boolean) => void): void {
    (this.#backpressureListeners ??= []).push(listener);
    if (this.#high) listener(true);
  }

  /** The exchange is over and its account complete. */
  complete(): void {
    for (const { filter } of this.#contexts) filter.onComplete?.();
  }

  destroy(): void {
    for (const { filter } of this.#contexts) filter.destroy?.();
  }
}
