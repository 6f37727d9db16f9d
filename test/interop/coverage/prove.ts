/**
 * Whether the tests of covered.json notice their fields: `node test/interop/coverage/prove.ts [PART OF A NAME]` with
 * REFERENCE_BIN set runs, for each covered field whose name has the part in it, the test that is said to cover it with
 * the field taken out of our proxy's bootstrap (TWIN_WITHOUT), and prints the fields without which the test still passes.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fieldName, readCovered } from './read.ts';

const part = process.argv[2] ?? '';
const TEST_MS = 180_000;
let noticed = 0;
let missed = 0;
for (const [typeName, fields] of Object.entries(readCovered())) {
  for (const [field, test] of Object.entries(fields)) {
    const name = fieldName(typeName, field);
    // A message without fields goes with the field that holds it.
    if (field === '' || !name.includes(part)) continue;
    const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, '..', test)], {
      env: { ...process.env, TWIN_WITHOUT: name },
      stdio: 'ignore',
      timeout: TEST_MS,
    });
    if (status === 0) {
      missed++;
      console.log(`${name}: ${test} passes without it`);
    } else noticed++;
  }
}
console.error(`${noticed} noticed, ${missed} not`);
