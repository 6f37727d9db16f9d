import type { Headers } from '../headers.ts';
import { type ByteBuffer, latin1Write } from './byte-buffer.ts';
import { DEFAULT_TABLE_SIZE, ENTRY_OVERHEAD } from './decoder.ts';
import { STATIC_NAMES, STATIC_VALUES } from './fields.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';

const STATIC_COUNT = STATIC_NAMES.length - 1;
/** First index of each name in the static table. */
const STATIC_INDEX = new Map<string, number>();
for (let i = STATIC_COUNT; i > 0; i--) STATIC_INDEX.set(STATIC_NAMES[i].text, i);

// Indexes of whole fields in the static table (RFC 7541 appendix A).
const GET_INDEX = 2;
const POST_INDEX = 3;
const ROOT_INDEX = 4;
const HTTP_INDEX = 6;
const HTTPS_INDEX = 7;
/** Statuses that have an index of their own. */
const STATUS_INDEXES = new Uint8Array(1000);
for (let i = 1; i <= STATIC_COUNT; i++) {
  if (STATIC_NAMES[i].text === ':status') STATUS_INDEXES[Number(STATIC_VALUES[i])] = i;
}

/** Fields that must not be guessed through the size of what is sent (RFC 7541 section 7.1). */
const SENSITIVE = new Set(['authorization', 'proxy-authorization']);
/**
 * Fields that belong to one HTTP/1 connection (RFC 9113 section 8.2.2). They should have been removed long before; a peer
 * that got one would have to give up the message, and most give up the connection.
 */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** A cookie below this length could be guessed value by value. */
const SHORT_COOKIE = 20;

/** Values of one name that are looked for in the table. */
const VALUES_KEPT = 4;
/** Names that the encoder keeps in mind; others are sent as they are. */
const NAMES_KEPT = 256;
/** Above this length copying is left to the engine. */
const COPY_BY_HAND = 24;

/**
 * What is known of one header name. Values that change with every message would only push better ones out of the
 * table. So a value is entered when it comes a second time, or when the name itself is not in any table yet.
 */
class NameSlot {
  readonly staticIndex: number;
  readonly sensitive: boolean;
  readonly forbidden: boolean;
  /** Values in the table and the numbers of their entries, newest at `last`; some may be evicted already. */
  readonly values: string[] = [];
  readonly entries: number[] = [];
  last = -1;
  /** Marks of the last values that were sent without being entered; not the values, which may be long. */
  missed = 0;
  missedBefore = 0;

  constructor(name: string) {
    this.staticIndex = STATIC_INDEX.get(name) ?? 0;
    this.sensitive = SENSITIVE.has(name);
    this.forbidden = FORBIDDEN.has(name);
  }

  add(value: string, entry: number): void {
    this.last = this.last + 1 === VALUES_KEPT ? 0 : this.last + 1;
    this.values[this.last] = value;
    this.entries[this.last] = entry;
  }
}

/** The encoding half of one connection's header compression (RFC 7541). */
export class HpackEncoder {
  /** The most that we would use, whatever the peer allows. */
  readonly #preferred: number;
  #capacity: number;
  /** The next block has to begin with a size update (section 4.2). */
  #announce = false;
  #slots = new Map<string, NameSlot>();
  /** Number of the next entry. Entries from #oldest on are in the table. */
  #next = 1;
  #oldest = 1;
  /** Sizes of the entries, by number modulo the length. */
  #sizes: Uint32Array | undefined = undefined;
  #bytes = 0;

  /** `preferred` is the table size that we would like; it is announced if it is below the default. */
  constructor(preferred: number = DEFAULT_TABLE_SIZE) {
    this.#preferred = preferred;
    this.#capacity = DEFAULT_TABLE_SIZE;
    this.setMaxTableSize(DEFAULT_TABLE_SIZE);
  }

  /** Octets that the dynamic table holds, as section 4.1 counts them. */
  get tableBytes(): number {
    return this.#bytes;
  }

