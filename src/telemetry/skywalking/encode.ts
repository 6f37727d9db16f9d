import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** `SpanType` of SkyWalking's trace data protocol 3. */
export const SpanType = { Entry: 0, Exit: 1 } as const;
const HTTP_LAYER = 3;
/** What Envoy is called among SkyWalking's components; who shows topologies by it knows no other name for a sidecar. */
const COMPONENT = 9000;

/** Where a segment comes from: the span of another process that called. */
export interface SegmentReference {
  readonly traceId: string;
  readonly segmentId: string;
  readonly spanId: number;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string;
  readonly peer: string;
}

export interface SkyWalkingSpan {
  readonly id: number;
  /** -1 for the first of a segment. */
  readonly parentId: number;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly reference: SegmentReference | undefined;
  readonly operation: string;
  readonly peer: string;
  readonly type: number;
  readonly failed: boolean;
  readonly tags: ReadonlyMap<string, string>;
}

/** The spans of one request in one process: a message of type SegmentObject. */
export function encodeSegment(
  ids: { readonly traceId: string; readonly segmentId: string },
  service: string,
  instance: string,
  spans: readonly SkyWalkingSpan[],
): Uint8Array {
  const writer = new BinaryWriter();
  text(writer, 1, ids.traceId);
  text(writer, 2, ids.segmentId);
  for (const span of spans) writeSpan(writer, span);
  text(writer, 4, service);
  text(writer, 5, instance);
  return writer.finish();
}

function writeSpan(writer: BinaryWriter, span: SkyWalkingSpan): void {
  writer.tag(3, WireType.LengthDelimited).fork();
  number(writer, 1, span.id);
  number(writer, 2, span.parentId);
  number(writer, 3, span.start);
  number(writer, 4, span.end);
  const { reference } = span;
  if (reference !== undefined) {
    writer.tag(5, WireType.LengthDelimited).fork();
    text(writer, 2, reference.traceId);
    text(writer, 3, reference.segmentId);
    number(writer, 4, reference.spanId);
    text(writer, 5, reference.service);
    text(writer, 6, reference.instance);
    text(writer, 7, reference.endpoint);
    text(writer, 8, reference.peer);
    writer.join();
  }
  text(writer, 6, span.operation);
  text(writer, 7, span.peer);
  number(writer, 8, span.type);
  number(writer, 9, HTTP_LAYER);
  number(writer, 10, COMPONENT);
  if (span.failed) writer.tag(11, WireType.Varint).bool(true);
  for (const [name, value] of span.tags) {
    writer.tag(12, WireType.LengthDelimited).fork();
    text(writer, 1, name);
    text(writer, 2, value);
    writer.join();
  }
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value);
}

function number(writer: BinaryWriter, field: number, value: number): void {
  if (value !== 0) writer.tag(field, WireType.Varint).int64(value);
}
