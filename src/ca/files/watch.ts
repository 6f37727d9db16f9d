import crypto from 'node:crypto';
import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { FolderEvents } from './folder-events.ts';
import type { FileSet } from './read.ts';

export interface FileWatchOptions {
  readonly read: () => Promise<FileSet>;
  /** Takes the new content. What it throws goes to `onError`, and the same content is not offered again. */
  readonly onChange: (files: FileSet) => void | Promise<void>;
  /** Told once of each problem, however often it is met. */
  readonly onError: (error: unknown) => void;
  readonly clock: Clock;
  /** How long at most until the files are read again. */
  readonly intervalMs: number;
  /** Paths of the files, which are read at once when the kernel tells of a change in their folders. */
  readonly paths?: readonly string[];
}

/** Writers of several files do not write them at once: wait this long after the last change. */
const SETTLE_MS = 20;

/**
 * Follows files by reading them again and comparing hashes: when the kernel tells of a change, and at intervals, for it
 * does not tell of all that reaches a folder through links, mounts or the network. A change is offered when two
 * readings in a row agree on it, so that a set of files that is copied one by one is not taken half way.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  #taken: string;
  #seen: string;
  #problem: string | undefined;
  #cancel: Cancel | undefined;
  readonly #events: FolderEvents | undefined;
  readonly #settleMs: number;
  #reading = false;
  /** Something has happened since the reading began that is going on. */
  #stale = false;
  #closed = false;

  /** `initial` is what the owner has read already. */
  constructor(initial: FileSet, options: FileWatchOptions) {
    this.#options = options;
    this.#taken = this.#seen = hashOf(initial);
    const { paths, intervalMs } = options;
    this.#settleMs = paths ? Math.min(SETTLE_MS, intervalMs) : intervalMs;
    this.#events = paths && new FolderEvents(paths, () => this.#lookSoon());
    // What has happened between the reading of `initial` and now, nobody tells of.
    this.#schedule(this.#settleMs);
  }

  close(): void {
    this.#closed = true;
    this.#events?.close();
    this.#cancel?.();
  }

  #lookSoon(): void {
    if (this.#reading) this.#stale = true;
    else this.#schedule(this.#settleMs);
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    this.#cancel?.();
    this.#cancel = this.#options.clock.setTimer(ms, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    this.#reading = true;
    this.#stale = false;
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
      this.#seen = this.#taken;
    } finally {
      this.#reading = false;
      const isSettled = this.#seen === this.#taken && !this.#stale;
      this.#schedule(isSettled ? this.#options.intervalMs : this.#settleMs);
    }
  }
}

export function hashOf(files: FileSet): string {
  const hash = crypto.createHash('sha256');
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name}\0${text.length}\0`).update(text);
  return hash.digest('hex');
}
