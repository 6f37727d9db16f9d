import type { ConfigMessage } from '../message.ts';
import type { ReadEntry } from '../read.ts';
import type { ConfigChange, ConfigSnapshot } from './snapshot.ts';

/** What became of one object of an `apply`. */
export interface ApplyResult {
  /** `Kind/namespace/name`; undefined when the object does not say who it is. */
  readonly key: string | undefined;
  readonly outcome: 'created' | 'configured' | 'unchanged' | 'unused' | 'error';
  readonly errors: readonly ConfigMessage[];
  readonly warnings: readonly ConfigMessage[];
}

/** What became of one object of a `remove`. */
export interface RemoveResult {
  readonly key: string;
  readonly outcome: 'deleted' | 'not found' | 'error';
  readonly errors: readonly ConfigMessage[];
}

export interface WriteOptions {
  /** Tell what would happen, and change nothing. */
  readonly dryRun?: boolean;
}

/** Where the configuration of a mesh is kept: read by snapshots, written object by object. */
export interface ConfigStore {
  /** The configuration at this moment. */
  readonly snapshot: ConfigSnapshot;
  /** Calls `listener` with every change from now on, in order. Returns what ends the subscription. */
  subscribe(listener: (change: ConfigChange) => void): () => void;
  /**
   * Takes over objects as `readObjects` reads them, each for itself: one that is refused changes nothing. The change is
   * in `snapshot` when the promise settles.
   */
  apply(entries: readonly ReadEntry[], options?: WriteOptions): Promise<ApplyResult[]>;
  /** Removes objects by key. */
  remove(keys: readonly string[], options?: WriteOptions): Promise<RemoveResult[]>;
  /** Stops watching. The last snapshot stays readable. */
  close(): Promise<void>;
}
