import { latin1Slice } from '../../base/bytes.ts';
import { FieldKind, type FieldName, fieldName, nameOf, STATIC_NAMES, STATIC_VALUES, validValue } from './fields.ts';
import { huffmanCapacity, huffmanDecode } from './huffman.ts';

/** Receives the fields of a header block in order. */
export interface FieldSink {
  /**
   * One field. The value has no whitespace around it. If the name's kind is {@link FieldKind}.Invalid then the name or
   * the value is not to be used.
   */
  field(name: FieldName, value: string): void;
}

/** What a field costs in a dynamic table besides its octets (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32;
/** `SETTINGS_HEADER_TABLE_SIZE` where nobody has said anything. */
export const DEFAULT_TABLE_SIZE = 4096;

const STATIC_COUNT = STATIC_NAMES.length - 1;
/** What {@link HpackDecoder} reads as an integer is a length or an index: more than 28 bits can be neither. */
const MAX_INTEGER_SHIFT = 21;

/** Where Huffman code is decoded to; it grows to the longest string ever seen, which the frame size bounds. */
let scratch = new Uint8Array(4096);

/** The decoding half of one connection's header compression (RFC 7541). */
export class HpackDecoder {
  /** The table size that we allow. */
  #limit: number;
  /** The table size that the peer has chosen. */
  #capacity: number;
  /** The limit fell below the capacity: the next block must begin with a size update (section 4.2). */
  #updateDue = false;
  // The dynamic table: a ring in parallel arrays, whose newest entry is at #newest.
  #names: FieldName[] = [];
  #values: string[] = [];
  #sizes: number[] = [];
  #newest = -1;
  #count = 0;
  #bytes = 0;
  /** Where reading is; fields and not results, so that no call allocates. */
  #at = 0;
  #value = '';
  #valueValid = true;
  #huffman = false;

  constructor(limit: number = DEFAULT_TABLE_SIZE) {
    this.#limit = limit;
    this.#capacity = Math.min(limit, DEFAULT_TABLE_SIZE);
  }

  /** Octets that the dynamic table holds, as section 4.1 counts them. */
  get tableBytes(): number {
    return this.#bytes;
  }

  /** Entries of the dynamic table. */
  get tableLength(): number {
    return this.#count;
  }

