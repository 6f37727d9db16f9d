import { TranscodeError } from './json-reader.ts';

const QUOTE = 34;
const APOSTROPHE = 39;
const COMMA = 44;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

const NOTHING = new Uint8Array(0);

const isSpace = (byte: number) => byte === 32 || (byte >= 9 && byte <= 13);

/** Cuts a JSON list into the texts of its elements, in whatever pieces it comes. What is in them is not looked at. */
export class JsonElements {
  #begun = false;
  #ended = false;
  /** Lists and objects that are open within the element. */
  #depth = 0;
  /** The quote that ends the string we are in, or 0. */
  #quote = 0;
  #escaped = false;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** The element has more in it than white space. */
  #filled = false;

  /** Bytes of an element that is not complete. */
  get waiting(): number {
    return this.#bytes;
  }

  /** Throws a {@link TranscodeError} if it is no list. */
  receive(chunk: Uint8Array, end: boolean, onElement: (text: Uint8Array) => void): void {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (!this.#begun) {
        if (isSpace(byte)) continue;
        this.#begin(byte);
        from = i + 1;
      } else if (this.#ended) {
        if (!isSpace(byte)) throw new TranscodeError('Parsing terminated before end of input.');
      } else if (this.#endsElement(byte)) {
        const text = this.#take(chunk.subarray(from, i));
        from = i + 1;
        if (this.#filled) onElement(text);
        else if (byte === COMMA) throw new TranscodeError('Expected a value.');
        this.#filled = false;
        this.#ended = byte === CLOSE_LIST;
      }
    }
    if (this.#begun && !this.#ended && from < chunk.length) {
      this.#chunks.push(chunk.subarray(from));
      this.#bytes += chunk.length - from;
    }
    if (!end || this.#ended) return;
    if (!this.#begun) throw new TranscodeError('Expected an array instead of an object');
    // The text of what has begun says best what is missing.
    if (this.#filled) onElement(this.#take(NOTHING));
    throw new TranscodeError('Unexpected end of string. Expected , or ] after array value.');
  }

  #begin(byte: number): void {
    if (byte !== OPEN_LIST) {
      const found = byte === OPEN_OBJECT ? 'an object' : 'a scalar value.';
      throw new TranscodeError(`Expected an array instead of ${found}`);
    }
    this.#begun = true;
  }

  /** Goes on by one byte. */
  #endsElement(byte: number): boolean {
    if (this.#quote !== 0) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === this.#quote) this.#quote = 0;
      return false;
    }
    if (this.#depth === 0 && (byte === COMMA || byte === CLOSE_LIST)) return true;
    if (isSpace(byte)) return false;
    this.#filled = true;
    if (byte === QUOTE || byte === APOSTROPHE) this.#quote = byte;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#depth++;
    else if ((byte === CLOSE_LIST || byte === CLOSE_OBJECT) && this.#depth > 0) this.#depth--;
    return false;
  }

  #take(last: Uint8Array): Uint8Array {
    const text = this.#chunks.length === 0 ? last : Buffer.concat([...this.#chunks, last]);
    this.#chunks = [];
    this.#bytes = 0;
    return text;
  }
}
