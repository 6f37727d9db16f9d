import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { replay } from '../support/console-blocks.ts';
import { ROOT, TestedMesh } from '../support/local-mesh.ts';
import { scratch } from '../support/reference.ts';

const FOLDER = 'examples/cargo';

test('Cloud Cargo: its page prints what it says, its check among it, and the mesh is well afterwards', async (t) => {
  const mesh = await TestedMesh.start(t, path.join(ROOT, FOLDER));
  // The commands of the page leave files.
  const cwd = scratch(t, 'isthmus-cargo-');
  fs.symlinkSync(path.join(ROOT, 'examples'), path.join(cwd, 'examples'));
  const ran = await replay(t, {
    page: path.join(ROOT, FOLDER, 'README.md'),
    skip: (command) => command.startsWith('npx isthmus up'),
    printed: () => mesh.stdout,
    mesh,
    cwd,
    folder: FOLDER,
  });
  assert.ok(ran >= 15, `${ran} commands`);
  const status = await mesh.isthmus(['status']);
  assert.equal(status.code, 0, status.stdout + status.stderr);
  assert.equal(await mesh.stop(), 0);
  assert.deepEqual(mesh.processes(), []);
});
