/**
 * BSON (bsonspec.org), as far as MongoDB's legacy messages carry it: read only. The types that the protocol has dropped
 * long ago, and decimals, are not among them.
 */

/** What cannot be read. The message says why. */
export class MongoError extends Error {}

export const BsonType = {
  Double: 0x01,
  String: 0x02,
  Document: 0x03,
  Array: 0x04,
  Binary: 0x05,
  ObjectId: 0x07,
  Boolean: 0x08,
  Datetime: 0x09,
  Null: 0x0a,
  Regex: 0x0b,
  Symbol: 0x0e,
  Int32: 0x10,
  Timestamp: 0x11,
  Int64: 0x12,
} as const;

/** One element of a document. */
export type BsonField = { readonly key: string } & (
  | { readonly type: typeof BsonType.Double; readonly value: number }
  | { readonly type: typeof BsonType.String | typeof BsonType.Symbol; readonly value: string }
  | { readonly type: typeof BsonType.Document | typeof BsonType.Array; readonly value: BsonDocument }
  | { readonly type: typeof BsonType.Binary | typeof BsonType.ObjectId; readonly value: Uint8Array }
  | { readonly type: typeof BsonType.Boolean; readonly value: boolean }
  | { readonly type: typeof BsonType.Null; readonly value: null }
  | { readonly type: typeof BsonType.Regex; readonly value: { readonly pattern: string; readonly options: string } }
  | { readonly type: typeof BsonType.Int32; readonly value: number }
  | {
      readonly type: typeof BsonType.Datetime | typeof BsonType.Timestamp | typeof BsonType.Int64;
      readonly value: bigint;
    }
);

/** A document, or an array, whose keys are then the indices. */
export interface BsonDocument {
  readonly fields: readonly BsonField[];
  /** Bytes that it took, its own length included. */
  readonly byteLength: number;
}

/** MongoDB's own bound for documents in documents. */
const MAX_DEPTH = 100;
const OBJECT_ID_LENGTH = 12;

/** Reads from the front of bytes; whatever would lead behind their end is a {@link MongoError}. */
export class MongoReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get position(): number {
    return this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#end - at) throw new MongoError('invalid buffer size');
    this.#at = at + length;
    return at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)];
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  cString(): string {
    const zero = this.#bytes.indexOf(0, this.#at);
    if (zero < 0 || zero >= this.#end) throw new MongoError('invalid CString');
    const text = this.#bytes.toString('utf8', this.#at, zero);
    this.#at = zero + 1;
    return text;
  }

  /** A length, and as many bytes; the text ends before the first zero among them. */
  string(): string {
    const bytes = this.bytes(this.int32()) as Buffer;
    const zero = bytes.indexOf(0);
    if (zero < 0) throw new MongoError('invalid string');
    return bytes.toString('utf8', 0, zero);
  }

  document(depth = 0): BsonDocument {
    if (depth > MAX_DEPTH) throw new MongoError('BSON document is too deep');
    const start = this.#at;
    const length = this.int32();
    const end = start + length;
    if (length < 5 || end > this.#end) throw new MongoError('invalid BSON message length');
    const fields: BsonField[] = [];
    while (this.#at < end - 1) fields.push(this.#field(depth));
    if (this.#at !== end - 1 || this.byte() !== 0) throw new MongoError('invalid document');
    return { fields, byteLength: length };
  }

  #field(depth: number): BsonField {
    const type = this.byte();
    const key = this.cString();
    switch (type) {
      case BsonType.Double:
        return { key, type, value: this.double() };
      case BsonType.String:
      case BsonType.Symbol:
        return { key, type, value: this.string() };
      case BsonType.Document:
      case BsonType.Array:
        return { key, type, value: this.document(depth + 1) };
      case BsonType.Binary: {
        const length = this.int32();
        this.byte();
        return { key, type, value: this.bytes(length) };
      }
      case BsonType.ObjectId:
        return { key, type, value: this.bytes(OBJECT_ID_LENGTH) };
      case BsonType.Boolean:
        return { key, type, value: this.byte() !== 0 };
      case BsonType.Null:
        return { key, type, value: null };
      case BsonType.Regex:
        return { key, type, value: { pattern: this.cString(), options: this.cString() } };
      case BsonType.Int32:
        return { key, type, value: this.int32() };
      case BsonType.Datetime:
      case BsonType.Timestamp:
      case BsonType.Int64:
        return { key, type, value: this.int64() };
      default:
        throw new MongoError(`invalid BSON element type: 0x${type.toString(16)} key: ${key}`);
    }
  }
}

/** The first field of a name, and of one of the types where they matter. */
export function fieldOf(document: BsonDocument, key: string, ...types: readonly number[]): BsonField | undefined {
  return document.fields.find((field) => field.key === key && (types.length === 0 || types.includes(field.type)));
}
