import type { KindId, SpecOf } from '../kinds/index.ts';
import type { ConfigMessage } from '../message.ts';
import { type ConfigObject, objectKey } from '../object.ts';
import type { ConfigSnapshot, Rejection } from './snapshot.ts';

/** Oldest first, then by name and namespace: the order in which Istio lets one object win over another. */
export function byAge(a: ConfigObject, b: ConfigObject): number {
  const age = a.metadata.creationTimestamp - b.metadata.creationTimestamp;
  if (age !== 0) return age;
  return compareText(a.metadata.name, b.metadata.name) || compareText(a.metadata.namespace, b.metadata.namespace);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Splits `Kind/namespace/name`. */
export function splitKey(key: string): { readonly kind: string; readonly namespace: string; readonly name: string } {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return { kind, namespace, name };
}

/** All objects of one kind. Immutable; `with` makes a changed copy. */
class KindObjects {
  static readonly none = new KindObjects(new Map(), []);

  private readonly byName: ReadonlyMap<string, ConfigObject>;
  readonly sorted: readonly ConfigObject[];
  private byNamespace: Map<string, ConfigObject[]> | undefined;

  private constructor(byName: ReadonlyMap<string, ConfigObject>, sorted: readonly ConfigObject[]) {
    this.byName = byName;
    this.sorted = sorted;
  }

  get(namespace: string, name: string): ConfigObject | undefined {
    return this.byName.get(`${namespace}/${name}`);
  }

  inNamespace(namespace: string): readonly ConfigObject[] {
    if (this.byNamespace === undefined) {
      this.byNamespace = new Map();
      for (const object of this.sorted) {
        const list = this.byNamespace.get(object.metadata.namespace);
        if (list === undefined) this.byNamespace.set(object.metadata.namespace, [object]);
        else list.push(object);
      }
    }
    return this.byNamespace.get(namespace) ?? NO_OBJECTS;
  }

  /** `changes` maps `namespace/name` to the new object, or to undefined for one that is gone. */
  with(changes: ReadonlyMap<string, ConfigObject | undefined>): KindObjects {
    const byName = new Map(this.byName);
    const gone = new Set<ConfigObject>();
    const come: ConfigObject[] = [];
    for (const [name, object] of changes) {
      const before = byName.get(name);
      if (before !== undefined) gone.add(before);
      if (object === undefined) byName.delete(name);
      else {
        byName.set(name, object);
        come.push(object);
      }
    }
    come.sort(byAge);
    return new KindObjects(byName, merge(this.sorted, gone, come));
  }
}

const NO_OBJECTS: readonly ConfigObject[] = [];

/** Both lists are sorted, and so is the outcome: a change of one object costs a copy of the list, not a sort. */
function merge(
  sorted: readonly ConfigObject[],
  without: ReadonlySet<ConfigObject>,
  come: readonly ConfigObject[],
): ConfigObject[] {
  const result: ConfigObject[] = [];
  let next = 0;
  for (const object of sorted) {
    if (without.has(object)) continue;
    while (next < come.length && byAge(come[next]!, object) < 0) result.push(come[next++]!);
    result.push(object);
  }
  while (next < come.length) result.push(come[next++]!);
  return result;
}

/** The accepted objects as an immutable snapshot. */
export class ObjectsSnapshot implements ConfigSnapshot {
  static readonly empty = new ObjectsSnapshot(0, new Map(), 0, [], []);

  readonly number: number;
  readonly size: number;
  readonly rejected: readonly Rejection[];
  readonly warnings: readonly ConfigMessage[];
  private readonly kinds: ReadonlyMap<string, KindObjects>;

  private constructor(
    number: number,
    kinds: ReadonlyMap<string, KindObjects>,
    size: number,
    rejected: readonly Rejection[],
    warnings: readonly ConfigMessage[],
  ) {
    this.number = number;
    this.kinds = kinds;
    this.size = size;
    this.rejected = rejected;
    this.warnings = warnings;
  }

  get<K extends KindId>(kind: K, namespace: string, name: string): ConfigObject<SpecOf<K>> | undefined {
    return this.kinds.get(kind)?.get(namespace, name) as ConfigObject<SpecOf<K>> | undefined;
  }

  list<K extends KindId>(kind: K, namespace?: string): readonly ConfigObject<SpecOf<K>>[] {
    const objects = this.kinds.get(kind) ?? KindObjects.none;
    return (namespace === undefined ? objects.sorted : objects.inNamespace(namespace)) as readonly ConfigObject<
      SpecOf<K>
    >[];
  }

  /** The object with this key, whatever its kind. */
  find(key: string): ConfigObject | undefined {
    const { kind, namespace, name } = splitKey(key);
    return this.kinds.get(kind)?.get(namespace, name);
  }

  /** Keys of all objects. */
  *keys(): Generator<string> {
    for (const [kind, objects] of this.kinds) {
      for (const { metadata } of objects.sorted) yield objectKey(kind, metadata.namespace, metadata.name);
    }
  }

  /** The next snapshot: `changes` maps keys to new objects, or to undefined for those that are gone. */
  next(
    changes: ReadonlyMap<string, ConfigObject | undefined>,
    rejected: readonly Rejection[],
    warnings: readonly ConfigMessage[],
  ): ObjectsSnapshot {
    const byKind = new Map<string, Map<string, ConfigObject | undefined>>();
    let { size } = this;
    for (const [key, object] of changes) {
      const { kind, namespace, name } = splitKey(key);
      size += (object === undefined ? 0 : 1) - (this.find(key) === undefined ? 0 : 1);
      const ofKind = byKind.get(kind) ?? new Map<string, ConfigObject | undefined>();
      byKind.set(kind, ofKind.set(`${namespace}/${name}`, object));
    }
    const kinds = new Map(this.kinds);
    for (const [kind, ofKind] of byKind) kinds.set(kind, (kinds.get(kind) ?? KindObjects.none).with(ofKind));
    return new ObjectsSnapshot(this.number + 1, kinds, size, rejected, warnings);
  }
}
