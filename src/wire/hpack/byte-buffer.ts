/** Bytes that grow at the end. Whoever writes makes sure of the room first and then writes to `bytes` from `length` on. */
export class ByteBuffer {
  bytes: Buffer;
  length = 0;

  constructor(capacity: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

interface Latin1Writable {
  latin1Write?(text: string, offset: number): number;
}

const native = (Buffer.prototype as Latin1Writable).latin1Write;

/**
 * Writes a string as one byte a character and returns their number. Goes straight to the method under
 * `Buffer.write(..., 'latin1')` where the runtime has it.
 */
export const latin1Write: (to: Buffer, text: string, at: number) => number = native
  ? (to, text, at) => native.call(to, text, at)
  : (to, text, at) => to.write(text, at, 'latin1');
