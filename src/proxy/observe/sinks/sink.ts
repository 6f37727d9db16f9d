import type { Histogram } from '../histogram.ts';
import type { Tag } from '../names/tag-extractor.ts';

/** What a statistic is called. */
export interface MetricName {
  /** `cluster.backend.upstream_rq_total`: as `/stats` shows it. */
  readonly full: string;
  /** `cluster.upstream_rq_total`: without what became tags. */
  readonly extracted: string;
  readonly tags: readonly Tag[];
}

export interface CounterSnapshot {
  readonly name: MetricName;
  readonly value: number;
  /** What was added since the snapshot before. */
  readonly delta: number;
}

export interface GaugeSnapshot {
  readonly name: MetricName;
  readonly value: number;
}

/** A histogram: its interval is the one that ended with the snapshot. */
export interface HistogramSnapshot {
  readonly name: MetricName;
  readonly histogram: Histogram;
  /** Upper bounds of its buckets. */
  readonly bounds: readonly number[];
}

/** The statistics that were ever used, as they are at one moment. Texts are not among them, as in Envoy. */
export interface MetricSnapshot {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly counters: readonly CounterSnapshot[];
  readonly gauges: readonly GaugeSnapshot[];
  readonly histograms: readonly HistogramSnapshot[];
}

/** One who is told of the statistics of this proxy (`stats_sinks`). */
export interface StatsSink {
  flush(snapshot: MetricSnapshot): void;
  /** Told of each value as a histogram takes it. Without a sink that wants it, recording costs nothing more. */
  onSample?(name: MetricName, value: number): void;
  /** No more will come. */
  close(): void;
}
