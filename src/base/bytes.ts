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

/** A text as it looks on a wire that is read as latin1: one character for each byte of its UTF-8 form. */
export function wireForm(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

/** The text that latin1 characters from the wire spell in UTF-8; malformed bytes become U+FFFD. */
export function fromWireForm(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
