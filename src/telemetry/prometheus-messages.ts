import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * Prometheus' metrics as messages (`io.prometheus.client`, prometheus/client_model), of which Envoy's metrics service
 * takes lists. They are of proto2: what is set is written, though it be 0.
 */

/** What one metric says. */
export type MetricValue =
  | { readonly type: 'counter' | 'gauge'; readonly value: number }
  | {
      readonly type: 'summary';
      readonly count: number;
      readonly sum: number;
      /** Shares of 1 with their values. */
      readonly quantiles: readonly (readonly [share: number, value: number])[];
    }
  | {
      readonly type: 'histogram';
      readonly count: number;
      readonly sum: number;
      /** Upper bounds with the number of values up to there. */
      readonly buckets: readonly (readonly [bound: number, count: number])[];
    };

/** `io.prometheus.client.MetricType`. */
const TYPES: Readonly<Record<MetricValue['type'], number>> = { counter: 0, gauge: 1, summary: 2, histogram: 4 };

/** `MetricFamily` of one metric. The time is in milliseconds since 1970. */
export function encodeMetricFamily(
  name: string,
  labels: readonly (readonly [name: string, value: string])[],
  time: number,
  value: MetricValue,
): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(3, WireType.Varint).int32(TYPES[value.type]);
  writer.tag(4, WireType.LengthDelimited).fork();
  for (const [label, text] of labels) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(label);
    writer.tag(2, WireType.LengthDelimited).string(text).join();
  }
  writeValue(writer, value);
  writer.tag(6, WireType.Varint).int64(time);
  return writer.join().finish();
}

function writeValue(writer: BinaryWriter, value: MetricValue): void {
  switch (value.type) {
    case 'gauge':
    case 'counter':
      writer.tag(value.type === 'gauge' ? 2 : 3, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.Bit64).double(value.value).join();
      return;
    case 'summary':
      writer.tag(4, WireType.LengthDelimited).fork();
      writeTotals(writer, value);
      for (const [share, at] of value.quantiles) {
        writer.tag(3, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.Bit64).double(share);
        writer.tag(2, WireType.Bit64).double(at).join();
      }
      writer.join();
      return;
    case 'histogram':
      writer.tag(7, WireType.LengthDelimited).fork();
      writeTotals(writer, value);
      for (const [bound, count] of value.buckets) {
        writer.tag(3, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.Varint).uint64(count);
        writer.tag(2, WireType.Bit64).double(bound).join();
      }
      writer.join();
      return;
  }
}

function writeTotals(writer: BinaryWriter, { count, sum }: { readonly count: number; readonly sum: number }): void {
  writer.tag(1, WireType.Varint).uint64(count);
  writer.tag(2, WireType.Bit64).double(sum);
}
