import { isDeepStrictEqual } from 'node:util';
import type { ConfigMessage } from '../message.ts';
import type { ConfigObject } from '../object.ts';
import type { ReadEntry } from '../read.ts';
import type { AppliedPlaces, Kept } from './applied-places.ts';
import { refusals } from './batch.ts';
import { canonical } from './canonical.ts';
import { Subscribers, sameContent } from './changes.ts';
import { ObjectsSnapshot } from './objects.ts';
import type { ConfigChange, ConfigSnapshot } from './snapshot.ts';
import type { ApplyResult, ConfigStore, RemoveResult, WriteOptions } from './store.ts';

/** The stores that a local mesh's configuration is made of. They are closed with the whole. */
export interface Layers {
  /** The folder that a person keeps: read, and never written. */
  readonly files: ConfigStore;
  /** What was applied while the mesh runs. */
  readonly applied: ConfigStore;
  /** What the mesh itself adds, such as the pods that it has started. Nobody else writes it. */
  readonly runtime: ConfigStore;
}

/** What is known beside the objects, kept where a restart finds it. */
export interface LayerNotes {
  /** Keys of objects of the files that were deleted while the mesh runs. */
  readonly deleted: Kept<readonly string[]>;
  /** Where objects that were applied come from. */
  readonly places: AppliedPlaces;
}

/**
 * One configuration out of three. What was applied stands before what the files say, until somebody edits the file: who
 * spoke last is heard. Deleting an object that a file has hides it, also until the file says something new about it.
 * The mesh's own objects stand before all.
 */
export class LayeredStore implements ConfigStore {
  private readonly layers: Layers;
  private readonly notes: LayerNotes;
  private readonly whole: MergedView;
  private readonly people: MergedView;
  private readonly ends: (() => void)[];
  /** The deleted keys as a set, made again when they have changed. */
  private hidden: { readonly list: readonly string[]; readonly keys: ReadonlySet<string> } = {
    list: [],
    keys: new Set(),
  };
  private queue: Promise<unknown> = Promise.resolve();
  /** Applied objects that stand before one of a file, with the age of that one. */
  private readonly aged = new WeakMap<ConfigObject, ConfigObject>();

  constructor(layers: Layers, notes: LayerNotes) {
    this.layers = layers;
    this.notes = notes;
    const { files, applied, runtime } = layers;
    const retell = (store: ConfigStore, message: ConfigMessage) =>
      store === applied ? notes.places.retell(message, objectsOf(applied).get(message.key ?? '')) : message;
    this.people = new MergedView([files, applied], (key) => this.writtenObject(key), retell);
    this.whole = new MergedView(
      [files, applied, runtime],
      (key) => objectsOf(runtime).get(key) ?? this.writtenObject(key),
      retell,
    );
    this.ends = [
      layers.files.subscribe((change) => this.filesChanged(change)),
      layers.applied.subscribe((change) => this.merge(keysOf(change))),
      layers.runtime.subscribe((change) => this.merge(keysOf(change))),
    ];
  }

  get snapshot(): ConfigSnapshot {
    return this.whole.snapshot;
  }

  subscribe(listener: (change: ConfigChange) => void): () => void {
    return this.whole.subscribe(listener);
  }

  /** The mesh's own objects. */
  get runtime(): ConfigStore {
    return this.layers.runtime;
  }

  /** What people have said, in files or by applying: without the mesh's own objects. */
  get written(): Pick<ConfigStore, 'snapshot' | 'subscribe'> {
    return this.people;
  }

  /** A file has said something new about objects: that holds, whatever was applied or deleted before. */
  private filesChanged(change: ConfigChange): void {
    const keys = keysOf(change);
    const spoken = [...change.added, ...change.updated];
    const stale = spoken.filter((key) => objectsOf(this.layers.applied).has(key));
    const revived = spoken.filter((key) => this.isDeleted(key));
    if (stale.length === 0 && revived.length === 0) {
      this.merge(keys);
      return;
    }
    this.enqueue(async () => {
      await this.revive(revived);
      if (stale.length > 0) {
        await this.layers.applied.remove(stale);
        await this.notes.places.forget(stale);
      }
      this.merge(keys);
    }).catch(() => this.merge(keys));
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const outcome = this.queue.then(task);
    this.queue = outcome.catch(() => undefined);
    return outcome;
  }

