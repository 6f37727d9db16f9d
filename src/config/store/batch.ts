import { formatLocation } from '../../base/errors.ts';
import type { ConfigMessage } from '../message.ts';
import type { ReadEntry } from '../read.ts';

/** Why each entry of a batch cannot be taken over; undefined for those that can. The second of two equal keys cannot. */
export function refusals(entries: readonly ReadEntry[]): (readonly ConfigMessage[] | undefined)[] {
  const first = new Map<string, ReadEntry>();
  return entries.map((entry) => {
    if (entry.errors.length > 0) return entry.errors;
    if (entry.key === undefined) return undefined;
    const earlier = first.get(entry.key);
    if (earlier !== undefined) return [duplicate(entry, earlier)];
    first.set(entry.key, entry);
    return undefined;
  });
}

/** The message for an object that stands in two places. */
export function duplicate(entry: ReadEntry, other: ReadEntry): ConfigMessage {
  const message = `is defined twice; the other one is at ${formatLocation(other.at)}`;
  return { message, at: entry.at, ...(entry.key === undefined ? {} : { key: entry.key }) };
}
