import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import type { CloseReason, Connection, ConnectionHandler } from './connection.ts';
import { DelegatingConnection } from './delegating-connection.ts';
import {
  type NetworkData,
  type NetworkFilter,
  type NetworkFilterCallbacks,
  type NetworkFilterFactory,
  NetworkStatus,
} from './network-filter.ts';

/** What the client may send while a filter makes up its mind. */
const MAX_HELD = 256 * 1024;

/**
 * Hands a connection to the filters of its chain. A chain of one filter, which is what nearly all HTTP has, costs
 * nothing: the connection then belongs to that filter at once. `metadata` is what listener filters have found.
 */
export function runFilterChain(
  connection: Connection,
  factories: readonly NetworkFilterFactory[],
  worker: WorkerContext,
  clusters: ClusterSource,
  onClosed: (info: StreamInfo) => void,
  metadata?: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): void {
  const { timers } = worker;
  const info = new StreamInfo(connection, timers.now(), timers.wallClock());
  if (metadata !== undefined) info.dynamicMetadata = new Map(metadata);
  const chain = new NetworkFilterChain(connection, info, worker, clusters, onClosed);
  chain.start(factories);
}

class NetworkFilterChain implements ConnectionHandler, NetworkFilterCallbacks {
  /** As filters see it. */
  connection: Connection;
  readonly info: StreamInfo;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly #onClosed: (info: StreamInfo) => void;
  readonly #filters: NetworkFilter[] = [];
  #terminal: ConnectionHandler | undefined = undefined;
  #last: Extract<NetworkFilterFactory, { terminal: true }> | undefined = undefined;
  /** Whether any of them looks at data. */
  #readers = false;
  /** Filters that have seen the new connection. */
  #greeted = 0;
  /** The last of them wants the ones behind it to wait. */
  #waiting = false;
  /** The filter that stopped data, or -1. */
  #stoppedAt = -1;
  /** The filter that stopped data wants to see it again when more has come. */
  #needsMore = false;
  #held: Buffer | undefined = undefined;
  #ended = false;
  #excludedReceived = 0;
  #excludedSent = 0;
  #endTold = false;

  constructor(
    connection: Connection,
    info: StreamInfo,
    worker: WorkerContext,
    clusters: ClusterSource,
    onClosed: (info: StreamInfo) => void,
  ) {
    this.connection = connection;
    this.info = info;
    this.worker = worker;
    this.clusters = clusters;
    this.#onClosed = onClosed;
  }

  start(factories: readonly NetworkFilterFactory[]): void {
    this.connection.setHandler(this);
    for (const factory of factories) {
      if (factory.terminal) {
        this.#last = factory;
        break;
      }
      const filter = factory.create(this);
      if (filter !== undefined) this.#filters.push(filter);
    }
    this.#readers = this.#filters.some((filter) => filter.onData !== undefined);
    const observers = this.#filters.filter((filter) => filter.onWrite !== undefined);
    if (observers.length > 0) this.connection = new ObservedConnection(this.connection, observers);
    this.#greet();
    if (!this.connection.closed) this.connection.start();
  }

