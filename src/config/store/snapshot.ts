import type { SourceLocation } from '../../base/errors.ts';
import type { KindId, SpecOf } from '../kinds/index.ts';
import type { ConfigObject } from '../object.ts';

/** Something to tell about the configuration, with the place that it is about. */
export interface ConfigMessage {
  /** One sentence, without the location: who prints it adds that. */
  readonly message: string;
  readonly at: SourceLocation;
  /** Such as `spec.http[0].route`; undefined when it is about the object or the file as a whole. */
  readonly field?: string;
  /** `Kind/namespace/name`, when it is about an object. */
  readonly key?: string;
}

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
}
