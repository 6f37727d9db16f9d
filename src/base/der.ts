/** Tags of the ASN.1 types that certificates and revocation lists use, identifier octet included (X.690 section 8.1.2). */
export const Tag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  Null: 0x05,
  ObjectIdentifier: 0x06,
  Enumerated: 0x0a,
  Utf8String: 0x0c,
  PrintableString: 0x13,
  TeletexString: 0x14,
  Ia5String: 0x16,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  UniversalString: 0x1c,
  BmpString: 0x1e,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** Identifier octet of a context-specific tag below 31. */
export const contextTag = (number: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | number;

/** Bytes that are not the DER they should be. The message says what was being read. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

const THE_VALUE = 'the value';

/** One type-length-value. */
export interface Element {
  readonly tag: number;
  /** Identifier, length and content. */
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/**
 * Reads the elements of one constructed value in order. It takes DER only: definite lengths in their shortest form,
 * tags below 31, nothing past the end. Nesting is the caller's, so input cannot make it recurse. `what` is how messages
 * call what is being read.
 */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next element, whatever its type. */
  any(what = THE_VALUE): Element {
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes.length - start < 2) throw new DerError(`${what} is missing or cut short`);
    const tag = bytes[start];
    if ((tag & 0x1f) === 0x1f) throw new DerError(`${what} has a tag of more than one byte`);
    let length = bytes[start + 1];
    let content = start + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0) throw new DerError(`${what} has an indefinite length`);
      if (count > 4 || bytes.length - content < count) throw new DerError(`${what} has a length beyond the input`);
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + bytes[content++];
      if (length < 0x80 || length < 256 ** (count - 1))
        throw new DerError(`${what} has a length that is not in its shortest form`);
    }
    const end = content + length;
    if (end > bytes.length) throw new DerError(`${what} has a length beyond the input`);
    this.#at = end;
    return { tag, bytes: bytes.subarray(start, end), content: bytes.subarray(content, end) };
  }

  /** The next element, which must have this tag. */
  next(tag: number, what = THE_VALUE): Element {
    const element = this.any(what);
    if (element.tag !== tag)
      throw new DerError(`${what} has tag 0x${element.tag.toString(16)} where 0x${tag.toString(16)} should be`);
    return element;
  }

  /** The next element if it has this tag. */
  optional(tag: number, what = THE_VALUE): Element | undefined {
    return !this.done && this.#bytes[this.#at] === tag ? this.any(what) : undefined;
  }

  /** The elements inside the next one, which must have this tag. */
  enter(tag: number, what = THE_VALUE): DerReader {
    return new DerReader(this.next(tag, what).content);
  }

  /** Insists that nothing is left. */
  end(what: string): void {
    if (!this.done) throw new DerError(`${what} has bytes after its end`);
  }
}

/** Reads a value that is one element and nothing else. */
export function readOnly(bytes: Uint8Array, tag: number, what: string): Element {
  const reader = new DerReader(bytes);
  const element = reader.next(tag, what);
  reader.end(what);
  return element;
}

/** An INTEGER that must be small and not negative. */
export function readSmallInteger(element: Element, what: string): number {
  const { content } = element;
  if (content.length === 0 || content.length > 4 || content[0] >= 0x80)
    throw new DerError(`${what} is not a small integer`);
  if (content.length > 1 && content[0] === 0 && content[1] < 0x80)
    throw new DerError(`${what} is not in its shortest form`);
  return content.reduce((n, byte) => n * 256 + byte, 0);
}

export function readBoolean(element: Element, what: string): boolean {
  const { content } = element;
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError(`${what} is not a boolean`);
  return content[0] !== 0;
}

/** The bytes of a BIT STRING of whole octets. */
export function readBitString(element: Element, what: string): Uint8Array {
  if (element.content[0] !== 0) throw new DerError(`${what} is not a string of whole octets`);
  return element.content.subarray(1);
}

/** An OBJECT IDENTIFIER in dotted form. */
export function readOid(element: Element, what = THE_VALUE): string {
  const { content } = element;
  if (content.length === 0 || content.length > 64 || content[content.length - 1] >= 0x80)
    throw new DerError(`${what} is not an object identifier`);
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    if (value > 2 ** 45) throw new DerError(`${what} has a component that is too large`);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (parts.length === 0) {
        const first = Math.min(Math.floor(value / 40), 2);
        parts.push(first, value - first * 40);
      } else parts.push(value);
      value = 0;
    }
  }
  return parts.join('.');
}

const TIMES: Record<number, RegExp> = {
  [Tag.UtcTime]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [Tag.GeneralizedTime]: /^(\d\d\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
};

/** A `Time` as RFC 5280 section 4.1.2.5 allows it, in milliseconds since 1970. */
export function readTime(element: Element, what = THE_VALUE): number {
  const match = TIMES[element.tag]?.exec(Buffer.from(element.content).toString('latin1'));
  if (!match) throw new DerError(`${what} is not a time`);
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const century = element.tag === Tag.UtcTime ? (year < 50 ? 2000 : 1900) : 0;
  const time = Date.UTC(0, month - 1, day, hour, minute, second);
  const date = new Date(time);
  date.setUTCFullYear(century + year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new DerError(`${what} is not a time`);
  return date.getTime();
}

/** One element from its tag and the pieces of its content. */
export function encode(tag: number, ...pieces: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : length < 0x10000
          ? [tag, 0x82, length >> 8, length & 0xff]
          : [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
  const bytes = Buffer.allocUnsafe(header.length + length);
  bytes.set(header);
  let at = header.length;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export const sequence = (...pieces: readonly Uint8Array[]): Buffer => encode(Tag.Sequence, ...pieces);

/** A non-negative INTEGER from its big-endian magnitude. */
export function encodeInteger(magnitude: Uint8Array | number): Buffer {
  let bytes = typeof magnitude === 'number' ? Uint8Array.of(magnitude) : magnitude;
  let zeros = 0;
  while (zeros < bytes.length - 1 && bytes[zeros] === 0) zeros++;
  bytes = bytes.subarray(zeros);
  return bytes[0] >= 0x80 ? encode(Tag.Integer, Uint8Array.of(0), bytes) : encode(Tag.Integer, bytes);
}

export function encodeOid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const component of [first * 40 + second, ...rest]) {
    const groups = [component & 0x7f];
    for (let n = Math.floor(component / 128); n > 0; n = Math.floor(n / 128)) groups.unshift((n & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return encode(Tag.ObjectIdentifier, Uint8Array.from(bytes));
}

export const encodeBoolean = (value: boolean): Buffer => encode(Tag.Boolean, Uint8Array.of(value ? 0xff : 0));
export const encodeOctetString = (bytes: Uint8Array): Buffer => encode(Tag.OctetString, bytes);
export const encodeBitString = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  encode(Tag.BitString, Uint8Array.of(unusedBits), bytes);

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 section 4.1.2.5); fractions of a second are cut. */
export function encodeTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050
    ? encode(Tag.UtcTime, Buffer.from(`${digits.slice(2)}Z`))
    : encode(Tag.GeneralizedTime, Buffer.from(`${digits}Z`));
}
