import { isUtf8 } from 'node:buffer';

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
  return isAscii(text) ? text : encodeText(text).toString('latin1');
}

/** The text that latin1 characters from the wire spell in UTF-8; malformed bytes become U+FFFD. */
export function fromWireForm(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'latin1').toString('utf8');
}

/**
 * The same, but nothing is lost: a byte that is not UTF-8 becomes the lone surrogate U+DC00 + byte, which `wireForm` and
 * `encodeText` make a byte again.
 */
export function keepingBytes(text: string): string {
  if (isAscii(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let kept = '';
  for (let i = 0; i < bytes.length; ) {
    const length = sequenceLength(bytes[i]);
    const sequence = bytes.subarray(i, i + length);
    if (length > 0 && sequence.length === length && isUtf8(sequence)) {
      kept += sequence.toString('utf8');
      i += length;
    } else kept += String.fromCharCode(ESCAPE + bytes[i++]);
  }
  return kept;
}

/** The bytes of a text in UTF-8, and those that `keepingBytes` has kept. */
export function encodeText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.charCodeAt(0);
    const isKept = character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
    parts.push(isKept ? Buffer.from([code - ESCAPE]) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}

const ESCAPE = 0xdc00;

/** Bytes of the UTF-8 sequence that begins so; 0 for none. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Makes bytes of a buffer that is used again last. */
export type KeepBytes = (bytes: Uint8Array, start: number, end: number) => Uint8Array;

/** By a copy. */
export const copyBytes: KeepBytes = (bytes, start, end) => Buffer.from(bytes.subarray(start, end));
