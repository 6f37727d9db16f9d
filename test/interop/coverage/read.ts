import fs from 'node:fs';
import path from 'node:path';
import { schemaOf } from '../../../src/api/registry.ts';
import type { RecordedConfig } from '../../support/recorded-config.ts';
import type { FieldSet } from './accepted.ts';
import { setFields } from './set-fields.ts';

/** Message -> field -> the test of this folder's parent that holds it against Envoy. Messages without fields stand with `""`. */
export type Coverage = Record<string, Record<string, string>>;

export const COVERED_FILE = path.join(import.meta.dirname, 'covered.json');

export function readCovered(): Coverage {
  return JSON.parse(fs.readFileSync(COVERED_FILE, 'utf8')) as Coverage;
}

/** `message.field`, or the message alone for {@link Coverage}'s `""`. */
export function fieldName(typeName: string, field: string): string {
  return field === '' ? typeName : `${typeName}.${field}`;
}

/** Each field of a set with its message in alphabetical order; `""` for a message that has none. */
export function namesOf(fields: FieldSet): [string, string][] {
  return [...fields]
    .flatMap(([typeName, names]) =>
      (names.size === 0 ? [''] : [...names]).map((field): [string, string] => [typeName, field]),
    )
    .sort(([a, b], [c, d]) => (a < c ? -1 : a > c ? 1 : b < d ? -1 : 1));
}

/** What a file of recorded configurations sets under both proxies: tests by {@link fieldName}. */
export function recordedFields(file: string): Map<string, Set<string>> {
  const seen = new Map<string, Map<string, Set<string>>>();
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const { test, program, type, config } = JSON.parse(line) as RecordedConfig;
    for (const [typeName, fields] of setFields(schemaOf(type)!, config)) {
      for (const field of ['', ...fields]) {
        const name = fieldName(typeName, field);
        const tests = seen.get(name) ?? new Map<string, Set<string>>();
        const programs = tests.get(test) ?? new Set<string>();
        for (const one of program ? [program] : ['envoy', 'isthmus']) programs.add(one);
        seen.set(name, tests.set(test, programs));
      }
    }
  }
  const both = new Map<string, Set<string>>();
  for (const [name, tests] of seen) {
    const held = [...tests].filter(([, programs]) => programs.size === 2).map(([test]) => test);
    if (held.length > 0) both.set(name, new Set(held));
  }
  return both;
}