  #greet(): void {
    while (this.#greeted < this.#filters.length) {
      const filter = this.#filters[this.#greeted++];
      const status = filter.onNewConnection?.() ?? NetworkStatus.Continue;
      if (this.connection.closed) return;
      if (status === NetworkStatus.Stop) {
        this.#waiting = true;
        return;
      }
    }
    // A server may speak first: the last filter does not wait for what the client says. Whoever wants it to stops here.
    this.#startTerminal();
  }

  #startTerminal(): ConnectionHandler {
    if (this.#terminal === undefined) {
      const terminal = this.#last?.create(this);
      if (terminal === undefined) {
        this.connection.close('filter chain without a terminal filter');
        return this;
      }
      this.#terminal = terminal;
    }
    return this.#terminal;
  }

  continueReading(): void {
    if (this.connection.closed) return;
    let from = 0;
    if (this.#waiting) {
      this.#waiting = false;
      this.#greet();
      if (this.#waiting || this.connection.closed) return;
    } else if (this.#stoppedAt >= 0) from = this.#stoppedAt + 1;
    else return;
    this.#stoppedAt = -1;
    this.#needsMore = false;
    const held = this.#held ?? EMPTY;
    this.#held = undefined;
    this.connection.pauseReading(false);
    this.#pass({ bytes: held, start: 0, end: held.length }, from);
  }

  exclude(received: number, sent: number): void {
    this.#excludedReceived += received;
    this.#excludedSent += sent;
    this.info.bytesReceived -= received;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.info.bytesReceived = this.connection.bytesReceived - this.#excludedReceived;
    if (this.#terminal !== undefined && !this.#readers) {
      this.#terminal.onData(bytes, start, end);
      return;
    }
    if (this.#stoppedAt >= 0 || this.#waiting) {
      if (this.#stoppedAt >= 0 && !this.#needsMore) this.#filters[this.#stoppedAt].onHeldData?.({ bytes, start, end });
      this.#hold(bytes, start, end);
      if (this.#needsMore) this.#passAgain();
      return;
    }
    this.#pass({ bytes, start, end }, 0);
  }

  /** Offers what is held to the filter that stopped it. */
  #passAgain(): void {
    const from = this.#stoppedAt;
    const held = this.#held ?? EMPTY;
    this.#stoppedAt = -1;
    this.#needsMore = false;
    this.#held = undefined;
    this.#pass({ bytes: held, start: 0, end: held.length }, from);
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const more = bytes.subarray(start, end);
    this.#held = this.#held === undefined ? Buffer.from(more) : Buffer.concat([this.#held, more]);
    if (this.#held.length > MAX_HELD) this.connection.pauseReading(true);
  }

  #pass(data: NetworkData, from: number): void {
    for (let i = from; i < this.#filters.length; i++) {
      const filter = this.#filters[i];
      if (filter.onData === undefined) continue;
      const status = filter.onData(data, this.#ended);
      if (this.connection.closed) return;
      if (status === NetworkStatus.Stop || (status === NetworkStatus.NeedMore && !this.#ended)) {
        this.#stoppedAt = i;
        this.#needsMore = status === NetworkStatus.NeedMore;
        if (data.start < data.end) this.#hold(data.bytes, data.start, data.end);
        // More cannot come beyond this, so that the filter would wait forever.
        if (this.#needsMore && this.#held !== undefined && this.#held.length > MAX_HELD) {
          this.connection.close('network filter held too much');
        }
        return;
      }
    }
    const terminal = this.#startTerminal();
    if (this.connection.closed) return;
    if (data.start < data.end) terminal.onData(data.bytes, data.start, data.end);
    if (this.#ended) this.#tellEnd();
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#needsMore) {
      this.#passAgain();
      return;
    }
    if (this.#stoppedAt >= 0 || this.#waiting) return;
    // Filters that look at data see the end as well, as the last there is.
    if (this.#terminal === undefined || this.#readers) this.#pass({ bytes: EMPTY, start: 0, end: 0 }, 0);
    else this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#endTold || this.connection.closed) return;
    this.#endTold = true;
    this.#terminal?.onEnd();
  }

  onBackpressure(high: boolean): void {
    this.#terminal?.onBackpressure(high);
  }

  onClose(reason: CloseReason, details: string): void {
    this.info.end = this.worker.timers.now();
    this.info.bytesReceived = this.connection.bytesReceived - this.#excludedReceived;
    this.info.bytesSent = this.connection.bytesSent - this.#excludedSent;
    if (this.#terminal === undefined) this.#last?.refused?.(this);
    else this.#terminal.onClose(reason, details);
    for (const filter of this.#filters) filter.onClose?.(reason);
    this.#onClosed(this.info);
  }
}

/** A connection whose filters are told what is written, in reverse order, as Envoy's write filters are. */
class ObservedConnection extends DelegatingConnection {
  readonly #observers: readonly NetworkFilter[];

  constructor(connection: Connection, observers: readonly NetworkFilter[]) {
    super(connection);
    this.#observers = observers.toReversed();
  }

  #tell(bytes: Uint8Array, end: boolean): void {
    for (const observer of this.#observers) observer.onWrite?.(bytes, end);
  }

  override write(chunk: Uint8Array): void {
    this.#tell(chunk, false);
    super.write(chunk);
  }

  override writeLatin1(text: string): void {
    this.write(Buffer.from(text, 'latin1'));
  }

  override end(): void {
    this.#tell(EMPTY, true);
    super.end();
  }

  override closeAfterFlush(delayMs: number): void {
    this.#tell(EMPTY, true);
    super.closeAfterFlush(delayMs);
  }
}

const EMPTY = Buffer.alloc(0);
