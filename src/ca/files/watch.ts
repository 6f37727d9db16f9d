import crypto from 'node:crypto';
import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { FileSet } from './read.ts';

export interface FileWatchOptions {
  readonly read: () => Promise<FileSet>;
  /** Takes the new content. What it throws goes to `onError`, and the same content is not offered again. */
  readonly onChange: (files: FileSet) => void | Promise<void>;
  /** Told once of each problem, however often it is met. */
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
  readonly intervalMs: number;
}

/**
 * Follows files by reading them again and comparing hashes: certificates are few and small, and notification by the
 * kernel misses what reaches a folder through links, mounts or the network. A change is offered when two readings in
 * a row agree on it, so that a set of files that is copied one by one is not taken half way.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  #taken: string;
  #seen: string;
  #problem: string | undefined;
  #cancel: Cancel | undefined;
  #closed = false;

  /** `initial` is what the owner has read already. */
  constructor(initial: FileSet, options: FileWatchOptions) {
    this.#options = options;
    this.#taken = this.#seen = hashOf(initial);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.setTimer(this.#options.intervalMs, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      const files = await this.#options.read();
      const hash = hashOf(files);
      const settled = hash === this.#seen;
      this.#seen = hash;
      if (settled && hash !== this.#taken && !this.#closed) {
        this.#taken = hash;
        this.#problem = undefined;
        await this.#options.onChange(files);
      }
    } catch (error) {
      if (messageOf(error) !== this.#problem) this.#options.onError(error);
      this.#problem = messageOf(error);
    } finally {
      this.#schedule();
    }
  }
}

export function hashOf(files: FileSet): string {
  const hash = crypto.createHash('sha256');
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${text.length}\0`).update(text);
  return hash.digest('hex');
}
