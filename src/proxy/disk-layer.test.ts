import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../../test/support/reference.ts';
import { readDiskLayer } from './disk-layer.ts';

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = scratch(t);
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    fs.writeFileSync(path.join(root, file), text);
  }
  return root;
}

test('files are keys, by their folders', (t) => {
  const root = folder(t, { a: '1\n', 'b/c/d': 'x \n', 'b/comment': '# only\n', lines: 'one\n\n# no\ntwo\n' });
  fs.symlinkSync('a', path.join(root, 'link'));
  assert.deepEqual([...readDiskLayer(root)!].sort(), [
    ['a', '1'],
    ['b.c.d', 'x'],
    ['b.comment', ''],
    ['lines', 'one\ntwo'],
    ['link', '1'],
  ]);
});

test('there is no layer without a folder', (t) => {
  const root = folder(t, { file: '' });
  assert.equal(readDiskLayer(path.join(root, 'missing')), undefined);
  assert.equal(readDiskLayer(path.join(root, 'file')), undefined);
});

test('what has no end is refused', (t) => {
  const deep = folder(t, { [`${'d/'.repeat(17)}file`]: '1' });
  assert.throws(() => readDiskLayer(deep), /more than 16 folders deep/);
  const round = folder(t, {});
  fs.symlinkSync('.', path.join(round, 'again'));
  assert.throws(() => readDiskLayer(round), /more than 16 folders deep/);
  const large = folder(t, { large: 'x'.repeat(70_000) });
  assert.throws(() => readDiskLayer(large), /larger than 65536 bytes/);
  assert.throws(() => readDiskLayer('/proc/self'), /no folder of runtime values/);
});
