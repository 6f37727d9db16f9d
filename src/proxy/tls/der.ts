/** Identifier octets of the ASN.1 types that certificates and CRLs hold (X.690 section 8.1.2). */
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
  BmpString: 0x1e,
  UniversalString: 0x1c,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** Identifier octet of a context-specific tag. */
export const context = (number: number, constructed: boolean): number => 0x80 | (constructed ? 0x20 : 0) | number;

/** Bytes that are not the DER they should be. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** One type-length-value; `bytes` is all of it. */
export interface Element {
  readonly tag: number;
  readonly bytes: Buffer;
  readonly content: Buffer;
}

/**
 * The elements of one constructed value, in order. OpenSSL has read every certificate before we do, so this has only to
 * find things and never to read past the end; nesting is the caller's, so input cannot make it recurse.
 */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next element, whatever its type. */
  any(): Element {
    const bytes = this.#bytes;
    const start = this.#at;
    if (start + 2 > bytes.length) throw new DerError('cut short');
    const tag = bytes[start];
    if ((tag & 0x1f) === 0x1f) throw new DerError('long tag');
    let length = bytes[start + 1];
    let at = start + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4 || at + octets > bytes.length) throw new DerError('bad length');
      length = bytes.readUIntBE(at, octets);
      at += octets;
    }
    if (length > bytes.length - at) throw new DerError('length beyond the end');
    this.#at = at + length;
    return { tag, bytes: bytes.subarray(start, this.#at), content: bytes.subarray(at, this.#at) };
  }

  next(tag: number): Element {
    const element = this.any();
    if (element.tag !== tag) throw new DerError(`tag ${element.tag} instead of ${tag}`);
    return element;
  }

  /** The next element if it has this tag. */
  optional(tag: number): Element | undefined {
    return !this.done && this.#bytes[this.#at] === tag ? this.any() : undefined;
  }

  /** The elements inside the next one, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }
}

/** The content of an OBJECT IDENTIFIER in dotted form. */
export function oidOf(content: Buffer): string {
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    if (value > 2 ** 45) throw new DerError('object identifier out of range');
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (parts.length === 0) {
      const first = Math.min(Math.floor(value / 40), 2);
      parts.push(first, value - first * 40);
    } else {
      parts.push(value);
    }
    value = 0;
  }
  return parts.join('.');
}

/** A UTCTime or GeneralizedTime in Zulu time, in milliseconds since 1970 (RFC 5280 section 4.1.2.5). */
export function timeOf({ tag, content }: Element): number {
  const text = content.toString('latin1');
  const match = /^(\d\d\d\d|\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null || (tag === Tag.UtcTime) !== (match[1].length === 2)) throw new DerError('not a time');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(tag === Tag.UtcTime ? year + (year < 50 ? 2000 : 1900) : year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}