  private isDeleted(key: string): boolean {
    const { value } = this.notes.deleted;
    if (this.hidden.list !== value) this.hidden = { list: value, keys: new Set(value) };
    return this.hidden.keys.has(key);
  }

  private async revive(keys: readonly string[]): Promise<void> {
    const { deleted } = this.notes;
    if (keys.length > 0) await deleted.set(deleted.value.filter((key) => !keys.includes(key)));
  }

  private async hide(keys: readonly string[]): Promise<void> {
    const { deleted } = this.notes;
    if (keys.length > 0) await deleted.set([...new Set([...deleted.value, ...keys])]);
  }

  private writtenObject(key: string): ConfigObject | undefined {
    const { files, applied } = this.layers;
    const copy = objectsOf(applied).get(key);
    const own = copy && this.notes.places.place(key, copy);
    const written = this.isDeleted(key) ? undefined : objectsOf(files).get(key);
    return own !== undefined && written !== undefined ? this.changed(written, own) : (own ?? written);
  }

  /** An object that was changed by applying it is as old as before: age decides which of two objects wins. */
  private changed(before: ConfigObject, after: ConfigObject): ConfigObject {
    const { creationTimestamp, generation = 1 } = before.metadata;
    if (creationTimestamp >= after.metadata.creationTimestamp) return after;
    const known = this.aged.get(after);
    if (known?.metadata.creationTimestamp === creationTimestamp) return known;
    const metadata = {
      ...after.metadata,
      creationTimestamp,
      generation: generation + (after.metadata.generation ?? 1),
    };
    const aged = { ...after, metadata };
    this.aged.set(after, aged);
    return aged;
  }

  private merge(keys: readonly string[]): void {
    this.people.merge(keys);
    this.whole.merge(keys);
  }

  apply(entries: readonly ReadEntry[], options: WriteOptions = {}): Promise<ApplyResult[]> {
    return this.enqueue(async () => {
      const refused = refusals(entries);
      const again: ReadEntry[] = [];
      const wanted: ReadEntry[] = [];
      const results = entries.map((entry, i): ApplyResult | undefined => {
        const { key, object, warnings } = entry;
        const errors = refused[i];
        if (errors !== undefined) return { key, outcome: 'error', errors, warnings };
        if (key === undefined || object === undefined) return { key, outcome: 'unused', errors: [], warnings };
        // A Pod that somebody wrote is among the mesh's own as well, once it runs.
        const before = this.people.snapshot.find(key);
        if (before === undefined && objectsOf(this.layers.runtime).has(key)) {
          const message = "is the mesh's own and cannot be changed by applying it";
          return { key, outcome: 'error', errors: [{ message, at: entry.at, key }], warnings };
        }
        if (before !== undefined && isDeepStrictEqual(canonical(before), canonical(object))) {
          if (objectsOf(this.layers.applied).has(key)) again.push(entry);
          return { key, outcome: 'unchanged', errors: [], warnings };
        }
        wanted.push(entry);
        return undefined;
      });
      const existed = new Set(wanted.map((e) => e.key!).filter((key) => this.people.snapshot.find(key) !== undefined));
      const placed = [...wanted, ...again];
      if (!options.dryRun) await this.notes.places.note(placed);
      // What its file says counts again, for the age of what is written over it: both are one change.
      const revived = options.dryRun ? [] : wanted.map((e) => e.key!).filter((key) => this.isDeleted(key));
      await this.revive(revived);
      const written = await this.layers.applied.apply(wanted, options);
      const failed = written.flatMap(({ key, outcome }) => (outcome === 'error' && key !== undefined ? [key] : []));
      await this.hide(revived.filter((key) => failed.includes(key)));
      if (!options.dryRun) this.merge(placed.map((e) => e.key!));
      let next = 0;
      return results.map((result) => {
        if (result !== undefined) return result;
        const { outcome, ...rest } = written[next++]!;
        if (outcome === 'error') return { ...rest, outcome };
        return { ...rest, outcome: existed.has(rest.key!) ? 'configured' : 'created' };
      });
    });
  }

