import type { SeriesLabels } from '../../observe/series-family.ts';
import { HistogramSeries, Series, SeriesFamily } from '../../observe/series-family.ts';
import type { StatsStore } from '../../observe/stats.ts';

/** Istio's standard metrics; in Prometheus text they have `istio_` in front. */
export const COUNTERS = [
  'requests_total',
  'request_messages_total',
  'response_messages_total',
  'tcp_connections_opened_total',
  'tcp_connections_closed_total',
  'tcp_sent_bytes_total',
  'tcp_received_bytes_total',
] as const;
const HISTOGRAMS = ['request_duration_milliseconds', 'request_bytes', 'response_bytes'] as const;

export type CounterName = (typeof COUNTERS)[number];
export type HistogramName = (typeof HISTOGRAMS)[number];

export const METRICS: ReadonlySet<string> = new Set([...COUNTERS, ...HISTOGRAMS]);

/** Their labels; those of the outcome come behind those of the peers. */
export const LABELS: ReadonlySet<string> = new Set([
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
]);

const stores = new WeakMap<StatsStore, IstioMetrics>();

/** All series of one worker. Every filter counts in them, so that a listener that is replaced counts on. */
export class IstioMetrics {
  readonly #store: StatsStore;
  readonly #counters = new Map<string, SeriesFamily<Series>>();
  readonly #gauges = new Map<string, SeriesFamily<Series>>();
  readonly #histograms = new Map<string, SeriesFamily<HistogramSeries>>();

  private constructor(store: StatsStore) {
    this.#store = store;
  }

  static of(store: StatsStore): IstioMetrics {
    let metrics = stores.get(store);
    if (metrics === undefined) stores.set(store, (metrics = new IstioMetrics(store)));
    return metrics;
  }

  counter(metric: string, labels: SeriesLabels): Series {
    return this.#family(this.#counters, metric, 'counter', Series).get(labels);
  }

  gauge(metric: string, labels: SeriesLabels): Series {
    return this.#family(this.#gauges, metric, 'gauge', Series).get(labels);
  }

  histogram(metric: string, labels: SeriesLabels): HistogramSeries {
    return this.#family(this.#histograms, metric, 'histogram', HistogramSeries).get(labels);
  }

  #family<Sample extends Series | HistogramSeries>(
    families: Map<string, SeriesFamily<Sample>>,
    metric: string,
    kind: 'counter' | 'gauge' | 'histogram',
    make: new (labels: SeriesLabels) => Sample,
  ): SeriesFamily<Sample> {
    let family = families.get(metric);
    if (family === undefined) {
      family = new SeriesFamily(`istio_${metric}`, kind, make);
      families.set(metric, family);
      this.#store.addFamily(family);
    }
    return family;
  }
}
