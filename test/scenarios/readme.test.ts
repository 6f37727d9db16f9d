import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { replay } from '../support/console-blocks.ts';
import { ROOT, TestedMesh } from '../support/local-mesh.ts';

test('the tour of the README prints what it says', async (t) => {
  const folder = 'examples/coolstore';
  const mesh = await TestedMesh.start(t, path.join(ROOT, folder));
  const ran = await replay(t, {
    page: path.join(ROOT, 'README.md'),
    skip: (command) => command === 'npm start',
    printed: () => mesh.stdout,
    mesh,
    cwd: ROOT,
    folder,
  });
  assert.ok(ran >= 15, `${ran} commands`);
  assert.equal(await mesh.ended, 0, 'down has ended it');
  assert.deepEqual(mesh.processes(), []);
});
