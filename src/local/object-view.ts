import type { ObjectState, WatchEvent } from '../config/control/api.ts';
import type { KindId, SpecOf } from '../config/kinds/index.ts';
import { type ConfigObject, objectKey } from '../config/object.ts';
import { readObject } from '../config/read.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';

/** Objects of the mesh, as the control plane tells of them. */
export class ObjectView implements Pick<ConfigSnapshot, 'get' | 'list'> {
  readonly #objects = new Map<string, ConfigObject>();

  /** Takes over what a watch tells; returns the keys that differ. */
  update({ objects, removed, complete }: WatchEvent): string[] {
    const changed = objects.map(({ key }) => key);
    if (complete) {
      const present = new Set(changed);
      for (const key of [...this.#objects.keys()]) {
        if (present.has(key)) continue;
        this.#objects.delete(key);
        changed.push(key);
      }
    }
    for (const state of objects) {
      const object = read(state);
      if (object !== undefined) this.#objects.set(state.key, object);
    }
    for (const key of removed) this.#objects.delete(key);
    return [...changed, ...removed];
  }

  /** Adds an object that nobody has written. */
  add(raw: unknown): void {
    const { key, object } = readObject(raw, () => ({ file: 'isthmus' }));
    if (key !== undefined && object !== undefined && !this.#objects.has(key)) this.#objects.set(key, object);
  }

  get<K extends KindId>(kind: K, namespace: string, name: string): ConfigObject<SpecOf<K>> | undefined {
    return this.#objects.get(objectKey(kind, namespace, name)) as ConfigObject<SpecOf<K>> | undefined;
  }

  list<K extends KindId>(kind: K, namespace?: string): readonly ConfigObject<SpecOf<K>>[] {
    const prefix = namespace === undefined ? `${kind}/` : `${kind}/${namespace}/`;
    const found: ConfigObject[] = [];
    for (const [key, object] of this.#objects) if (key.startsWith(prefix)) found.push(object);
    return found as ConfigObject<SpecOf<K>>[];
  }
}

/** The control plane has accepted the object, so that it is valid here as well. */
function read({ key, raw, at }: ObjectState): ConfigObject | undefined {
  const namespace = key.split('/')[1];
  return readObject(raw, () => at, namespace).object;
}
