import type { UnknownField } from '@bufbuild/protobuf';

/** A field of messages or strings (wire type 2) that was encoded before: its number, the length and the bytes. */
export function lengthDelimited(fieldNumber: number, bytes: Uint8Array): Uint8Array[] {
  return [varint(fieldNumber * 8 + 2), varint(bytes.length), bytes];
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** The parts behind each other, in one array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const result = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

/** A message field that the generated code does not know, for `$unknown` of the message that it is in. */
export function messageField(no: number, bytes: Uint8Array): UnknownField {
  return { no, wireType: 2, data: concat([varint(bytes.length), bytes]) };
}
