interface Latin1Sliceable {
  latin1Slice?(start: number, end: number): string;
}

const native = (Buffer.prototype as Latin1Sliceable).latin1Slice;

/**
 * Bytes `start` to `end` as a string with one character per byte. Goes straight to the method under
 * `Buffer.toString('latin1')` where the runtime has it, because parsing heads is the hottest thing a proxy does.
 */
export const latin1Slice: (bytes: Uint8Array, start: number, end: number) => string = native
  ? (bytes, start, end) => native.call(bytes, start, end)
  : (bytes, start, end) => Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
