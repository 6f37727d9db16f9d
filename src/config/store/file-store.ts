import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';
import { kindById } from '../kinds/index.ts';
import type { ConfigMessage } from '../message.ts';
import { type ReadEntry, type ReadFileOptions, type ReadResult, readObjects } from '../read.ts';
import { writeYaml } from '../yaml/write.ts';
import { refusals } from './batch.ts';
import { canonical, whole } from './canonical.ts';
import { Subscribers } from './changes.ts';
import { Claims } from './claims.ts';
import { type Edit, editText } from './edit.ts';
import {
  type FileStamp,
  isConfigFile,
  isDirectory,
  listDirectory,
  orUndefined,
  removeFile,
  replaceFile,
  sameStamp,
  stampOf,
  together,
} from './files.ts';
import { ObjectsSnapshot, splitKey } from './objects.ts';
import type { ConfigChange, ConfigSnapshot } from './snapshot.ts';
import { AcceptedState } from './state.ts';
import type { ApplyResult, ConfigStore, RemoveResult, WriteOptions } from './store.ts';
import { DirectoryWatch } from './watch.ts';

export interface FileStoreOptions extends ReadFileOptions {
  /** Every .yaml, .yml and .json file in it and below is configuration. */
  readonly directory: string;
  /** Where the accepted set is kept for a restart; without it a restart forgets last good versions. */
  readonly stateDirectory?: string;
  /** Milliseconds between looks at all files, for file systems that send no events. Default 10000; 0 turns it off. */
  readonly pollInterval?: number;
  /** Milliseconds of silence after an event before files are read. Default 4. */
  readonly debounce?: number;
  /**
   * Keeps status and what else an API server sets, of objects that are applied. Without it they are kept as a person
   * would write them.
   */
  readonly keepsStatus?: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Told what goes wrong beside the configuration itself, in one sentence. Default: a warning of the process. */
  readonly onProblem?: (message: string) => void;
}

/** How long changes may go on before they are read nevertheless, in milliseconds. */
const MAX_DEBOUNCE = 50;

/** A file that is suddenly empty may be one that is being written; this is how long its writer gets, in milliseconds. */
const EMPTY_FILE_GRACE = 40;

/** What is read of a file at all; how much of it may be YAML is a smaller number. */
const MAX_BYTES = 128 * 1024 * 1024;

interface KnownFile {
  readonly stamp: FileStamp;
  /** Undefined when it cannot be read. */
  readonly text: string | undefined;
}

/** The configuration in a directory, as istiod's `--configDir`: read, watched, and written object by object. */
export class FileStore implements ConfigStore {
  private readonly root: string;
  private readonly options: FileStoreOptions;
  private readonly state: AcceptedState | undefined;
  private readonly watch: DirectoryWatch;
  private readonly subscribers = new Subscribers();
  private readonly claims = new Claims();
  private readonly files = new Map<string, KnownFile>();
  private directories = new Set<string>();
  private current = ObjectsSnapshot.empty;
  /** Everything that reads or writes files waits for what came before. */
  private queue: Promise<unknown> = Promise.resolve();
  private pollTimer: NodeJS.Timeout | undefined;
  private closed = false;

  private constructor(options: FileStoreOptions) {
    this.options = options;
    this.root = resolve(options.directory);
    if (options.stateDirectory !== undefined) {
      this.state = new AcceptedState(resolve(options.stateDirectory), this.root, (message) => this.problem(message));
    }
    const quiet = options.debounce ?? 4;
    this.watch = new DirectoryWatch({ quiet, atMost: Math.max(quiet, MAX_DEBOUNCE) }, (paths) => {
      this.background(() => this.refresh(paths));
    });
  }

