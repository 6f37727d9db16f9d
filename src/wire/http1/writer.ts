import { latin1Slice } from '../../base/bytes.ts';
import type { Headers } from '../headers.ts';
import type { Output } from '../http.ts';
import { properCase } from './names.ts';

/** How the body of an outgoing message is delimited. */
export const Delimiting = { None: 0, Length: 1, Chunked: 2, Close: 3, Raw: 4 } as const;
export type Delimiting = (typeof Delimiting)[keyof typeof Delimiting];

/** Bodies up to this size are joined with what is written before them; larger ones are written as they are. */
const JOIN = 2048;
const LAST_CHUNK = '0\r\n\r\n';

/** A name as it is written: as the message came with it, or as the codec's options have it. */
export function spelled(name: string, headers: Headers, proper: boolean): string {
  const { originalNames } = headers;
  if (originalNames !== undefined) return originalNames.get(name) ?? name;
  return proper ? properCase(name) : name;
}

/** Header lines of a message, without the empty line. */
export function headerLines(headers: Headers, proper: boolean): string {
  let text = '';
  const size = headers.size;
  if (headers.originalNames === undefined && !proper) {
    for (let i = 0; i < size; i++) text += headers.nameAt(i) + ': ' + headers.valueAt(i) + '\r\n';
    return text;
  }
  for (let i = 0; i < size; i++) text += `${spelled(headers.nameAt(i), headers, proper)}: ${headers.valueAt(i)}\r\n`;
  return text;
}

/** Writes bodies. Heads are text that waits for the body's first piece, so that a small message leaves in one write. */
export class BodyWriter {
  readonly #output: Output;
  #delimiting: Delimiting = Delimiting.None;

  constructor(output: Output) {
    this.#output = output;
  }

  get delimiting(): Delimiting {
    return this.#delimiting;
  }

  start(delimiting: Delimiting): void {
    this.#delimiting = delimiting;
  }

  write(chunk: Uint8Array, end: boolean): void {
    const chunked = this.#delimiting === Delimiting.Chunked;
    const size = chunk.length;
    if (this.#delimiting === Delimiting.None) return;
    if (size === 0) {
      if (chunked && end) this.#output.writeLatin1(LAST_CHUNK);
      return;
    }
    if (size <= JOIN) {
      const text = latin1Slice(chunk, 0, size);
      if (!chunked) this.#output.writeLatin1(text);
      else this.#output.writeLatin1(size.toString(16) + '\r\n' + text + (end ? `\r\n${LAST_CHUNK}` : '\r\n'));
      return;
    }
    if (chunked) this.#output.writeLatin1(`${size.toString(16)}\r\n`);
    this.#output.write(chunk);
    if (chunked) this.#output.writeLatin1(end ? `\r\n${LAST_CHUNK}` : '\r\n');
  }

  /** The last chunk and the trailer section; without chunks there is no place for trailers. */
  trailers(lines: string): void {
    if (this.#delimiting === Delimiting.Chunked) this.#output.writeLatin1(`0\r\n${lines}\r\n`);
  }
}
