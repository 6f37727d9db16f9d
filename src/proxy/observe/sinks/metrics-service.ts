import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Node, NodeSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import { encodeMetricFamily, type MetricValue } from '../../../telemetry/prometheus-messages.ts';
import type { GrpcCall, GrpcTransport } from '../../../wire/grpc/transport.ts';
import { approximateSum, countOf, cumulative, QUANTILES, quantiles } from '../histogram.ts';
import type { HistogramSnapshot, MetricName, MetricSnapshot, StatsSink } from './sink.ts';

const STREAM = '/envoy.service.metrics.v3.MetricsService/StreamMetrics';
/** `StreamMetricsMessage`: identifier, whose field 1 is the node, and envoy_metrics. */
const IDENTIFIER_FIELD = 1;
const METRICS_FIELD = 2;
/** Bytes that may wait for a service that does not read; what comes then is left out. */
const MAX_BEHIND = 16 * 1024 * 1024;

export interface MetricsServiceOptions {
  readonly transport: GrpcTransport;
  /** Who this proxy is, as the first message of a stream tells. */
  readonly node: () => Node;
  /** Counters are told as what was added since the flush before. */
  readonly deltas: boolean;
  /** Names are without tags, which are labels. */
  readonly labels: boolean;
  readonly summaries: boolean;
  readonly histograms: boolean;
  /** How many metrics a message has; 0 for all. */
  readonly batchSize: number;
}

/** Sends statistics to Envoy's metrics service, on one stream for as long as it lasts. */
export class MetricsServiceSink implements StatsSink {
  readonly #options: MetricsServiceOptions;
  #call: GrpcCall | undefined = undefined;

  constructor(options: MetricsServiceOptions) {
    this.#options = options;
  }

  flush(snapshot: MetricSnapshot): void {
    const metrics = this.#encode(snapshot);
    const size = this.#options.batchSize || metrics.length || 1;
    for (let i = 0; i === 0 || i < metrics.length; i += size) this.#send(metrics.slice(i, i + size));
  }

  #send(metrics: readonly Uint8Array[]): void {
    if (this.#call !== undefined && this.#call.bufferedBytes > MAX_BEHIND) return;
    const writer = new BinaryWriter();
    if (this.#call === undefined) {
      const opened = this.#options.transport.call(STREAM, [], {
        onMessage() {},
        onEnd: () => {
          if (this.#call === opened) this.#call = undefined;
        },
      });
      this.#call = opened;
      const node = toBinary(NodeSchema, fromBinary(NodeSchema, toBinary(NodeSchema, this.#options.node())));
      writer.tag(IDENTIFIER_FIELD, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).bytes(node).join();
    }
    for (const metric of metrics) writer.tag(METRICS_FIELD, WireType.LengthDelimited).bytes(metric);
    this.#call.send(writer.finish());
  }

  #encode({ time, counters, gauges, histograms }: MetricSnapshot): Uint8Array[] {
    const { deltas, summaries, histograms: full } = this.#options;
    const all: Uint8Array[] = [];
    const add = (name: MetricName, value: MetricValue) => {
      const { labels } = this.#options;
      all.push(encodeMetricFamily(labels ? name.extracted : name.full, labels ? name.tags : [], time, value));
    };
    for (const { name, value, delta } of counters) add(name, { type: 'counter', value: deltas ? delta : value });
    for (const { name, value } of gauges) add(name, { type: 'gauge', value });
    for (const one of histograms) {
      if (summaries) add(one.name, summaryOf(one));
      if (full) add(one.name, histogramOf(one));
    }
    return all;
  }

  close(): void {
    this.#call?.cancel();
  }
}

function summaryOf({ histogram }: HistogramSnapshot): MetricValue {
  const buckets = histogram.intervalBuckets();
  const values = quantiles(buckets, QUANTILES);
  return {
    type: 'summary',
    count: countOf(buckets),
    sum: approximateSum(buckets),
    quantiles: QUANTILES.map((share, i) => [share, values[i] ?? Number.NaN] as const),
  };
}

function histogramOf({ histogram, bounds }: HistogramSnapshot): MetricValue {
  const buckets = histogram.intervalBuckets();
  const counts = cumulative(buckets, bounds);
  return {
    type: 'histogram',
    count: countOf(buckets),
    sum: approximateSum(buckets),
    buckets: bounds.map((bound, i) => [bound, counts[i]] as const),
  };
}
