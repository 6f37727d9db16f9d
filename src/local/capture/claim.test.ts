import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { claim, giveBack, holderOf } from './claim.ts';

test('a number is one process at a time, and free when that has gone', (t) => {
  const folder = scratch(t);
  const file = path.join(folder, 'isthmus-3.pid');
  assert.equal(holderOf(3, folder), undefined);
  assert.equal(claim(3, folder), true);
  assert.equal(holderOf(3, folder), process.pid);
  assert.equal(claim(3, folder), true, 'it is ours');
  giveBack(3, folder);
  assert.equal(fs.existsSync(file), false);
  // The parent of a test is there as long as it is.
  fs.writeFileSync(file, `${process.ppid}\n`);
  assert.equal(claim(3, folder), false);
  giveBack(3, folder);
  assert.equal(holderOf(3, folder), process.ppid, "others' are left alone");
  for (const gone of ['2147483646\n', 'no number', '-1', '']) {
    fs.writeFileSync(file, gone);
    assert.equal(claim(3, folder), true, gone);
    assert.equal(holderOf(3, folder), process.pid);
  }
});
