import type { JsonValue } from '@bufbuild/protobuf';
import type { Dump } from './resources.ts';

/** One place where two dumps differ. */
export interface Difference {
  /** `routes 80 virtualHosts[reviews:80].routes[0].route.timeout` */
  readonly path: string;
  readonly expected: JsonValue | undefined;
  readonly actual: JsonValue | undefined;
}

export function diffDumps(expected: Dump, actual: Dump): Difference[] {
  const out: Difference[] = [];
  for (const section of ['listeners', 'clusters', 'routes', 'endpoints', 'extensions'] as const) {
    const names = new Set([...Object.keys(expected[section]), ...Object.keys(actual[section])]);
    for (const name of [...names].sort()) {
      diff(`${section} ${name}`, expected[section][name], actual[section][name], out);
    }
  }
  return out;
}

function diff(path: string, expected: JsonValue | undefined, actual: JsonValue | undefined, out: Difference[]): void {
  if (Object.is(expected, actual)) return;
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const keys = keysOf(expected, actual);
    if (keys !== undefined) {
      diffKeyed(path, keys, out);
      return;
    }
    for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
      diff(`${path}[${i}]`, expected[i], actual[i], out);
    }
    return;
  }
  if (isObject(expected) && isObject(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      diff(`${path}.${key}`, expected[key], actual[key], out);
    }
    return;
  }
  out.push({ path, expected, actual });
}

type Named = { readonly [key: string]: JsonValue };

/** Lists of named things are compared by name, so that one that is missing does not make all after it differ; then their order is compared. */
function keysOf(expected: JsonValue[], actual: JsonValue[]) {
  const named = (list: JsonValue[]): Map<string, Named> | undefined => {
    const map = new Map<string, Named>();
    for (const item of list) {
      if (!isObject(item) || typeof item.name !== 'string' || map.has(item.name)) return undefined;
      map.set(item.name, item);
    }
    return map;
  };
  const [a, b] = [named(expected), named(actual)];
  return a === undefined || b === undefined ? undefined : { a, b };
}

function diffKeyed(
  path: string,
  { a, b }: { a: ReadonlyMap<string, Named>; b: ReadonlyMap<string, Named> },
  out: Difference[],
): void {
  for (const name of new Set([...a.keys(), ...b.keys()])) diff(`${path}[${name}]`, a.get(name), b.get(name), out);
  const common = [...a.keys()].filter((name) => b.has(name));
  const order = [...b.keys()].filter((name) => a.has(name));
  if (common.join() !== order.join()) out.push({ path: `${path} order`, expected: common, actual: order });
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function formatDifference({ path, expected, actual }: Difference): string {
  const show = (value: JsonValue | undefined) => (value === undefined ? '(missing)' : JSON.stringify(value));
  return `${path}\n    istiod  ${show(expected)}\n    isthmus ${show(actual)}`;
}
