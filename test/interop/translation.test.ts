import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { withoutReference } from '../support/reference.ts';
import { formatDifference } from './translation/diff.ts';
import { compare, readFixture } from './translation/fixture.ts';
import { loadTypes } from './translation/resources.ts';

const FOLDER = path.join(import.meta.dirname, 'translation/fixtures');
const MAX_SHOWN = 20;

for (const file of fs.readdirSync(FOLDER).sort()) {
  test(`resources are istiod's: ${file}`, { skip: withoutReference, timeout: 60_000 }, async () => {
    const perNode = await compare(await loadTypes(), readFixture(path.join(FOLDER, file)));
    const found = perNode.flatMap((differences, i) =>
      differences.slice(0, MAX_SHOWN).map((difference) => `proxy ${i}: ${formatDifference(difference)}`),
    );
    assert.deepEqual(found, []);
  });
}
