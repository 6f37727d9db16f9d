import type { CloseReason, Connection, ConnectionHandler } from './connection.ts';
import { DelegatingConnection } from './delegating-connection.ts';
import { type NetworkData, type NetworkFilter, NetworkStatus, type UpstreamFilterFactory } from './network-filter.ts';

/** What a peer may send while a filter waits for more. */
const MAX_HELD = 256 * 1024;
const EMPTY = Buffer.alloc(0);
const NOBODY: ConnectionHandler = { onData() {}, onEnd() {}, onBackpressure() {}, onClose() {} };

/** The connection itself if no filter has anything to do for it, as is so for nearly all HTTP. */
export function filterConnection(connection: Connection, factories: readonly UpstreamFilterFactory[]): Connection {
  if (factories.length === 0) return connection;
  const filters: NetworkFilter[] = [];
  for (const factory of factories) {
    const filter = factory.create(connection);
    if (filter !== undefined) filters.push(filter);
  }
  return filters.length === 0 ? connection : new FilteredConnection(connection, filters);
}

/**
 * A connection to an upstream whose bytes pass filters before they come to its owner. The filters see what comes in the
 * order of the configuration; what goes out they have no part in but by writing themselves.
 */
class FilteredConnection extends DelegatingConnection implements ConnectionHandler {
  readonly #filters: readonly NetworkFilter[];
  #handler: ConnectionHandler = NOBODY;
  /** What a filter wants to see again together with what comes next, and which filter that is. */
  #held: Buffer | undefined = undefined;
  #heldBy = 0;

  constructor(connection: Connection, filters: readonly NetworkFilter[]) {
    super(connection);
    this.#filters = filters;
    connection.setHandler(this);
    for (const filter of filters) filter.onNewConnection?.();
  }

  override setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const held = this.#held;
    if (held === undefined) {
      this.#pass({ bytes, start, end }, 0, false);
      return;
    }
    this.#held = undefined;
    const all = Buffer.concat([held, bytes.subarray(start, end)]);
    this.#pass({ bytes: all, start: 0, end: all.length }, this.#heldBy, false);
  }

  onEnd(): void {
    const held = this.#held ?? EMPTY;
    this.#held = undefined;
    this.#pass({ bytes: held, start: 0, end: held.length }, this.#heldBy, true);
    if (!this.closed) this.#handler.onEnd();
  }

  #pass(data: NetworkData, from: number, ended: boolean): void {
    for (let i = from; i < this.#filters.length; i++) {
      const status = this.#filters[i].onData?.(data, ended) ?? NetworkStatus.Continue;
      if (this.closed) return;
      if (status === NetworkStatus.Continue || ended) continue;
      if (data.end - data.start > MAX_HELD) {
        this.close('upstream filter held too much');
        return;
      }
      this.#held = Buffer.from(data.bytes.subarray(data.start, data.end));
      this.#heldBy = i;
      return;
    }
    this.#heldBy = 0;
    if (data.start < data.end) this.#handler.onData(data.bytes, data.start, data.end);
  }

  onBackpressure(high: boolean): void {
    this.#handler.onBackpressure(high);
  }

  onClose(reason: CloseReason, details: string): void {
    this.#handler.onClose(reason, details);
    for (const filter of this.#filters) filter.onClose?.(reason);
  }
}
