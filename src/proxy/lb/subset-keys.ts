import type { Host } from '../cluster/host.ts';
import type { SubsetSelector } from './subset-options.ts';

/** Metadata values by key, as a request asks for them or a host has them. */
export type Labels = Readonly<Record<string, unknown>>;

const NO_LABELS: Labels = {};

/** The labels of a host that subsets go by: its metadata under `envoy.lb`. */
export function labelsOf(host: Host): Labels {
  return host.description.metadata.get('envoy.lb') ?? NO_LABELS;
}

/** A text that is the same for the same keys in whatever order. */
export function keysText(keys: readonly string[]): string {
  return JSON.stringify(keys);
}

/** A text that is the same for equal keys and values; `keys` are sorted. */
export function subsetText(keys: readonly string[], labels: Labels): string {
  return JSON.stringify(keys.map((key) => [key, canonical(labels[key])]));
}

/** Texts of the subsets of a selector that a host belongs to: mostly one, none if it lacks a key. */
export function subsetsOf(labels: Labels, selector: SubsetSelector, listAsAny: boolean): string[] {
  let combinations: Record<string, unknown>[] = [{}];
  for (const key of selector.keys) {
    if (!Object.hasOwn(labels, key)) return [];
    const value = labels[key];
    const values = listAsAny && Array.isArray(value) ? value : [value];
    combinations = combinations.flatMap((known) => values.map((v) => ({ ...known, [key]: v })));
  }
  return combinations.map((combination) => subsetText(selector.keys, combination));
}

/** Whether a host has all of the wanted values. */
export function hasLabels(labels: Labels, wanted: Labels, listAsAny: boolean): boolean {
  return Object.entries(wanted).every(([key, value]) => {
    if (!Object.hasOwn(labels, key)) return false;
    const text = JSON.stringify(canonical(value));
    const own = labels[key];
    const values = listAsAny && Array.isArray(own) ? own : [own];
    return values.some((v) => JSON.stringify(canonical(v)) === text);
  });
}

/** The same value with the keys of structs in order. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, v]) => [key, canonical(v)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
