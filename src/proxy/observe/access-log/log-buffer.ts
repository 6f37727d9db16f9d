import type { Timer, Timers } from '../../timers.ts';
import { StatGroup } from '../stats.ts';

const NO_GAUGES: ReadonlySet<string> = new Set();

/** Envoy's `access_logs.grpc_access_log.` and `access_logs.open_telemetry_access_log.`. */
export class LogCollectorStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  grpc_entries_flush_failed = 0;
  grpc_entries_flushed = 0;
  logs_dropped = 0;
  logs_written = 0;
}

export interface LogBufferOptions {
  readonly timers: Timers;
  readonly stats: LogCollectorStats;
  /** Bytes at which entries leave, without waiting for more; 0 to send each by itself. */
  readonly maxBytes: number;
  /** Milliseconds that an entry waits for others. */
  readonly intervalMs: number;
  /** Sends entries; false if the collector is behind, and then they are kept. */
  send(entries: readonly Uint8Array[]): boolean;
}

/** Entries of an access log on their way to a collector. Bounded: what a slow collector does not take is dropped and counted. */
export class LogBuffer {
  readonly #options: LogBufferOptions;
  #entries: Uint8Array[] = [];
  #bytes = 0;
  #timer: Timer | undefined = undefined;

  constructor(options: LogBufferOptions) {
    this.#options = options;
  }

  add(entry: Uint8Array): void {
    const { stats, maxBytes, timers, intervalMs } = this.#options;
    if (this.#bytes > 0 && this.#bytes >= maxBytes && !this.flush()) {
      stats.logs_dropped++;
      return;
    }
    stats.logs_written++;
    this.#entries.push(entry);
    this.#bytes += entry.length;
    if (this.#bytes >= maxBytes) this.flush();
    else this.#timer ??= timers.start(intervalMs, () => this.flush());
  }

  /** False if there is something that cannot leave. */
  flush(): boolean {
    const entries = this.#entries;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (entries.length === 0) return true;
    if (!this.#options.send(entries)) {
      this.#timer = this.#options.timers.start(this.#options.intervalMs, () => this.flush());
      return false;
    }
    this.#entries = [];
    this.#bytes = 0;
    return true;
  }
}
