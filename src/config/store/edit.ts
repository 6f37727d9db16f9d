import { isDeepStrictEqual } from 'node:util';
import type { FieldPath } from '../object.ts';
import type { Place } from '../read.ts';
import { isRecord } from '../schema/index.ts';
import { parseYaml, type YamlDocument } from '../yaml/parse.ts';
import { writeYaml } from '../yaml/write.ts';

/** One object of a file to be written anew, or, without a value, to be taken out. */
export interface Edit {
  readonly place: Place;
  readonly value: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Changes objects within the text of a file. Every other document stays as it is, comments included; of a document that
 * is changed, the comments before it stay. Returns undefined when no document is left, and null when the outcome would
 * not read back as intended, so that the file is a person's to edit.
 */
export function editText(text: string, file: string, edits: readonly Edit[]): string | undefined | null {
  const { documents } = parseYaml(text, file);
  const isJson = file.endsWith('.json');
  const intended: unknown[] = [];
  let result = '';
  let at = 0;
  for (const [index, document] of documents.entries()) {
    const own = edits.filter((edit) => edit.place.document === index);
    const value = own.length === 0 ? document.value : applyEdits(document.value, own);
    const [start, end] = document.range;
    result += text.slice(at, start);
    if (value !== undefined) {
      intended.push(value);
      result += own.length === 0 ? text.slice(start, end) : rewrite(text, document, value, isJson);
    }
    at = end;
  }
  result += text.slice(at);
  if (intended.length === 0) return undefined;
  const read = parseYaml(result, file);
  const isAsIntended =
    read.problems.length === 0 &&
    isDeepStrictEqual(
      read.documents.map((d) => d.value),
      intended,
    );
  return isAsIntended ? result : null;
}

function rewrite(text: string, document: YamlDocument, value: unknown, isJson: boolean): string {
  const [start, end] = document.range;
  const [contentStart, contentEnd] = document.content;
  let before = text.slice(start, contentStart);
  if (before !== '' && !before.endsWith('\n')) before = `${before.trimEnd()}\n`;
  const after = text.slice(contentEnd, end);
  const written = isJson ? JSON.stringify(value, null, 2) : writeYaml(value).trimEnd();
  return `${before}${written}${after.startsWith('\n') || after.startsWith('\r') ? '' : '\n'}${after}`;
}

/** The document with the edits made, or undefined when nothing is left of it. */
function applyEdits(document: unknown, edits: readonly Edit[]): unknown {
  const whole = edits.find((edit) => edit.place.path.length === 0);
  if (whole !== undefined) return whole.value;
  const copy = structuredClone(document);
  // From the end, so that taking out an item does not move those that are still to be edited.
  const inReverse = [...edits].sort((a, b) => comparePaths(b.place.path, a.place.path));
  for (const { place, value } of inReverse) {
    const list = parentList(copy, place.path);
    const index = place.path.at(-1) as number;
    if (value === undefined) list.splice(index, 1);
    else list[index] = value;
  }
  return isRecord(copy) && Array.isArray(copy.items) && copy.items.length === 0 ? undefined : copy;
}

function comparePaths(a: FieldPath, b: FieldPath): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return Number(a[i]) - Number(b[i]);
  }
  return a.length - b.length;
}

function parentList(document: unknown, path: FieldPath): unknown[] {
  let value = document;
  for (const part of path.slice(0, -1)) value = (value as Record<string | number, unknown>)[part];
  return value as unknown[];
}
