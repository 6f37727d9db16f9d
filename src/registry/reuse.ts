/** Whether two lists hold the very same items in the same order. */
export function sameItems<T>(a: readonly T[] | undefined, b: readonly T[] | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether two maps hold the very same values under the same keys in the same order. */
export function sameEntries<K, V>(a: ReadonlyMap<K, V> | undefined, b: ReadonlyMap<K, V> | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.size !== b.size) return false;
  const other = b.entries();
  for (const [key, value] of a) {
    const [otherKey, otherValue] = other.next().value!;
    if (key !== otherKey || value !== otherValue) return false;
  }
  return true;
}

/** The list from before if the new one is the same, so that what was made from it is found again. */
export function reuseList<T>(before: readonly T[] | undefined, now: readonly T[]): readonly T[] {
  return before !== undefined && sameItems(before, now) ? before : now;
}

/** The map from before if the new one is the same. Lists in it are reused one by one. */
export function reuseMap<K, V>(before: ReadonlyMap<K, V> | undefined, now: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  return before !== undefined && sameEntries(before, now) ? before : now;
}

/** Items by key, in order of appearance. Lists that did not change since `before` are the same lists. */
export function groupBy<K, T>(
  items: Iterable<T>,
  keyOf: (item: T) => K,
  before?: ReadonlyMap<K, readonly T[]>,
): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  if (before !== undefined) {
    for (const [key, group] of groups) {
      const old = before.get(key);
      if (old !== undefined && sameItems(old, group)) groups.set(key, old as T[]);
    }
  }
  return reuseMap(before, groups);
}

/** A function of one object that computes once for each object, and forgets with it. */
export function perObject<A extends object, R>(compute: (object: A) => R): (object: A) => R {
  const results = new WeakMap<A, { readonly value: R }>();
  return (object) => {
    let result = results.get(object);
    if (result === undefined) {
      result = { value: compute(object) };
      results.set(object, result);
    }
    return result.value;
  };
}
