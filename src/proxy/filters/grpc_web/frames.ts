import type { Headers } from '../../../wire/headers.ts';

const PREFIX = 5;
const TRAILERS_FLAG = 0x80;
const EMPTY = Buffer.alloc(0);

/** Decodes base64 that comes in pieces. */
export class Base64Decoder {
  #rest = '';

  /** What was wrong if it is none: something in it, or its length at the end. */
  decode(chunk: Uint8Array, end: boolean): Buffer | 'malformed' | 'bad size' {
    const text = this.#rest + Buffer.from(chunk).toString('latin1');
    const usable = text.length - (text.length % 4);
    this.#rest = text.slice(usable);
    if (end && this.#rest !== '') return 'bad size';
    const groups = text.slice(0, usable);
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/.test(groups)) return 'malformed';
    return Buffer.from(groups, 'base64');
  }
}

/** Puts whole frames into base64, each by itself, as clients expect of `grpc-web-text`. */
export class FrameEncoder {
  #rest: Buffer = EMPTY;

  encode(chunk: Uint8Array): Buffer {
    let bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const texts: string[] = [];
    while (bytes.length >= PREFIX) {
      const length = PREFIX + bytes.readUInt32BE(1);
      if (bytes.length < length) break;
      texts.push(bytes.toString('base64', 0, length));
      bytes = bytes.subarray(length);
    }
    this.#rest = bytes;
    return Buffer.from(texts.join(''), 'latin1');
  }

  /** Bytes of a frame that is not complete. */
  get waiting(): number {
    return this.#rest.length;
  }
}

/** Trailers as the last frame of the body (grpc/grpc `doc/PROTOCOL-WEB.md`). */
export function trailersFrame(trailers: Headers): Buffer {
  let text = '';
  for (let i = 0; i < trailers.size; i++) text += `${trailers.nameAt(i)}:${trailers.valueAt(i)}\r\n`;
  const block = Buffer.from(text, 'latin1');
  const prefix = Buffer.alloc(PREFIX);
  prefix[0] = TRAILERS_FLAG;
  prefix.writeUInt32BE(block.length, 1);
  return Buffer.concat([prefix, block]);
}
