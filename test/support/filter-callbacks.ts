import type { Cluster } from '../../src/proxy/cluster/cluster.ts';
import type { FilterCallbacks, LocalReply } from '../../src/proxy/http/filter.ts';
import type { Connection } from '../../src/proxy/net/connection.ts';
import { StreamInfo } from '../../src/proxy/observe/stream-info.ts';
import type { ChosenCluster, Route } from '../../src/proxy/router/route.ts';
import { Headers } from '../../src/wire/headers.ts';
import { ManualTimers } from './manual-timers.ts';

const PEER = { address: '10.0.0.1', port: 1000, family: 4 } as const;

/** A connection as far as filters look at it. */
export function stubConnection(more: Partial<Connection> = {}): Connection {
  return {
    id: 1,
    local: { address: '10.0.0.9', port: 8080, family: 4 },
    remote: PEER,
    directRemote: PEER,
    originalDestination: undefined,
    requestedServerName: '',
    tls: undefined,
    closed: false,
    ...more,
  } as Connection;
}

/** A stream as one filter sees it; what the filter does to it is in `calls`. */
export class StubCallbacks implements FilterCallbacks {
  readonly calls: string[] = [];
  readonly timers = new ManualTimers();
  readonly connection: Connection;
  readonly info: StreamInfo;
  readonly replies: LocalReply[] = [];
  readonly clusters: { get(name: string): Cluster | undefined };
  random: () => number = () => 0.5;
  requestHeaders: Headers = Headers.request('GET', '/', 'example.com');
  route: Route | undefined = undefined;
  chosenCluster: ChosenCluster | undefined = undefined;
  configs: unknown[] = [];
  /** Body that the filter has stopped. */
  requestChunks: Uint8Array[] = [];

  constructor(
    options: { connection?: Partial<Connection>; clusters?: { get(name: string): Cluster | undefined } } = {},
  ) {
    this.connection = stubConnection(options.connection);
    this.info = new StreamInfo(this.connection, 0, this.timers.wallClock());
    this.clusters = options.clusters ?? { get: () => undefined };
  }

  #note(...words: (string | number | boolean)[]): void {
    this.calls.push(words.join(' '));
  }

  routeConfig<T>(): T | undefined {
    return this.configs.at(-1) as T | undefined;
  }

  routeConfigs<T>(): readonly T[] {
    return this.configs as T[];
  }

  clearRouteCache(): void {
    this.#note('clearRouteCache');
  }

  setRoute(route: Route): void {
    this.route = route;
  }

  continueRequest(): void {
    this.#note('continueRequest');
  }

  continueResponse(): void {
    this.#note('continueResponse');
  }

  requestBuffer(): readonly Uint8Array[] {
    return this.requestChunks;
  }

  responseBuffer(): readonly Uint8Array[] {
    return [];
  }

  replaceRequestBuffer(): void {}

  replaceResponseBuffer(): void {}

  injectRequestData(chunk: Uint8Array, end: boolean): void {
    this.#note('injectRequest', Buffer.from(chunk).toString(), end);
  }

  injectResponseData(chunk: Uint8Array, end: boolean): void {
    this.#note('injectResponse', Buffer.from(chunk).toString(), end);
  }

  addRequestData(chunk: Uint8Array): void {
    this.#note('addRequest', Buffer.from(chunk).toString());
  }

  addResponseData(chunk: Uint8Array): void {
    this.#note('addResponse', Buffer.from(chunk).toString());
  }

  addRequestTrailers(): void {
    this.#note('addRequestTrailers');
  }

  addResponseTrailers(): void {
    this.#note('addResponseTrailers');
  }

  setBufferLimit(bytes: number): void {
    this.#note('setBufferLimit', bytes);
  }

  sendLocalReply(reply: LocalReply): void {
    this.replies.push(reply);
    this.#note('reply', reply.status, reply.body);
  }

  respondInformational(): void {}

  respondHeaders(headers: Headers, end: boolean): void {
    this.#note('respond', headers.status, end);
  }

  respondData(chunk: Uint8Array, end: boolean): void {
    this.#note('respondData', Buffer.from(chunk).toString(), end);
  }

  respondTrailers(): void {
    this.#note('respondTrailers');
  }

  recreateStream(response: Headers): void {
    this.calls.push(`recreate ${response.status}`);
  }

  resetStream(): void {
    this.#note('reset');
  }

  pauseRequest(pause: boolean): void {
    this.#note('pauseRequest', pause);
  }

  pauseResponse(pause: boolean): void {
    this.#note('pauseResponse', pause);
  }

  onResponseBackpressure(): void {}
}
