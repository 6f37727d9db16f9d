import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { acceptedFields } from './coverage/accepted.ts';
import { fieldName, namesOf, readCovered } from './coverage/read.ts';
import { unprovenFields } from './coverage/unproven.ts';

/**
 * A field that the proxy takes is held against Envoy by a test of this folder, or stands in coverage/unproven.ts with
 * the reason why not. Which test sets which field is known only while the tests run, for they build their bootstraps
 * with ports and certificates of the moment; so the twins write down what they are started with (TWIN_RECORD),
 * coverage/update.ts makes covered.json of it, and this test, which needs no Envoy, holds three lists against each
 * other: the tables by which the proxy refuses what it does not know, what is covered, and the reasons. A new field
 * is in the first and fails here until it is in one of the others. What is said to be covered cannot outlive its test:
 * the file that is named has to be there and to have the field's name in it, or a module that it imports has. And that
 * a test which sets a field also notices it is shown by coverage/prove.ts, which takes the field out of our proxy's
 * bootstrap and expects the test to fail.
 */
test('every field that the proxy takes is held against Envoy, or has a reason', async () => {
  const covered = readCovered();
  const unproven = unprovenFields();
  const accepted = new Set<string>();
  const problems: string[] = [];
  for (const [typeName, field] of namesOf(await acceptedFields())) {
    const name = fieldName(typeName, field);
    accepted.add(name);
    const proven = covered[typeName]?.[field] !== undefined;
    if (!proven && !unproven.has(name)) {
      problems.push(`${name} is accepted: write a twin test that needs it, and run coverage/update.ts`);
    }
    if (proven && unproven.has(name)) problems.push(`${name} has a test: it needs no reason any more`);
  }
  for (const name of unproven.keys()) {
    if (!accepted.has(name)) problems.push(`${name} has a reason, but is not accepted`);
  }
  const texts = new Map<string, string>();
  for (const [typeName, fields] of Object.entries(covered)) {
    for (const [field, file] of Object.entries(fields)) {
      const name = fieldName(typeName, field);
      if (!accepted.has(name)) problems.push(`${name} is covered by ${file}, but not accepted`);
      // A message without fields goes by the field that holds it.
      const mentioned = new RegExp(`\\b${field}\\b`);
      if (!mentioned.test(textOf(file, texts))) problems.push(`${file} does not set ${name}: run coverage/update.ts`);
    }
  }
  assert.deepEqual(problems, []);
});

/** A test with the modules of test/ that it imports. */
function textOf(file: string, texts: Map<string, string>): string {
  const known = texts.get(file);
  if (known !== undefined) return known;
  const seen = new Set<string>();
  const read = (at: string): string => {
    if (seen.has(at) || !fs.existsSync(at)) return '';
    seen.add(at);
    const text = fs.readFileSync(at, 'utf8');
    const imports = [...text.matchAll(/from '(\.[^']+)'/g)]
      .map(([, to]) => path.join(path.dirname(at), to))
      .filter((to) => !to.includes(`${path.sep}src${path.sep}`));
    return [text, ...imports.map(read)].join('\n');
  };
  const text = read(path.join(import.meta.dirname, file));
  texts.set(file, text);
  return text;
}