  /** Changes the allowed table size. To be called when the peer has acknowledged the setting. */
  setLimit(limit: number): void {
    this.#limit = limit;
    if (limit < this.#capacity) this.#updateDue = true;
  }

  /**
   * Decodes one whole header block, `start` to `end` of `bytes`. Returns false if it breaks the rules of compression;
   * the two ends then no longer agree and the connection cannot go on (COMPRESSION_ERROR).
   */
  decode(bytes: Uint8Array, start: number, end: number, sink: FieldSink): boolean {
    this.#at = start;
    let first = true;
    while (this.#at < end) {
      const byte = bytes[this.#at];
      if (byte >= 128) {
        const index = this.#integer(bytes, end, 127);
        if (index <= 0) return false;
        if (index <= STATIC_COUNT) {
          sink.field(STATIC_NAMES[index], STATIC_VALUES[index]);
        } else {
          const slot = this.#slot(index);
          if (slot < 0) return false;
          sink.field(this.#names[slot], this.#values[slot]);
        }
      } else if (byte >= 64) {
        if (!this.#literal(bytes, end, 63, sink)) return false;
      } else if (byte < 32) {
        if (!this.#literal(bytes, end, 15, sink)) return false;
      } else {
        const size = this.#integer(bytes, end, 31);
        if (!first || size < 0 || size > this.#limit) return false;
        this.#updateDue = false;
        this.#capacity = size;
        this.#evict(0);
        continue;
      }
      if (first) {
        if (this.#updateDue) return false;
        first = false;
      }
    }
    return true;
  }

  #literal(bytes: Uint8Array, end: number, mask: number, sink: FieldSink): boolean {
    const index = this.#integer(bytes, end, mask);
    let name: FieldName;
    if (index > 0 && index <= STATIC_COUNT) {
      name = STATIC_NAMES[index];
    } else if (index > 0) {
      const slot = this.#slot(index);
      if (slot < 0) return false;
      name = this.#names[slot];
      // The entry may be invalid for its value only.
      if (name.kind === FieldKind.Invalid) name = nameOf(name.text);
    } else {
      const known = index === 0 ? this.#readName(bytes, end) : undefined;
      if (known === undefined) return false;
      name = known;
    }
    const size = this.#readValue(bytes, end, name.kind);
    if (size < 0) return false;
    const value = this.#value;
    const valid = this.#valueValid && (name.kind !== FieldKind.Te || value === 'trailers');
    const field = valid ? name : { text: name.text, kind: FieldKind.Invalid };
    if (mask === 63) this.#insert(field, value, name.text.length + size + ENTRY_OVERHEAD);
    sink.field(field, value);
    return true;
  }

  /** Reads a string literal as a name; undefined if it is broken. */
  #readName(bytes: Uint8Array, end: number): FieldName | undefined {
    const length = this.#stringLength(bytes, end);
    if (length < 0) return undefined;
    const from = this.#at;
    const to = (this.#at = from + length);
    if (!this.#huffman) return fieldName(latin1Slice(bytes, from, to), bytes, from, to);
    const decoded = decodeToScratch(bytes, from, to);
    return decoded < 0 ? undefined : fieldName(latin1Slice(scratch, 0, decoded), scratch, 0, decoded);
  }

  /** Reads a string literal into #value and #valueValid; returns its length before it was trimmed, -1 if broken. */
  #readValue(bytes: Uint8Array, end: number, kind: FieldKind): number {
    const length = this.#stringLength(bytes, end);
    if (length < 0) return -1;
    let source = bytes;
    let from = this.#at;
    let to = from + length;
    this.#at = to;
    if (this.#huffman) {
      to = decodeToScratch(bytes, from, to);
      if (to < 0) return -1;
      source = scratch;
      from = 0;
    }
    const size = to - from;
    if (kind < FieldKind.Method) {
      while (from < to && (source[from] === 32 || source[from] === 9)) from++;
      while (from < to && (source[to - 1] === 32 || source[to - 1] === 9)) to--;
    }
    this.#valueValid = validValue(kind, source, from, to);
    this.#value = from === to ? '' : latin1Slice(source, from, to);
    return size;
  }

  /** Reads the head of a string literal (section 5.2); -1 if the string does not fit into the block. */
  #stringLength(bytes: Uint8Array, end: number): number {
    if (this.#at >= end) return -1;
    this.#huffman = bytes[this.#at] >= 128;
    const length = this.#integer(bytes, end, 127);
    return length >= 0 && length <= end - this.#at ? length : -1;
  }

  /** Reads an integer (section 5.1) whose prefix `mask` covers; -1 if it is cut short or absurdly large. */
  #integer(bytes: Uint8Array, end: number, mask: number): number {
    let value = bytes[this.#at++] & mask;
    if (value < mask) return value;
    for (let shift = 0; this.#at < end && shift <= MAX_INTEGER_SHIFT; shift += 7) {
      const byte = bytes[this.#at++];
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return -1;
  }

  /** Where the entry of an index above the static table is, or -1. */
  #slot(index: number): number {
    const age = index - STATIC_COUNT - 1;
    if (age >= this.#count) return -1;
    const slot = this.#newest - age;
    return slot < 0 ? slot + this.#names.length : slot;
  }

  #insert(name: FieldName, value: string, size: number): void {
    this.#evict(size);
    if (size > this.#capacity) return;
    if (this.#count === this.#names.length) this.#grow();
    this.#newest = this.#newest + 1 === this.#names.length ? 0 : this.#newest + 1;
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#sizes[this.#newest] = size;
    this.#count++;
    this.#bytes += size;
  }

  /** Drops the oldest entries until another one of `size` fits, or none is left. */
  #evict(size: number): void {
    while (this.#count > 0 && this.#bytes + size > this.#capacity) {
      const oldest = this.#newest - --this.#count;
      const slot = oldest < 0 ? oldest + this.#names.length : oldest;
      this.#bytes -= this.#sizes[slot];
      this.#values[slot] = '';
    }
  }

  /** Doubles the ring. Entries have 32 octets at least, so it stays in proportion to the table size. */
  #grow(): void {
    const from = this.#newest + 1;
    const turn = <T>(ring: T[]): T[] => ring.slice(from).concat(ring.slice(0, from));
    this.#names = turn(this.#names);
    this.#values = turn(this.#values);
    this.#sizes = turn(this.#sizes);
    this.#newest = this.#count - 1;
    const length = Math.max(16, this.#count * 2);
    while (this.#names.length < length) {
      this.#names.push(STATIC_NAMES[0]);
      this.#values.push('');
      this.#sizes.push(0);
    }
  }
}

function decodeToScratch(bytes: Uint8Array, start: number, end: number): number {
  const capacity = huffmanCapacity(end - start);
  if (scratch.length < capacity) scratch = new Uint8Array(capacity * 2);
  return huffmanDecode(bytes, start, end, scratch);
}