  /** Reads the directory and begins to watch it. Throws a {@link UserError} when there is no such directory. */
  static async open(options: FileStoreOptions): Promise<FileStore> {
    const store = new FileStore(options);
    try {
      if (!(await stat(store.root)).isDirectory()) throw new UserError(`${options.directory} is not a directory`);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`cannot read the configuration in ${options.directory}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    try {
      const restored = (await store.state?.load(options.defaultNamespace)) ?? [];
      if (restored.length > 0) store.current = store.claims.restore(restored, store.current);
      await store.enqueue(() => store.rescan(new Set(restored.map((r) => r.path))));
    } catch (error) {
      await store.close();
      throw error;
    }
    store.schedulePoll();
    return store;
  }

  get snapshot(): ConfigSnapshot {
    return this.current;
  }

  subscribe(listener: (change: ConfigChange) => void): () => void {
    return this.subscribers.add(listener);
  }

  /** Looks at all files now, and settles when what they say is in `snapshot`. */
  async sync(): Promise<void> {
    await this.enqueue(() => this.rescan());
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.pollTimer);
    this.watch.close();
    await this.queue;
    await this.state?.flush();
    this.subscribers.clear();
  }

  apply(entries: readonly ReadEntry[], options: WriteOptions = {}): Promise<ApplyResult[]> {
    return this.enqueue(() => this.applyNow(entries, options));
  }

  remove(keys: readonly string[], options: WriteOptions = {}): Promise<RemoveResult[]> {
    return this.enqueue(() => this.removeNow(keys, options));
  }

  private problem(message: string): void {
    if (this.options.onProblem !== undefined) this.options.onProblem(message);
    else process.emitWarning(message);
  }

  private enqueue<T>(task: () => Promise<T>): Promise<T> {
    const outcome = this.queue.then(task);
    this.queue = outcome.catch(() => undefined);
    return outcome;
  }

  private background(task: () => Promise<void>): void {
    this.enqueue(task).catch((error) =>
      this.problem(`the configuration in ${this.root} cannot be read: ${messageOf(error)}`),
    );
  }

  private schedulePoll(): void {
    const interval = this.options.pollInterval ?? 10_000;
    if (interval <= 0 || this.closed) return;
    this.pollTimer = setTimeout(() => {
      this.background(async () => {
        await this.rescan();
        this.schedulePoll();
      });
    }, interval);
    this.pollTimer.unref();
  }

  /** Looks at every file, and reads those that changed. `gone` are paths of files that may no longer be there. */
  private async rescan(gone: ReadonlySet<string> = new Set()): Promise<void> {
    if (this.closed) return;
    let listing = await listDirectory(this.root);
    // What happened between the listing and the first event of a new watch would be missed.
    if (this.watch.setDirectories(listing.directories)) listing = await listDirectory(this.root);
    this.directories = listing.directories;
    const changed = new Set<string>();
    for (const [path, stamp] of listing.files) if (!sameStamp(this.files.get(path)?.stamp, stamp)) changed.add(path);
    for (const path of [...this.files.keys(), ...gone]) if (!listing.files.has(path)) changed.add(path);
    await this.read(changed);
  }

  /** Looks at paths that may have changed: files, or directories with everything in them. */
  private async refresh(paths: ReadonlySet<string>): Promise<void> {
    if (this.closed) return;
    const files = new Set<string>();
    for (const path of paths) {
      if (this.directories.has(path)) return this.rescan();
      if (isConfigFile(basename(path))) files.add(path);
      else if (await isDirectory(path)) return this.rescan();
    }
    await this.read(files);
  }

  /** Reads files, and takes what they say into force. */
  private async read(paths: ReadonlySet<string>): Promise<void> {
    const changed = new Map<string, ReadResult | undefined>();
    for (const { item: path, outcome } of await together([...paths], (path) => this.load(path))) {
      if (outcome === undefined) {
        this.files.delete(path);
        changed.set(path, undefined);
      } else {
        const { stamp, text } = outcome;
        const isText = typeof text === 'string';
        if (!isText) changed.set(path, { entries: [], problems: [text], documents: [] });
        else if (this.files.get(path)?.text !== text) changed.set(path, readObjects(text, path, this.options));
        this.files.set(path, { stamp, text: isText ? text : undefined });
      }
    }
    this.take(changed);
  }

  /** What a file holds now, or undefined when it is gone. */
  private async load(
    path: string,
  ): Promise<{ readonly stamp: FileStamp; readonly text: string | ConfigMessage } | undefined> {
    let stamp = await stampOf(path);
    if (stamp?.size === 0 && this.files.get(path)?.text) {
      await new Promise((done) => setTimeout(done, EMPTY_FILE_GRACE));
      stamp = await stampOf(path);
    }
    if (stamp !== undefined && stamp.size > MAX_BYTES) {
      return { stamp, text: { message: `is larger than ${MAX_BYTES} bytes`, at: { file: path } } };
    }
    const text = stamp === undefined ? undefined : await this.readText(path);
    return stamp === undefined || text === undefined ? undefined : { stamp, text };
  }

  /** The text of a file, what is wrong with it, or undefined when it is gone. */
  private async readText(path: string): Promise<string | ConfigMessage | undefined> {
    try {
      const bytes = await orUndefined(readFile(path));
      return bytes === undefined ? undefined : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      const isEncoding = codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA';
      return { message: isEncoding ? 'is not UTF-8 text' : `cannot be read: ${messageOf(error)}`, at: { file: path } };
    }
  }

  private take(changed: ReadonlyMap<string, ReadResult | undefined>): void {
    const change = this.claims.update(changed, this.current, (this.options.now ?? Date.now)());
    if (change === undefined) {
      if (this.current.number === 0) this.current = this.current.next(new Map(), [], []);
      return;
    }
    this.current = change.snapshot;
    this.save(this.claims.takeDirty());
    this.subscribers.notify(change);
  }

  private save(paths: Iterable<string>): void {
    if (this.state === undefined) return;
    for (const path of paths) {
      const objects = [...this.claims.ownedBy(path)].map((key) => {
        const object = this.current.find(key)!;
        const { creationTimestamp: created, generation = 1 } = object.metadata;
        return { key, path, object, created, generation };
      });
      this.state.save(path, objects);
    }
  }

  private async applyNow(entries: readonly ReadEntry[], { dryRun = false }: WriteOptions): Promise<ApplyResult[]> {
    await this.rescan();
    const refused = refusals(entries);
    const edits = new FileEdits();
    const form = this.options.keepsStatus ? whole : canonical;
    const results = entries.map((entry, i): ApplyResult => {
      const { key, object, warnings } = entry;
      const errors = refused[i];
      if (errors !== undefined) return { key, outcome: 'error', errors, warnings };
      if (key === undefined || object === undefined) return { key, outcome: 'unused', errors: [], warnings };
      const value = form(object);
      const before = this.current.find(key);
      const owned = this.claims.ownerOf(key);
      const target = (owned === undefined ? undefined : this.placeIn(owned, key)) ?? this.anyPlace(key);
      if (target === undefined && this.claims.isUncertain(key)) {
        const message = `may be in ${owned}, which cannot be read; repair that first`;
        return { key, outcome: 'error', errors: [{ message, at: { file: owned! }, key }], warnings };
      }
      if (target === undefined) edits.create(this.newPath(key, edits), key, value);
      else if (target.entry.object !== undefined && isDeepStrictEqual(form(target.entry.object), value)) {
        return { key, outcome: 'unchanged', errors: [], warnings };
      } else edits.edit(target.path, key, { place: target.entry.place, value });
      return { key, outcome: before === undefined ? 'created' : 'configured', errors: [], warnings };
    });
    const failed = dryRun ? new Map<string, string>() : await this.write(edits);
    return results.map((result) => {
      const reason = result.key === undefined ? undefined : failed.get(result.key);
      if (reason === undefined || result.outcome === 'unchanged' || result.outcome === 'error') return result;
      return { ...result, outcome: 'error', errors: [{ message: reason, at: { file: this.root }, key: result.key! }] };
    });
  }

  private async removeNow(keys: readonly string[], { dryRun = false }: WriteOptions): Promise<RemoveResult[]> {
    await this.rescan();
    const edits = new FileEdits();
    const results = keys.map((key): RemoveResult => {
      const places = [...this.claims.claimantsOf(key)].flatMap((path) => this.placesIn(path, key));
      if (places.length === 0 || edits.has(key)) return { key, outcome: 'not found', errors: [] };
      for (const { path, entry } of places) edits.edit(path, key, { place: entry.place, value: undefined });
      return { key, outcome: 'deleted', errors: [] };
    });
    const failed = dryRun ? new Map<string, string>() : await this.write(edits);
    return results.map((result) => {
      const reason = failed.get(result.key);
      if (reason === undefined || result.outcome !== 'deleted') return result;
      return {
        key: result.key,
        outcome: 'error',
        errors: [{ message: reason, at: { file: this.root }, key: result.key }],
      };
    });
  }

  private placesIn(path: string, key: string): { readonly path: string; readonly entry: ReadEntry }[] {
    return this.claims.documentsOf(path, key).map((entry) => ({ path, entry }));
  }

  private placeIn(path: string, key: string): { readonly path: string; readonly entry: ReadEntry } | undefined {
    return this.placesIn(path, key)[0];
  }

  private anyPlace(key: string): { readonly path: string; readonly entry: ReadEntry } | undefined {
    const [path] = [...this.claims.claimantsOf(key)].sort();
    return path === undefined ? undefined : this.placeIn(path, key);
  }

  /** A path for a file of its own: `virtualservice.default.reviews.yaml`. */
  private newPath(key: string, edits: FileEdits): string {
    const { kind, namespace, name } = splitKey(key);
    const stem = [kindById(kind)!.kind.toLowerCase(), namespace, name].filter((part) => part !== '').join('.');
    for (let n = 1; ; n++) {
      const path = join(this.root, `${stem}${n === 1 ? '' : `-${n}`}.yaml`);
      if (!this.files.has(path) && !edits.creates(path)) return path;
    }
  }

  /** Writes the edits and reads the files anew. Returns why objects could not be written, by key. */
  private async write(edits: FileEdits): Promise<Map<string, string>> {
    const failed = new Map<string, string>();
    const written = new Set<string>();
    for (const { path, keys, edits: ofFile, created } of edits.files()) {
      const fail = (reason: string): void => {
        for (const key of keys) failed.set(key, reason);
      };
      try {
        const text =
          created !== undefined ? writeYaml(created) : editText(this.files.get(path)?.text ?? '', path, ofFile);
        if (text === null) {
          fail(`${path} cannot be changed without changing other objects in it; edit it yourself`);
          continue;
        }
        const isSecret = keys.some((key) => key.startsWith('Secret/'));
        if (text === undefined) await removeFile(path);
        else await replaceFile(path, text, isSecret ? 0o600 : 0o644);
        written.add(path);
      } catch (error) {
        fail(`${path} cannot be written: ${messageOf(error)}`);
      }
    }
    await this.read(written);
    return failed;
  }
}

interface FileEdit {
  readonly path: string;
  readonly keys: string[];
  readonly edits: Edit[];
  readonly created: Record<string, unknown> | undefined;
}

/** The edits of one `apply` or `remove`, gathered by file. */
class FileEdits {
  private readonly byPath = new Map<string, FileEdit>();
  private readonly keys = new Set<string>();

  create(path: string, key: string, value: Record<string, unknown>): void {
    this.byPath.set(path, { path, keys: [key], edits: [], created: value });
    this.keys.add(key);
  }

  edit(path: string, key: string, edit: Edit): void {
    const file = this.byPath.get(path) ?? { path, keys: [], edits: [], created: undefined };
    file.keys.push(key);
    file.edits.push(edit);
    this.byPath.set(path, file);
    this.keys.add(key);
  }

  creates(path: string): boolean {
    return this.byPath.has(path);
  }

  has(key: string): boolean {
    return this.keys.has(key);
  }

  files(): Iterable<FileEdit> {
    return this.byPath.values();
  }
}
