import type { FieldPath } from '../../../../src/config/object.ts';
import type { RandomMesh } from '../random.ts';
import { remove } from './objects.ts';

/**
 * The smallest mesh found that still `fails`: whole objects are taken away first, then their fields, the mesh's and the proxies'. Asks at
 * most `most` times.
 */
export async function shrink(
  mesh: RandomMesh,
  fails: (mesh: RandomMesh) => Promise<boolean>,
  most = 400,
): Promise<RandomMesh> {
  let best = structuredClone(mesh);
  let asked = 0;
  const attempt = async (candidate: RandomMesh): Promise<boolean> => {
    if (asked >= most) return false;
    asked++;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let i = best.head.nodes.length - 1; i >= 0 && best.head.nodes.length > 1; i--) {
    await attempt({ ...best, head: { ...best.head, nodes: best.head.nodes.filter((_, j) => j !== i) } });
  }
  for (let size = Math.ceil(best.objects.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.objects.length; ) {
      const left = best.objects.filter((_, i) => i < start || i >= start + size);
      if (!(await attempt({ ...best, objects: left }))) start += size;
    }
  }
  for (let before = -1; before !== asked && asked < most; ) {
    const size = JSON.stringify(best).length;
    for (const path of pathsOf(best)) {
      const candidate = structuredClone(best);
      if (remove(candidate, path)) await attempt(candidate);
    }
    before = JSON.stringify(best).length === size ? asked : -1;
  }
  return best;
}

const NEEDED =
  /^(objects,\d+(,(apiVersion|kind|metadata(,(name|namespace))?|spec))?|objects|head|head,(mesh|env|nodes))$/;

/** Every field that may be taken away, the last items of lists first, outer ones before what is in them. */
function pathsOf(root: unknown): FieldPath[] {
  const out: FieldPath[] = [];
  let level: { value: unknown; path: FieldPath }[] = [{ value: root, path: [] }];
  while (level.length > 0) {
    const next: typeof level = [];
    for (const { value, path } of level) {
      if (typeof value !== 'object' || value === null) continue;
      const keys = Array.isArray(value) ? [...value.keys()].reverse() : Object.keys(value);
      for (const key of keys)
        next.push({ value: (value as Record<string | number, unknown>)[key], path: [...path, key] });
    }
    for (const { path } of next) if (!NEEDED.test(path.join())) out.push(path);
    level = next;
  }
  return out;
}