  /** The peer's `SETTINGS_HEADER_TABLE_SIZE`. */
  setMaxTableSize(max: number): void {
    const capacity = Math.min(max, this.#preferred);
    if (capacity === this.#capacity) return;
    this.#announce = true;
    this.#capacity = capacity;
    // Both sides start again with an empty table: settings change once, at the start of a connection.
    this.#slots.clear();
    this.#sizes = undefined;
    this.#oldest = this.#next;
    this.#bytes = 0;
  }

  /**
   * Appends the header block of a message, or of trailers, pseudo-headers first. Names have to be lower-case; headers that
   * belong to an HTTP/1 connection are left out.
   */
  encode(headers: Headers, out: ByteBuffer): void {
    if (this.#announce) {
      this.#announce = false;
      out.reserve(8);
      out.bytes[out.length++] = 32;
      if (this.#capacity > 0) writeInteger(out, 32, 31, this.#capacity);
    }
    const { status, method } = headers;
    if (status !== 0) {
      const index = STATUS_INDEXES[status];
      if (index > 0) writeIndex(out, index);
      else this.#field(':status', String(status), out);
    } else if (method !== '') {
      const { path, authority, scheme, protocol } = headers;
      if (method === 'GET') writeIndex(out, GET_INDEX);
      else if (method === 'POST') writeIndex(out, POST_INDEX);
      else this.#field(':method', method, out);
      if (path === '/') writeIndex(out, ROOT_INDEX);
      else if (path !== '') this.#field(':path', path, out);
      if (authority !== '') this.#field(':authority', authority, out);
      if (scheme === 'http') writeIndex(out, HTTP_INDEX);
      else if (scheme === 'https') writeIndex(out, HTTPS_INDEX);
      else if (scheme !== '') this.#field(':scheme', scheme, out);
      if (protocol !== '') this.#field(':protocol', protocol, out);
    }
    const size = headers.size;
    for (let i = 0; i < size; i++) this.#field(headers.nameAt(i), headers.valueAt(i), out);
  }

  #field(name: string, value: string, out: ByteBuffer): void {
    const slot = this.#slots.get(name) ?? this.#newSlot(name);
    if (slot === undefined) {
      if (!FORBIDDEN.has(name)) this.#literal(0, STATIC_INDEX.get(name) ?? 0, name, value, out);
      return;
    }
    if (slot.forbidden) return;
    const oldest = this.#oldest;
    const { values, entries } = slot;
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== value || entries[i] < oldest) continue;
      out.reserve(6);
      writeInteger(out, 128, 127, STATIC_COUNT + this.#next - entries[i]);
      return;
    }
    let nameIndex = slot.staticIndex;
    if (nameIndex === 0 && slot.last >= 0 && entries[slot.last] >= oldest) {
      nameIndex = STATIC_COUNT + this.#next - entries[slot.last];
    }
    if (slot.sensitive || (name === 'cookie' && value.length < SHORT_COOKIE)) {
      this.#literal(16, nameIndex, name, value, out);
      return;
    }
    const size = name.length + value.length + ENTRY_OVERHEAD;
    const mark = markOf(value);
    const again = mark === slot.missed || mark === slot.missedBefore;
    if ((again || nameIndex === 0) && size <= this.#capacity >> 1) {
      this.#literal(64, nameIndex, name, value, out);
      this.#evict(size);
      this.#insert(size);
      slot.add(value, this.#next - 1);
    } else {
      this.#literal(0, nameIndex, name, value, out);
      slot.missedBefore = slot.missed;
      slot.missed = mark;
    }
  }

  #newSlot(name: string): NameSlot | undefined {
    const slots = this.#slots;
    if (slots.size >= NAMES_KEPT) {
      for (const [key, slot] of slots) {
        if (slot.last < 0 || slot.entries[slot.last] < this.#oldest) slots.delete(key);
      }
      if (slots.size >= NAMES_KEPT) return undefined;
    }
    const slot = new NameSlot(name);
    slots.set(name, slot);
    return slot;
  }

  /** Writes a literal; `kind` is 64 to enter it into the table, 0 not to, 16 to forbid it for all who forward it. */
  #literal(kind: number, nameIndex: number, name: string, value: string, out: ByteBuffer): void {
    out.reserve(name.length + value.length + 20);
    writeInteger(out, kind, kind === 64 ? 63 : 15, nameIndex);
    if (nameIndex === 0) writeCompressed(out, name);
    // What is sent once in a while is worth the time of making it small; the rest is not.
    if (kind === 64) writeCompressed(out, value);
    else writePlain(out, value);
  }

  #insert(size: number): void {
    let sizes = this.#sizes;
    if (sizes === undefined) sizes = this.#sizes = new Uint32Array((this.#capacity >> 5) + 1);
    sizes[this.#next % sizes.length] = size;
    this.#next++;
    this.#bytes += size;
  }

  #evict(size: number): void {
    const sizes = this.#sizes;
    if (sizes === undefined) return;
    while (this.#oldest < this.#next && this.#bytes + size > this.#capacity) {
      this.#bytes -= sizes[this.#oldest++ % sizes.length];
    }
  }
}

/**
 * A number that another value hardly shares; two that do cost a useless entry in the table, no more. Of a long value it
 * looks at some sixty characters.
 */
function markOf(value: string): number {
  const { length } = value;
  const step = 1 + (length >> 6);
  let mark = length + 1;
  for (let i = length - 1; i >= 0; i -= step) mark = (Math.imul(mark, 31) + value.charCodeAt(i)) | 0;
  return mark;
}

/** A whole field of the static table. */
function writeIndex(out: ByteBuffer, index: number): void {
  out.reserve(1);
  out.bytes[out.length++] = 128 | index;
}

function writeInteger(out: ByteBuffer, first: number, mask: number, value: number): void {
  const { bytes } = out;
  if (value < mask) {
    bytes[out.length++] = first | value;
    return;
  }
  bytes[out.length++] = first | mask;
  let rest = value - mask;
  while (rest >= 128) {
    bytes[out.length++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[out.length++] = rest;
}

function writePlain(out: ByteBuffer, text: string): void {
  const { length } = text;
  writeInteger(out, 0, 127, length);
  const { bytes } = out;
  let to = out.length;
  if (length <= COPY_BY_HAND) for (let i = 0; i < length; i++) bytes[to++] = text.charCodeAt(i);
  else to += latin1Write(bytes, text, to);
  out.length = to;
}

function writeCompressed(out: ByteBuffer, text: string): void {
  const length = huffmanLength(text);
  if (length >= text.length) {
    writePlain(out, text);
    return;
  }
  writeInteger(out, 128, 127, length);
  out.length = huffmanEncode(text, out.bytes, out.length);
}
