interface Branch<V> {
  values: Map<string, V> | undefined;
  children: WeakMap<object, Branch<V>> | undefined;
}

/** Stands for an input that is not there. */
const NOTHING: object = Object.freeze({});

/** Distinct keys under the same inputs, before the oldest are forgotten: proxies of as many kinds may share a mesh. */
const MAX_KEYS = 2048;

/**
 * Results remembered by the identity of the objects that they were made from, and a key for everything else. A result
 * lives as long as its inputs: when one of them is replaced, nobody can ask for it again and it is collected. Nothing is
 * ever compared deeply.
 */
export class Memo<V> {
  readonly #root: Branch<V> = { values: undefined, children: undefined };

  /** `key` must tell apart all that `make` uses besides `inputs`. Put the inputs that live longest first. */
  get(inputs: readonly (object | undefined)[], key: string, make: () => V): V {
    let branch = this.#root;
    for (const input of inputs) {
      branch.children ??= new WeakMap();
      const object = input ?? NOTHING;
      let child = branch.children.get(object);
      if (child === undefined) branch.children.set(object, (child = { values: undefined, children: undefined }));
      branch = child;
    }
    branch.values ??= new Map();
    const known = branch.values.get(key);
    if (known !== undefined || branch.values.has(key)) return known as V;
    const value = make();
    if (branch.values.size >= MAX_KEYS) branch.values.delete(branch.values.keys().next().value!);
    branch.values.set(key, value);
    return value;
  }
}

const ids = new WeakMap<object, number>();
let last = 0;

/** A number that tells an object apart from every other, for keys. */
export function idOf(object: object | undefined): number {
  if (object === undefined) return 0;
  let id = ids.get(object);
  if (id === undefined) ids.set(object, (id = ++last));
  return id;
}
