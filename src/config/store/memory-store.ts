import { isDeepStrictEqual } from 'node:util';
import type { ConfigMessage } from '../message.ts';
import type { ConfigObject } from '../object.ts';
import type { ReadEntry } from '../read.ts';
import { refusals } from './batch.ts';
import { canonical } from './canonical.ts';
import { Subscribers, withIdentity } from './changes.ts';
import { ObjectsSnapshot } from './objects.ts';
import type { ConfigChange, ConfigSnapshot } from './snapshot.ts';
import type { ApplyResult, ConfigStore, RemoveResult, WriteOptions } from './store.ts';

export interface MemoryStoreOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A store that keeps its objects in memory only. */
export class MemoryStore implements ConfigStore {
  private current = ObjectsSnapshot.empty;
  private readonly subscribers = new Subscribers();
  private readonly warnings = new Map<string, readonly ConfigMessage[]>();
  private readonly now: () => number;

  constructor(options: MemoryStoreOptions = {}) {
    this.now = options.now ?? Date.now;
  }

  get snapshot(): ConfigSnapshot {
    return this.current;
  }

  subscribe(listener: (change: ConfigChange) => void): () => void {
    return this.subscribers.add(listener);
  }

  async apply(entries: readonly ReadEntry[], options: WriteOptions = {}): Promise<ApplyResult[]> {
    const changes = new Map<string, ConfigObject | undefined>();
    const refused = refusals(entries);
    const results = entries.map((entry, i): ApplyResult => {
      const { key, object, warnings } = entry;
      const errors = refused[i];
      if (errors !== undefined) return { key, outcome: 'error', errors, warnings };
      if (key === undefined || object === undefined) return { key, outcome: 'unused', errors: [], warnings };
      const before = this.current.find(key);
      if (before !== undefined && isDeepStrictEqual(canonical(before), canonical(object)))
        return { key, outcome: 'unchanged', errors: [], warnings };
      changes.set(
        key,
        withIdentity(object, {
          created: before?.metadata.creationTimestamp ?? this.now(),
          generation: (before?.metadata.generation ?? 0) + 1,
        }),
      );
      if (!options.dryRun) this.warnings.set(key, warnings);
      return { key, outcome: before === undefined ? 'created' : 'configured', errors: [], warnings };
    });
    if (!options.dryRun) this.commit(changes);
    return results;
  }

  async remove(keys: readonly string[], options: WriteOptions = {}): Promise<RemoveResult[]> {
    const changes = new Map<string, undefined>();
    const results = keys.map((key): RemoveResult => {
      const isThere = this.current.find(key) !== undefined && !changes.has(key);
      if (isThere) changes.set(key, undefined);
      return { key, outcome: isThere ? 'deleted' : 'not found', errors: [] };
    });
    if (!options.dryRun) {
      for (const key of changes.keys()) this.warnings.delete(key);
      this.commit(changes);
    }
    return results;
  }

  async close(): Promise<void> {
    this.subscribers.clear();
  }

  private commit(changes: ReadonlyMap<string, ConfigObject | undefined>): void {
    if (changes.size === 0) return;
    const keys = [...changes.keys()];
    const before = this.current;
    this.current = before.next(changes, [], [...this.warnings.values()].flat());
    this.subscribers.notify({
      snapshot: this.current,
      added: keys.filter((key) => before.find(key) === undefined),
      updated: keys.filter((key) => before.find(key) !== undefined && changes.get(key) !== undefined),
      removed: keys.filter((key) => changes.get(key) === undefined),
      moved: [],
    });
  }
}
