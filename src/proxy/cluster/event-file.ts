import fs from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** What may wait for a slow disk; lines beyond it are dropped rather than kept. */
const MAX_WAITING = 1024 * 1024;

/** A file that events are appended to, one JSON object a line. It is opened when the first comes. */
export class EventFile {
  readonly #path: string;
  readonly #log: Logger;
  #stream: fs.WriteStream | undefined = undefined;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  write(event: object): void {
    if (this.#stream === undefined) {
      this.#stream = fs.createWriteStream(this.#path, { flags: 'a' });
      this.#stream.on('error', (error) => this.#log.warn(`cannot write events to ${this.#path}: ${messageOf(error)}`));
    }
    if (this.#stream.destroyed || this.#stream.writableLength > MAX_WAITING) return;
    this.#stream.write(`${JSON.stringify(event)}\n`);
  }

  close(): void {
    this.#stream?.end();
  }
}
