import fs from 'node:fs';
import path from 'node:path';

interface Watched {
  readonly watcher: fs.FSWatcher;
  /** Tells a folder from another one that took its place. */
  readonly inode: bigint;
}

/**
 * Tells that something has happened in a folder that files lie in, or are to lie in: where a folder is not there yet,
 * in the nearest one above it. What the kernel does not tell of is missed: another machine's writes to a network file
 * system, a link further up that points elsewhere, a folder that may not be read.
 */
export class FolderEvents {
  readonly #folders: readonly string[];
  readonly #onEvent: () => void;
  readonly #watched = new Map<string, Watched>();
  #closed = false;

  constructor(files: readonly string[], onEvent: () => void) {
    this.#folders = [...new Set(files.map((file) => path.dirname(path.resolve(file))))];
    this.#onEvent = onEvent;
    this.#follow();
  }

  close(): void {
    this.#closed = true;
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  /** Watches the folders as they are now: those that have appeared, and those that took the place of another. */
  #follow(): void {
    const present = new Map(this.#folders.map(nearestFolder).flatMap((found) => (found ? [found] : [])));
    for (const [folder, { watcher, inode }] of this.#watched) {
      if (present.get(folder) === inode) continue;
      watcher.close();
      this.#watched.delete(folder);
    }
    for (const [folder, inode] of present) {
      if (this.#watched.has(folder)) continue;
      try {
        const watcher = fs.watch(folder, { persistent: false }, () => this.#changed());
        watcher.on('error', () => this.#lost(folder, watcher));
        this.#watched.set(folder, { watcher, inode });
      } catch {
        // As with everything that the kernel does not tell of.
      }
    }
  }

  #changed(): void {
    if (this.#closed) return;
    this.#follow();
    this.#onEvent();
  }

  #lost(folder: string, watcher: fs.FSWatcher): void {
    watcher.close();
    if (this.#watched.get(folder)?.watcher === watcher) this.#watched.delete(folder);
  }
}

/** The folder with its inode, or the nearest one above it that is there. */
function nearestFolder(folder: string): readonly [string, bigint] | undefined {
  for (let at = folder; ; at = path.dirname(at)) {
    const stats = fs.statSync(at, { bigint: true, throwIfNoEntry: false });
    if (stats?.isDirectory()) return [at, stats.ino];
    if (at === path.dirname(at)) return undefined;
  }
}
