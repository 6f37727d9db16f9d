import type { KindId, SpecOf } from '../kinds/index.ts';
import type { ConfigMessage } from '../message.ts';
import type { ConfigObject } from '../object.ts';

/** An object, or a file that could not be read at all, that was not accepted. Its last accepted version is still in force. */
export interface Rejection {
  /** The object's key, or the file's path when its objects are not known. */
  readonly key: string;
  readonly messages: readonly ConfigMessage[];
  /** Whether an earlier version of the object is in the snapshot. */
  readonly lastGood: boolean;
}

/** Everything that was accepted, at one moment. Never changes; a change of configuration makes a new one. */
export interface ConfigSnapshot {
  /** Counts up by one with every change. */
  readonly number: number;
  /** `namespace` is empty for kinds that have none. */
  get<K extends KindId>(kind: K, namespace: string, name: string): ConfigObject<SpecOf<K>> | undefined;
  /**
   * All objects of a kind, or those of one namespace: oldest first, and by name and namespace where they are of the
   * same age, which is the order in which Istio lets one win over another.
   */
  list<K extends KindId>(kind: K, namespace?: string): readonly ConfigObject<SpecOf<K>>[];
  /** The number of accepted objects. */
  readonly size: number;
  readonly rejected: readonly Rejection[];
  readonly warnings: readonly ConfigMessage[];
}

/** What differs between a snapshot and the one before: keys as `objectKey` makes them. */
export interface ConfigChange {
  readonly snapshot: ConfigSnapshot;
  readonly added: readonly string[];
  readonly updated: readonly string[];
  readonly removed: readonly string[];
  /** Objects that say the same as before, at another place of the files: only `locate` differs. */
  readonly moved: readonly string[];
}
