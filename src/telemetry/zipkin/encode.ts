import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** `zipkin.proto3.Span.Kind`. */
const KINDS = { CLIENT: 1, SERVER: 2 } as const;

/** A span as Zipkin's JSON has it (version 2), and what its protobuf form is made from. */
export interface ZipkinSpanData {
  readonly traceId: string;
  readonly parentId?: string;
  readonly id: string;
  readonly kind: 'CLIENT' | 'SERVER';
  readonly name: string;
  /** Microseconds since 1970, and microseconds. */
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string; readonly address: Uint8Array };
  readonly annotation: { readonly timestamp: number; readonly value: string };
  readonly tags: ReadonlyMap<string, string>;
  readonly shared: boolean;
}

/** A `zipkin.proto3.ListOfSpans` with one span; several of them one after the other are a list of all. */
export function encodeZipkinSpan(span: ZipkinSpanData): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(span.traceId, 'hex'));
  if (span.parentId !== undefined) writer.tag(2, WireType.LengthDelimited).bytes(spanBytes(span.parentId));
  writer.tag(3, WireType.LengthDelimited).bytes(spanBytes(span.id));
  writer.tag(4, WireType.Varint).int32(KINDS[span.kind]);
  writer.tag(5, WireType.LengthDelimited).string(span.name);
  writer.tag(6, WireType.Bit64).fixed64(span.timestamp);
  writer.tag(7, WireType.Varint).uint64(span.duration);
  const { serviceName, address } = span.localEndpoint;
  writer.tag(8, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(serviceName);
  writer.tag(address.length === 4 ? 2 : 3, WireType.LengthDelimited).bytes(address);
  writer.join();
  writer.tag(10, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.Bit64).fixed64(span.annotation.timestamp);
  writer.tag(2, WireType.LengthDelimited).string(span.annotation.value);
  writer.join();
  for (const [name, value] of span.tags) {
    writer.tag(11, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(name);
    writer.tag(2, WireType.LengthDelimited).string(value);
    writer.join();
  }
  if (span.shared) writer.tag(13, WireType.Varint).bool(true);
  writer.join();
  return writer.finish();
}

/**
 * Envoy writes ids of spans in the order of its processor, which is the opposite of the text's. Spans of one trace belong
 * together only if all who report them do the same.
 */
function spanBytes(id: string): Buffer {
  return Buffer.from(id, 'hex').reverse();
}
