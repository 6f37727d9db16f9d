import fs from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Timer, Timers } from './timers.ts';

/** Writers of several files do not write them at once: wait this long after the last change. */
const SETTLE_MS = 50;
/** How often a folder that cannot be watched is tried again. */
const RETRY_MS = 10_000;

interface Folder {
  watcher: fs.FSWatcher | undefined;
  readonly listeners: Set<() => void>;
  settling: Timer | undefined;
  retry: Timer | undefined;
  /** Whether it was logged that it cannot be watched. */
  lost: boolean;
}

/**
 * Tells of changes in folders that hold certificates or resources. A listener is called when something in the folder may have
 * changed, which it finds out by reading: Kubernetes replaces mounted files by moving a link, others write in place.
 */
export class FileWatcher {
  readonly #folders = new Map<string, Folder>();
  readonly #timers: Timers;
  readonly #log: Logger;

  constructor(timers: Timers, log: Logger) {
    this.#timers = timers;
    this.#log = log;
  }

  /** Returns what ends it. */
  watch(path: string, onChange: () => void): () => void {
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = { watcher: undefined, listeners: new Set(), settling: undefined, retry: undefined, lost: false };
      this.#folders.set(path, folder);
      this.#open(path, folder);
    }
    const { listeners } = folder;
    const listener = () => onChange();
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      this.#close(folder);
      this.#folders.delete(path);
    };
  }

  close(): void {
    for (const folder of this.#folders.values()) this.#close(folder);
    this.#folders.clear();
  }

  #open(path: string, folder: Folder): void {
    try {
      folder.watcher = fs.watch(path, { persistent: false }, () => this.#changed(folder));
      folder.watcher.on('error', (error) => this.#lost(path, folder, error));
      folder.lost = false;
    } catch (error) {
      this.#lost(path, folder, error);
    }
  }

  #lost(path: string, folder: Folder, error: unknown): void {
    folder.watcher?.close();
    folder.watcher = undefined;
    if (!folder.lost) this.#log.warn(`cannot watch ${path} for changes, trying again: ${messageOf(error)}`);
    folder.lost = true;
    folder.retry?.cancel();
    folder.retry = this.#timers.start(RETRY_MS, () => {
      this.#open(path, folder);
      this.#changed(folder);
    });
  }

  #changed(folder: Folder): void {
    folder.settling?.cancel();
    folder.settling = this.#timers.start(SETTLE_MS, () => {
      for (const listener of [...folder.listeners]) listener();
    });
  }

  #close(folder: Folder): void {
    folder.watcher?.close();
    folder.settling?.cancel();
    folder.retry?.cancel();
  }
}