  remove(keys: readonly string[], options: WriteOptions = {}): Promise<RemoveResult[]> {
    return this.enqueue(async () => {
      const seen = new Set<string>();
      const results = keys.map((key): RemoveResult => {
        const isThere = this.people.snapshot.find(key) !== undefined && !seen.has(key);
        const own = isThere ? undefined : objectsOf(this.layers.runtime).get(key);
        if (own !== undefined && !seen.has(key)) {
          const message = "is the mesh's own and cannot be deleted";
          return { key, outcome: 'error', errors: [{ message, at: own.locate([]), key }] };
        }
        seen.add(key);
        return { key, outcome: isThere ? 'deleted' : 'not found', errors: [] };
      });
      if (options.dryRun) return results;
      const gone = results.filter((r) => r.outcome === 'deleted').map((r) => r.key);
      const hidden = gone.filter((key) => objectsOf(this.layers.files).has(key));
      const { places } = this.notes;
      await this.hide(hidden);
      const applied = gone.filter((key) => objectsOf(this.layers.applied).has(key));
      const failed = new Map(
        (applied.length > 0 ? await this.layers.applied.remove(applied) : [])
          .filter((r) => r.outcome === 'error')
          .map((r) => [r.key, r]),
      );
      await places.forget(applied.filter((key) => !failed.has(key)));
      this.merge(gone);
      return results.map((result) => failed.get(result.key) ?? result);
    });
  }

  async close(): Promise<void> {
    for (const end of this.ends) end();
    await this.queue;
    await Promise.all([this.layers.files.close(), this.layers.applied.close(), this.layers.runtime.close()]);
    this.people.clear();
    this.whole.clear();
  }
}

/** One configuration out of several stores, by a rule that says which one's object holds. */
class MergedView {
  private readonly stores: readonly ConfigStore[];
  private readonly winner: (key: string) => ConfigObject | undefined;
  private readonly retell: (store: ConfigStore, message: ConfigMessage) => ConfigMessage;
  private readonly subscribers = new Subscribers();
  private current = ObjectsSnapshot.empty;

  constructor(
    stores: readonly ConfigStore[],
    winner: (key: string) => ConfigObject | undefined,
    retell: (store: ConfigStore, message: ConfigMessage) => ConfigMessage,
  ) {
    this.stores = stores;
    this.winner = winner;
    this.retell = retell;
    this.merge(new Set(stores.flatMap((store) => [...objectsOf(store).keys()])));
    if (this.current.number === 0) this.current = this.current.next(new Map(), [], []);
  }

  get snapshot(): ObjectsSnapshot {
    return this.current;
  }

  subscribe(listener: (change: ConfigChange) => void): () => void {
    return this.subscribers.add(listener);
  }

  clear(): void {
    this.subscribers.clear();
  }

  /** Looks at objects anew, and at what the stores have to say. */
  merge(keys: Iterable<string>): void {
    const changes = new Map<string, ConfigObject | undefined>();
    const outcome = { added: [] as string[], updated: [] as string[], removed: [] as string[], moved: [] as string[] };
    for (const key of keys) {
      const before = this.current.find(key);
      const after = this.winner(key);
      if (before === after) continue;
      changes.set(key, after);
      if (before === undefined) outcome.added.push(key);
      else if (after === undefined) outcome.removed.push(key);
      else outcome[sameContent(before, after) ? 'moved' : 'updated'].push(key);
    }
    const rejected = this.stores.flatMap((store) => store.snapshot.rejected);
    const warnings = this.stores.flatMap((store) => store.snapshot.warnings.map((w) => this.retell(store, w)));
    const told =
      !isDeepStrictEqual(rejected, this.current.rejected) || !isDeepStrictEqual(warnings, this.current.warnings);
    if (changes.size === 0 && !told) return;
    this.current = this.current.next(changes, rejected, warnings);
    this.subscribers.notify({ ...outcome, snapshot: this.current });
  }
}

/** The objects of a store by key; every store's snapshots are of this class. */
function objectsOf(store: ConfigStore): {
  get(key: string): ConfigObject | undefined;
  has(key: string): boolean;
  keys(): Iterable<string>;
} {
  const snapshot = store.snapshot as ObjectsSnapshot;
  return {
    get: (key) => snapshot.find(key),
    has: (key) => snapshot.find(key) !== undefined,
    keys: () => snapshot.keys(),
  };
}

function keysOf({ added, updated, removed, moved }: ConfigChange): string[] {
  return [...added, ...updated, ...removed, ...moved];
}
