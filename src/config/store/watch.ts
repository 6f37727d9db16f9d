import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';

export interface WatchOptions {
  /** Milliseconds of silence after which changes are told: an editor's write, rename and chmod are one change. */
  readonly quiet: number;
  /** Milliseconds after which changes are told although there is no silence. */
  readonly atMost: number;
}

/**
 * Tells which paths below some directories may have changed. It may tell too much, and where the file system sends no
 * events it tells nothing: look for yourself from time to time.
 */
export class DirectoryWatch {
  private readonly watchers = new Map<string, FSWatcher>();
  private readonly onDirty: (paths: ReadonlySet<string>) => void;
  private readonly options: WatchOptions;
  private dirty = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private deadline = 0;
  private closed = false;

  constructor(options: WatchOptions, onDirty: (paths: ReadonlySet<string>) => void) {
    this.options = options;
    this.onDirty = onDirty;
  }

  /** Watches these directories and no others. Returns whether any of them is new. */
  setDirectories(directories: ReadonlySet<string>): boolean {
    if (this.closed) return false;
    for (const [directory, watcher] of this.watchers) {
      if (!directories.has(directory)) {
        watcher.close();
        this.watchers.delete(directory);
      }
    }
    const fresh = [...directories].filter((directory) => !this.watchers.has(directory));
    return fresh.filter((directory) => this.open(directory)).length > 0;
  }

  private open(directory: string): boolean {
    try {
      const watcher = watch(directory, (_, name) => {
        // `..data` is the link through which all files of a mounted ConfigMap change at once.
        if (name === null || name.startsWith('..')) this.mark(directory);
        else if (!name.startsWith('.')) this.mark(join(directory, name));
      });
      watcher.on('error', () => this.drop(directory, watcher));
      this.watchers.set(directory, watcher);
      return true;
    } catch {
      // Gone already, or no more watches to be had: the one who looks from time to time will see.
      return false;
    }
  }

  private drop(directory: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.watchers.get(directory) === watcher) this.watchers.delete(directory);
    this.mark(directory);
  }

  private mark(path: string): void {
    if (this.closed) return;
    const now = performance.now();
    if (this.dirty.size === 0) this.deadline = now + this.options.atMost;
    this.dirty.add(path);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), Math.max(0, Math.min(this.options.quiet, this.deadline - now)));
  }

  private tell(): void {
    const paths = this.dirty;
    this.dirty = new Set();
    this.onDirty(paths);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const watcher of this.watchers.values()) watcher.close();
    this.watchers.clear();
  }
}
