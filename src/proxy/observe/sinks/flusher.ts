import type { Timer, Timers } from '../../timers.ts';
import type { Layouts } from '../names/layout.ts';
import type { StatsStore } from '../stats.ts';
import type { StatsSink } from './sink.ts';
import { SnapshotTaker } from './snapshot.ts';

export interface StatsFlusherOptions {
  readonly store: StatsStore;
  readonly layouts: Layouts;
  readonly timers: Timers;
  /** `stats_flush_interval` in milliseconds; undefined if statistics are flushed when somebody asks for them. */
  readonly intervalMs: number | undefined;
  /** Brings gauges up to date that nobody keeps. */
  readonly refresh: () => void;
}

/** Ends the intervals of histograms, and tells sinks of each. */
export class StatsFlusher {
  readonly #options: StatsFlusherOptions;
  #sinks: readonly StatsSink[] = [];
  #snapshots: SnapshotTaker | undefined = undefined;
  #timer: Timer | undefined = undefined;

  constructor(options: StatsFlusherOptions) {
    this.#options = options;
  }

  start(sinks: readonly StatsSink[]): void {
    this.#sinks = sinks;
    if (sinks.length > 0) {
      this.#snapshots = new SnapshotTaker(this.#options.store, this.#options.layouts);
      const hearing = sinks.filter(({ onSample }) => onSample !== undefined);
      if (hearing.length > 0) {
        this.#snapshots.listen((name, value) => {
          for (const sink of hearing) sink.onSample!(name, value);
        });
      }
    }
    this.#schedule();
  }

  #schedule(): void {
    const { timers, intervalMs } = this.#options;
    if (intervalMs === undefined) return;
    this.#timer = timers.start(intervalMs, () => {
      this.#flush();
      this.#schedule();
    });
  }

  /** Somebody looks at the statistics. */
  onAdmin(): void {
    if (this.#options.intervalMs === undefined) this.#flush();
  }

  #flush(): void {
    this.#options.store.tick();
    if (this.#snapshots === undefined) return;
    this.#options.refresh();
    const snapshot = this.#snapshots.take(Date.now());
    for (const sink of this.#sinks) sink.flush(snapshot);
  }

  /** Flushes once more, and ends. */
  stop(): void {
    this.#timer?.cancel();
    if (this.#sinks.length > 0) this.#flush();
    for (const sink of this.#sinks) sink.close();
    this.#sinks = [];
    this.#snapshots = undefined;
  }
}
