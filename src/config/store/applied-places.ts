import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { SourceLocation } from '../../base/errors.ts';
import type { ConfigMessage } from '../message.ts';
import type { ConfigObject, FieldPath } from '../object.ts';
import type { ReadEntry } from '../read.ts';
import { canonical } from './canonical.ts';

/** A value that outlives the process. */
export interface Kept<T> {
  readonly value: T;
  set(value: T): Promise<void>;
}

/** Where somebody's file has an object that was applied. */
export interface AppliedPlace {
  readonly at: SourceLocation;
  /** Of what the file said. A copy that says something else was edited since, and speaks for itself. */
  readonly digest: string;
}

/** Known while the process lives that applied the object. */
interface Reading {
  readonly locate: (path: FieldPath) => SourceLocation;
  readonly warnings: readonly ConfigMessage[];
}

/**
 * Remembers from which file and line objects were applied: the store keeps copies of them, and people are told of what
 * they wrote. Lines of single fields are known until the control plane is started anew, those of objects also after it.
 */
export class AppliedPlaces {
  private readonly kept: Kept<Readonly<Record<string, AppliedPlace>>>;
  private readonly readings = new Map<string, Reading>();
  private readonly placed = new WeakMap<ConfigObject, { readonly by: object; readonly object: ConfigObject }>();

  constructor(kept: Kept<Readonly<Record<string, AppliedPlace>>>) {
    this.kept = kept;
  }

  /** Notes where entries that are about to be applied stand; those of no file have their copy only. */
  async note(entries: readonly ReadEntry[]): Promise<void> {
    const places = { ...this.kept.value };
    for (const { key, object, file, warnings } of entries) {
      if (key === undefined || object === undefined) continue;
      delete places[key];
      this.readings.delete(key);
      if (file === undefined) continue;
      const inFile = (at: SourceLocation) => ({ ...at, file });
      places[key] = { at: inFile(object.locate([])), digest: digestOf(object) };
      this.readings.set(key, {
        locate: (path) => inFile(object.locate(path)),
        warnings: warnings.map((warning) => ({ ...warning, at: inFile(warning.at) })),
      });
    }
    await this.replace(places);
  }

  async forget(keys: readonly string[]): Promise<void> {
    const places = { ...this.kept.value };
    for (const key of keys) {
      delete places[key];
      this.readings.delete(key);
    }
    await this.replace(places);
  }

  private async replace(places: Readonly<Record<string, AppliedPlace>>): Promise<void> {
    if (!isDeepStrictEqual(places, this.kept.value)) await this.kept.set(places);
  }

  /** The copy of an object, with the places of the file that it was applied from. */
  place(key: string, copy: ConfigObject): ConfigObject {
    const place = this.kept.value[key];
    if (place === undefined) return copy;
    const reading = this.readings.get(key);
    const by = reading ?? place;
    const known = this.placed.get(copy);
    if (known?.by === by) return known.object;
    if (digestOf(copy) !== place.digest) return copy;
    const object = { ...copy, locate: reading?.locate ?? (() => place.at) };
    this.placed.set(copy, { by, object });
    return object;
  }

  /** What is said about a copy, said about the file; `copy` is the object that is in force by it. */
  retell(message: ConfigMessage, copy: ConfigObject | undefined): ConfigMessage {
    const { key, field } = message;
    if (key === undefined || copy === undefined) return message;
    const object = this.place(key, copy);
    if (object === copy) return message;
    const same = this.readings.get(key)?.warnings.find((w) => w.field === field && w.message === message.message);
    return { ...message, at: same?.at ?? object.locate([]) };
  }
}

function digestOf(object: ConfigObject): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(object)))
    .digest('base64url');
}
