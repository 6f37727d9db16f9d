const INITIAL_SIZE = 1024;

/** Writes MessagePack (the specification of 2017): the kinds of values that spans have. */
export class MsgpackWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_SIZE);
  #length = 0;

  /** Makes room for so many bytes, and returns where they begin. */
  #grow(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  /** A head of a length that is in the type up to `fixed`, or takes 2 or 4 bytes behind `type` and the next one. */
  #head(length: number, fixed: number, base: number, type: number): void {
    if (length <= fixed) {
      this.#byte(base | length);
    } else if (length <= 0xffff) {
      this.#byte(type);
      const at = this.#grow(2);
      this.#bytes.writeUInt16BE(length, at);
    } else {
      this.#byte(type + 1);
      const at = this.#grow(4);
      this.#bytes.writeUInt32BE(length, at);
    }
  }

  /** So many values follow. */
  list(length: number): this {
    this.#head(length, 15, 0x90, 0xdc);
    return this;
  }

  /** So many pairs of values follow. */
  map(length: number): this {
    this.#head(length, 15, 0x80, 0xde);
    return this;
  }

  text(text: string): this {
    const length = Buffer.byteLength(text);
    this.#head(length, 31, 0xa0, 0xda);
    const at = this.#grow(length);
    this.#bytes.write(text, at);
    return this;
  }

  unsigned(value: bigint): this {
    if (value < 0x80n) {
      this.#byte(Number(value));
      return this;
    }
    this.#byte(0xcf);
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64BE(value, at);
    return this;
  }

  double(value: number): this {
    this.#byte(0xcb);
    const at = this.#grow(8);
    this.#bytes.writeDoubleBE(value, at);
    return this;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
