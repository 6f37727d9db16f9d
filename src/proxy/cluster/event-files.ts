import type { Logger } from '../../base/log.ts';
import { EventFile } from './event-file.ts';

/** The files that events of clusters go to; those with the same path share one. */
export class EventFiles {
  readonly #log: Logger;
  readonly #files = new Map<string, EventFile>();

  constructor(log: Logger) {
    this.#log = log;
  }

  get(path: string): EventFile {
    let file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, (file = new EventFile(path, this.#log)));
    return file;
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}
