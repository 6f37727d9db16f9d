import type { GrpcCall, GrpcTransport } from '../../../wire/grpc/transport.ts';
import type { Timer, Timers } from '../../timers.ts';
import { StatGroup } from '../stats.ts';

/** Envoy's `tracing.skywalking.`. */
export class SkyWalkingStats extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set();
  cache_flushed = 0;
  segments_dropped = 0;
  segments_flushed = 0;
  segments_sent = 0;
}

const COLLECT = '/skywalking.v3.TraceSegmentReportService/collect';
const RETRY_MS = 5000;
/** What may wait in a stream whose server does not read. */
const MAX_BUFFERED = 1024 * 1024;

export interface SegmentReporterOptions {
  readonly transport: GrpcTransport;
  readonly metadata: readonly (readonly [string, string])[];
  /** Segments that are kept while there is no stream. */
  readonly maxCached: number;
  readonly timers: Timers;
  readonly stats: SkyWalkingStats;
}

/** Sends segments over one stream that is opened again when it ends; bounded: what cannot be kept is dropped. */
export class SegmentReporter {
  readonly #options: SegmentReporterOptions;
  #call: GrpcCall | undefined = undefined;
  #cached: Uint8Array[] = [];
  #retry: Timer | undefined = undefined;
  #closed = false;

  constructor(options: SegmentReporterOptions) {
    this.#options = options;
    this.#open();
  }

  #open(): void {
    this.#retry = undefined;
    const { transport, metadata, stats } = this.#options;
    let over = false;
    const call = transport.call(COLLECT, metadata, {
      onMessage() {},
      onEnd: () => {
        over = true;
        this.#call = undefined;
        this.#retryLater();
      },
    });
    if (over) return;
    this.#call = call;
    const cached = this.#cached;
    if (cached.length === 0) return;
    this.#cached = [];
    stats.segments_flushed += cached.length;
    stats.cache_flushed++;
    for (const segment of cached) this.#send(call, segment);
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    this.#retry = this.#options.timers.start(RETRY_MS, () => this.#open());
  }

  #send(call: GrpcCall, segment: Uint8Array): void {
    const { stats } = this.#options;
    if (call.bufferedBytes > MAX_BUFFERED) {
      stats.segments_dropped++;
      return;
    }
    stats.segments_sent++;
    call.send(segment);
  }

  report(segment: Uint8Array): void {
    if (this.#call !== undefined) this.#send(this.#call, segment);
    else if (this.#cached.length < this.#options.maxCached) this.#cached.push(segment);
    else this.#options.stats.segments_dropped++;
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#call?.end();
    this.#call = undefined;
    this.#cached = [];
  }
}
