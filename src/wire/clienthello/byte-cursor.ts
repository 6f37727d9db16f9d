import { latin1Slice } from '../../base/bytes.ts';

/**
 * Reads big-endian numbers and length-prefixed vectors from a range of bytes. What does not fit sets `failed` and reads
 * as nothing, so that a parser can look once at the end.
 */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  failed = false;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  /** Everything was read, and nothing was missing. */
  get exhausted(): boolean {
    return !this.failed && this.left === 0;
  }

  /** A number of `size` octets. */
  number(size: 1 | 2 | 3): number {
    if (this.left < size) return this.#fail();
    let value = 0;
    for (let i = 0; i < size; i++) value = (value << 8) | this.#bytes[this.#at++];
    return value;
  }

  skip(count: number): void {
    if (this.left < count) this.#fail();
    else this.#at += count;
  }

  /** A vector whose length stands before it in `size` octets. */
  vector(size: 1 | 2): ByteCursor {
    const length = this.number(size);
    if (this.left < length) this.#fail();
    const start = this.#at;
    this.#at = this.failed ? this.#end : start + length;
    return new ByteCursor(this.#bytes, start, this.#at);
  }

  /** What is left, as text with one character an octet. */
  text(): string {
    const text = latin1Slice(this.#bytes, this.#at, this.#end);
    this.#at = this.#end;
    return text;
  }

  /** What is left, as numbers of `size` octets each. */
  numbers(size: 1 | 2): number[] {
    const values: number[] = [];
    if (this.left % size !== 0) this.#fail();
    while (!this.failed && this.left > 0) values.push(this.number(size));
    return values;
  }

  #fail(): number {
    this.failed = true;
    this.#at = this.#end;
    return 0;
  }
}
