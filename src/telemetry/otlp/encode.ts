import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/**
 * The messages of OTLP (opentelemetry-proto 1.x) that a proxy sends, written straight to bytes: a span passes here for
 * every traced request, and nobody reads it back.
 */

/** Names and texts in order. */
export type Attributes = readonly (readonly [name: string, value: string])[];

/** `opentelemetry.proto.trace.v1.Span.SpanKind`. */
export const SpanKind = { Server: 2, Client: 3 } as const;

/** `opentelemetry.proto.trace.v1.Status.StatusCode`. */
const STATUS_ERROR = 2;

/** `opentelemetry.proto.trace.v1.SpanFlags`. */
export const SpanFlag = { Sampled: 0x1, KnowsIfRemote: 0x100, ParentIsRemote: 0x200 } as const;

export interface SpanData {
  /** Sixteen bytes. */
  readonly traceId: Uint8Array;
  /** Eight bytes. */
  readonly spanId: Uint8Array;
  readonly parentId: Uint8Array | undefined;
  /** W3C `tracestate`. */
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  /** Nanoseconds since 1970. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Attributes;
  readonly failed: boolean;
  readonly flags: number;
}

/** A message of type Span. */
export function encodeSpan(span: SpanData): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).bytes(span.traceId);
  writer.tag(2, WireType.LengthDelimited).bytes(span.spanId);
  if (span.traceState !== '') writer.tag(3, WireType.LengthDelimited).string(span.traceState);
  if (span.parentId !== undefined) writer.tag(4, WireType.LengthDelimited).bytes(span.parentId);
  writer.tag(5, WireType.LengthDelimited).string(span.name);
  writer.tag(6, WireType.Varint).int32(span.kind);
  writer.tag(7, WireType.Bit64).fixed64(span.start);
  writer.tag(8, WireType.Bit64).fixed64(span.end);
  writeAttributes(writer, 9, span.attributes);
  if (span.failed) writer.tag(15, WireType.LengthDelimited).fork().tag(3, WireType.Varint).int32(STATUS_ERROR).join();
  writer.tag(16, WireType.Bit32).fixed32(span.flags);
  return writer.finish();
}

/** `ExportTraceServiceRequest` of spans of one resource. */
export function encodeTraceRequest(resource: Uint8Array, scope: Uint8Array, spans: readonly Uint8Array[]): Uint8Array {
  return encodeExport(resource, scope, spans);
}

/** `ExportLogsServiceRequest` of records of one resource: the same shape. */
export function encodeLogsRequest(
  resource: Uint8Array,
  scope: Uint8Array | undefined,
  records: readonly Uint8Array[],
): Uint8Array {
  return encodeExport(resource, scope, records);
}

/** `ExportMetricsServiceRequest` of metrics of one resource: the same shape. */
export function encodeMetricsRequest(resource: Uint8Array, metrics: readonly Uint8Array[]): Uint8Array {
  return encodeExport(resource, undefined, metrics);
}

function encodeExport(resource: Uint8Array, scope: Uint8Array | undefined, items: readonly Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).bytes(resource);
  writer.tag(2, WireType.LengthDelimited).fork();
  if (scope !== undefined) writer.tag(1, WireType.LengthDelimited).bytes(scope);
  for (const item of items) writer.tag(2, WireType.LengthDelimited).bytes(item);
  return writer.join().join().finish();
}

/** A message of type Resource. */
export function encodeResource(attributes: Attributes): Uint8Array {
  const writer = new BinaryWriter();
  writeAttributes(writer, 1, attributes);
  return writer.finish();
}

/** A message of type InstrumentationScope. */
export function encodeScope(name: string, version: string): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(name)
    .tag(2, WireType.LengthDelimited)
    .string(version)
    .finish();
}

export function writeAttributes(writer: BinaryWriter, field: number, attributes: Attributes): void {
  for (const [name, value] of attributes) {
    writer.tag(field, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(name);
    // AnyValue.string_value
    writer.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(value).join();
    writer.join();
  }
}

/** A value of AnyValue: texts, lists and key-value lists. */
export type AnyValue = string | readonly AnyValue[] | ReadonlyMap<string, AnyValue>;

export interface LogRecordData {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly body: AnyValue | undefined;
  readonly attributes: ReadonlyMap<string, AnyValue>;
  readonly traceId: Uint8Array | undefined;
  readonly spanId: Uint8Array | undefined;
}

/** A message of type LogRecord. */
export function encodeLogRecord(record: LogRecordData): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Bit64).fixed64(record.time);
  if (record.body !== undefined) {
    writer.tag(5, WireType.LengthDelimited).fork();
    writeAny(writer, record.body);
    writer.join();
  }
  for (const [name, value] of record.attributes) writeKeyValue(writer, 6, name, value);
  if (record.traceId !== undefined) writer.tag(9, WireType.LengthDelimited).bytes(record.traceId);
  if (record.spanId !== undefined) writer.tag(10, WireType.LengthDelimited).bytes(record.spanId);
  return writer.finish();
}

/** A Resource whose attributes are not all texts. */
export function encodeResourceOf(attributes: ReadonlyMap<string, AnyValue>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [name, value] of attributes) writeKeyValue(writer, 1, name, value);
  return writer.finish();
}

function writeKeyValue(writer: BinaryWriter, field: number, name: string, value: AnyValue): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(2, WireType.LengthDelimited).fork();
  writeAny(writer, value);
  writer.join().join();
}

/** The fields of an AnyValue. */
function writeAny(writer: BinaryWriter, value: AnyValue): void {
  if (typeof value === 'string') {
    writer.tag(1, WireType.LengthDelimited).string(value);
    return;
  }
  if (value instanceof Map) {
    writer.tag(6, WireType.LengthDelimited).fork();
    for (const [name, item] of value) writeKeyValue(writer, 1, name, item);
    writer.join();
    return;
  }
  writer.tag(5, WireType.LengthDelimited).fork();
  for (const item of value as readonly AnyValue[]) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writeAny(writer, item);
    writer.join();
  }
  writer.join();
}
