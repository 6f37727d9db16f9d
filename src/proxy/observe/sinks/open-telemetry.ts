import { encodeMetricsRequest, encodeResource } from '../../../telemetry/otlp/encode.ts';
import { encodeMetric, type MetricPoint, type PointTimes, Temporality } from '../../../telemetry/otlp/metrics.ts';
import type { GrpcTransport } from '../../../wire/grpc/transport.ts';
import { VERSION } from '../../version.ts';
import { approximateSum, countOf, cumulative } from '../histogram.ts';
import type { HistogramSnapshot, MetricName, MetricSnapshot, StatsSink } from './sink.ts';

const EXPORT = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export';
/** Calls of a collector that may be under way. */
const MAX_CALLS = 16;

export interface OpenTelemetrySinkOptions {
  readonly transport: GrpcTransport;
  /** Before all names, with a dot. */
  readonly prefix: string;
  readonly countersAsDeltas: boolean;
  readonly histogramsAsDeltas: boolean;
  readonly tagsAsAttributes: boolean;
  /** Names are without tags. */
  readonly extractedNames: boolean;
}

/** Sends statistics to a collector of OpenTelemetry, a call for each flush (`envoy.stat_sinks.open_telemetry`). */
export class OpenTelemetrySink implements StatsSink {
  readonly #options: OpenTelemetrySinkOptions;
  readonly #resource = encodeResource([
    ['service.name', 'unknown_service:envoy'],
    ['telemetry.sdk.language', 'nodejs'],
    ['telemetry.sdk.name', 'isthmus'],
    ['telemetry.sdk.version', VERSION],
  ]);
  #lastFlush = 0n;
  #calls = 0;

  constructor(options: OpenTelemetrySinkOptions) {
    this.#options = options;
  }

  flush(snapshot: MetricSnapshot): void {
    const now = BigInt(snapshot.time) * 1_000_000n;
    const times: PointTimes = { start: this.#lastFlush, now };
    this.#lastFlush = now;
    const metrics = this.#encode(snapshot, times);
    if (metrics.length === 0 || this.#calls >= MAX_CALLS) return;
    this.#calls++;
    const call = this.#options.transport.call(EXPORT, [], { onMessage() {}, onEnd: () => this.#calls-- });
    call.send(encodeMetricsRequest(this.#resource, metrics));
    call.end();
  }

  #encode({ counters, gauges, histograms }: MetricSnapshot, times: PointTimes): Uint8Array[] {
    const { prefix, extractedNames, tagsAsAttributes, countersAsDeltas, histogramsAsDeltas } = this.#options;
    const encode = ({ full, extracted, tags }: MetricName, point: MetricPoint) =>
      encodeMetric(prefix + (extractedNames ? extracted : full), tagsAsAttributes ? tags : [], times, point);
    const temporality = countersAsDeltas ? Temporality.Delta : Temporality.Cumulative;
    return [
      ...gauges.map(({ name, value }) => encode(name, { type: 'gauge', value })),
      ...counters.map(({ name, value, delta }) =>
        encode(name, { type: 'sum', temporality, value: countersAsDeltas ? delta : value }),
      ),
      ...histograms.map((one) => encode(one.name, histogramPoint(one, histogramsAsDeltas))),
    ];
  }

  close(): void {}
}

function histogramPoint({ histogram, bounds }: HistogramSnapshot, delta: boolean): MetricPoint {
  const buckets = delta ? histogram.intervalBuckets() : histogram.buckets();
  const upTo = cumulative(buckets, bounds);
  const count = countOf(buckets);
  return {
    type: 'histogram',
    temporality: delta ? Temporality.Delta : Temporality.Cumulative,
    count,
    sum: approximateSum(buckets),
    bounds,
    counts: [...upTo, count].map((value, i, all) => value - (all[i - 1] ?? 0)),
  };
}
