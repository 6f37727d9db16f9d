import type { Cancelable, Cluster, ClusterSource, UpstreamStreamHandler } from '../../src/proxy/cluster/cluster.ts';
import { ClusterStats } from '../../src/proxy/cluster/cluster-stats.ts';
import type { Host } from '../../src/proxy/cluster/host.ts';
import { Headers } from '../../src/wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../src/wire/http.ts';

/** A request that went to a fake cluster, to be answered by the test. */
export class FakeExchange implements OutgoingStream {
  readonly handler: UpstreamStreamHandler;
  headers: Headers = Headers.request('', '', '');
  body = '';
  ended = false;
  reset_: ResetReason | undefined = undefined;
  /** Given up while it waited for a connection. */
  cancelled = false;
  readonly bufferedBytes = 0;

  constructor(handler: UpstreamStreamHandler) {
    this.handler = handler;
  }

  sendInformational(): void {}

  sendHeaders(headers: Headers, end: boolean): void {
    this.headers = headers;
    this.ended = end;
  }

  sendData(chunk: Uint8Array, end: boolean): void {
    this.body += Buffer.from(chunk).toString('latin1');
    this.ended = end;
  }

  sendTrailers(): void {
    this.ended = true;
  }

  reset(reason: ResetReason): void {
    this.reset_ = reason;
  }

  pauseReading(): void {}

  /** Answers with a status, a body and headers. */
  answer(status: number, body = '', ...headers: string[]): void {
    this.handler.onHeaders(Headers.response(status, ...headers), body === '');
    if (body !== '') this.handler.onData(Buffer.from(body), true);
  }

  fail(reason: ResetReason = ResetReason.ConnectionTermination): void {
    this.handler.onReset(reason, '');
  }
}

/** Clusters by name whose requests wait in `exchanges`; one that is not ready has not connected yet. */
export class FakeClusters implements ClusterSource {
  readonly exchanges: FakeExchange[] = [];
  readonly names: Set<string>;
  /** No host is to be had. */
  unhealthy = false;
  /** Connections fail. */
  refusing = false;
  ready = true;

  constructor(...names: string[]) {
    this.names = new Set(names);
  }

  /** The latest request. */
  get last(): FakeExchange {
    return this.exchanges[this.exchanges.length - 1];
  }

  get(name: string): Cluster | undefined {
    if (!this.names.has(name)) return undefined;
    const stats = new ClusterStats();
    const cluster = {
      name,
      statName: name,
      stats,
      pick: () => (this.unhealthy ? undefined : ({ name: 'host' } as Host)),
      openHttp: (_host: Host, _options: unknown, handler: UpstreamStreamHandler) => this.#open(handler),
    };
    return cluster as unknown as Cluster;
  }

  #open(handler: UpstreamStreamHandler): Cancelable | undefined {
    if (this.refusing) {
      handler.onFailure(ResetReason.ConnectionFailure, '');
      return undefined;
    }
    const exchange = new FakeExchange(handler);
    this.exchanges.push(exchange);
    if (!this.ready) return { cancel: () => (exchange.cancelled = true) };
    this.connect(exchange);
    return undefined;
  }

  /** The connection of a request that waited is there. */
  connect(exchange: FakeExchange): void {
    exchange.handler.onReady(exchange, {
      id: 1,
      local: { address: '', port: 0, family: 0 },
      remote: { address: '', port: 0, family: 0 },
      tls: undefined,
      protocol: 'HTTP/1.1',
    });
  }
}
