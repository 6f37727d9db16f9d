import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { replay } from '../support/console-blocks.ts';
import { ROOT, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

const FOLDER = 'examples/egress-mtls';
const skip = spawnSync('nginx', ['-v']).status === 0 ? false : 'there is no nginx on this machine';

test('egress with mutual TLS: its page prints what it says, its check among it', { skip }, async (t) => {
  const mesh = await TestedMesh.start(t, path.join(ROOT, FOLDER));
  // Problems stand on the other stream, and the page shows both as a terminal does.
  await until(
    'the problem of nginx is told',
    () => mesh.stderr.includes('not ready: mesh-external/my-nginx') || undefined,
  );
  // The commands of the page leave files.
  const cwd = scratch(t, 'isthmus-egress-');
  fs.symlinkSync(path.join(ROOT, 'examples'), path.join(cwd, 'examples'));
  const ran = await replay(t, {
    page: path.join(ROOT, FOLDER, 'README.md'),
    skip: (command) => command.startsWith('npx isthmus up'),
    printed: () => mesh.stdout,
    mesh,
    cwd,
    folder: FOLDER,
    more: [[/\b\d{4}-\d\d-\d\d \d\d:\d\d\b/g, 'TIME']],
  });
  assert.ok(ran >= 14, `${ran} commands`);
  const status = await mesh.isthmus(['status']);
  assert.equal(status.code, 0, status.stdout + status.stderr);
  assert.equal(await mesh.stop(), 0);
  assert.deepEqual(mesh.processes(), []);
});
