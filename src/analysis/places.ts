import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { SourceLocation } from '../base/errors.ts';
import type { FieldPath } from '../config/object.ts';
import { type ReadResult, readObjects } from '../config/read.ts';
import { valueAt } from './source.ts';

/** The text of a file, or undefined when it cannot be read any more. */
export type TextOf = (file: string) => string | undefined;

/** The text of a file as it is now. */
export function textOfFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** An object that is in force, and where its file has it. */
export interface Placed {
  readonly key: string;
  readonly raw: unknown;
  readonly at: SourceLocation;
}

/**
 * Finds where the fields of objects stand that are known without their text. A file may have changed since an object was
 * read from it: a field is where the file still has it with this value, and else where the object was. Files are read
 * when the first field is looked for, and once.
 */
export function findPlaces(textOf: TextOf): (object: Placed, path: FieldPath) => SourceLocation {
  const files = new Map<string, ReadResult | undefined>();
  const read = (file: string) => {
    if (!files.has(file)) {
      const text = textOf(file);
      files.set(file, text === undefined ? undefined : readObjects(text, file));
    }
    return files.get(file);
  };
  return ({ key, raw, at }, path) => {
    if (path.length === 0) return at;
    const reading = read(at.file);
    const place = reading?.entries.find((entry) => entry.key === key)?.place;
    const document = place && reading!.documents[place.document];
    if (document === undefined) return at;
    const whole = [...place!.path, ...path];
    const value = valueAt(document.value, whole);
    return value !== undefined && isDeepStrictEqual(value, valueAt(raw, path)) ? document.locate(whole) : at;
  };
}
