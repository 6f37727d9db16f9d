import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Attributes, writeAttributes } from './encode.ts';

/** `opentelemetry.proto.metrics.v1.AggregationTemporality`. */
export const Temporality = { Delta: 1, Cumulative: 2 } as const;
export type Temporality = (typeof Temporality)[keyof typeof Temporality];

/** What a metric says at one moment. */
export type MetricPoint =
  | { readonly type: 'gauge'; readonly value: number }
  | { readonly type: 'sum'; readonly value: number; readonly temporality: Temporality }
  | {
      readonly type: 'histogram';
      readonly temporality: Temporality;
      readonly count: number;
      readonly sum: number;
      readonly bounds: readonly number[];
      /** Of each bucket by itself; one more than bounds, for what is beyond the last. */
      readonly counts: readonly number[];
    };

/** Nanoseconds since 1970: when what is counted began, and now. */
export interface PointTimes {
  readonly start: bigint;
  readonly now: bigint;
}

const FIELDS = { gauge: 5, sum: 7, histogram: 9 } as const;

/** A message of type Metric with one data point. */
export function encodeMetric(name: string, attributes: Attributes, times: PointTimes, point: MetricPoint): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(FIELDS[point.type], WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).fork();
  if (times.start !== 0n) writer.tag(2, WireType.Bit64).fixed64(times.start);
  writer.tag(3, WireType.Bit64).fixed64(times.now);
  if (point.type === 'histogram') {
    writer.tag(4, WireType.Bit64).fixed64(BigInt(point.count));
    writer.tag(5, WireType.Bit64).double(point.sum);
    writer.tag(6, WireType.LengthDelimited).fork();
    for (const count of point.counts) writer.fixed64(BigInt(count));
    writer.join().tag(7, WireType.LengthDelimited).fork();
    for (const bound of point.bounds) writer.double(bound);
    writer.join();
    writeAttributes(writer, 9, attributes);
  } else {
    writer.tag(6, WireType.Bit64).sfixed64(BigInt(point.value));
    writeAttributes(writer, 7, attributes);
  }
  writer.join();
  if (point.type !== 'gauge') writer.tag(2, WireType.Varint).int32(point.temporality);
  if (point.type === 'sum') writer.tag(3, WireType.Varint).bool(true);
  return writer.join().finish();
}
