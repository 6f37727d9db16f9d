/**
 * Writes covered.json anew from a recording: `TWIN_RECORD=FILE npm test 'test/interop/*.test.ts'` with REFERENCE_BIN
 * set, then `node test/interop/coverage/update.ts FILE`. A recording of some tests only adds what they cover with
 * `--add`. Prints what is accepted and has neither a test nor a reason.
 */
import fs from 'node:fs';
import { acceptedFields } from './accepted.ts';
import { COVERED_FILE, type Coverage, fieldName, namesOf, readCovered, recordedFields } from './read.ts';
import { unprovenFields } from './unproven.ts';

const [file, mode] = process.argv.slice(2);
if (file === undefined) throw new Error('usage: update.ts FILE [--add]');
const before = readCovered();
const recorded = recordedFields(file);
const unproven = unprovenFields();
const covered: Coverage = {};
let count = 0;
let open = 0;
for (const [typeName, field] of namesOf(await acceptedFields())) {
  const tests = recorded.get(fieldName(typeName, field)) ?? new Set<string>();
  const old = before[typeName]?.[field];
  // The one that it was, lest a run changes what stays so.
  const test = old !== undefined && (mode === '--add' || tests.has(old)) ? old : [...tests].sort()[0];
  if (test !== undefined) {
    (covered[typeName] ??= {})[field] = test;
    count++;
  } else if (!unproven.has(fieldName(typeName, field))) {
    open++;
    console.log(fieldName(typeName, field));
  }
}
fs.writeFileSync(COVERED_FILE, `${JSON.stringify(covered, null, 2)}\n`);
console.error(`${count} covered, ${unproven.size} with a reason, ${open} without`);
