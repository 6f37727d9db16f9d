import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { BOOKINFO } from '../support/bookinfo.ts';
import { replay } from '../support/console-blocks.ts';
import { ROOT, TestedMesh } from '../support/local-mesh.ts';
import { scratch } from '../support/reference.ts';

test('bookinfo: its page prints what it says, its check among it, and the mesh is well afterwards', async (t) => {
  const mesh = await TestedMesh.start(t, BOOKINFO);
  // The commands of the page leave files.
  const cwd = scratch(t, 'isthmus-bookinfo-');
  fs.symlinkSync(path.join(ROOT, 'examples'), path.join(cwd, 'examples'));
  const ran = await replay(t, {
    page: path.join(BOOKINFO, 'README.md'),
    skip: (command) => command.startsWith('npx isthmus up'),
    printed: () => mesh.stdout,
    adapt: {
      // The gateways of the test are not where those of the page are.
      command: (text) => text.replace(/^sh /, `ADDRESS=${mesh.address} sh `),
      output: (text) => text,
    },
    mesh,
    cwd,
    folder: 'examples/bookinfo',
    more: [
      // Plaintext is refused by the end of the connection, or by a reset.
      [/curl: \((52|56)\).*/g, 'curl: refused'],
      [/\b\d+ requests?\b/g, 'N requests'],
      [/\b(reviews-v\d)-[a-z0-9]+-[a-z0-9]+/g, '$1-POD'],
    ],
  });
  assert.ok(ran >= 15, `${ran} commands`);
  const status = await mesh.isthmus(['status']);
  assert.equal(status.code, 0, status.stdout + status.stderr);
  assert.equal(await mesh.stop(), 0);
  assert.deepEqual(mesh.processes(), []);
});
