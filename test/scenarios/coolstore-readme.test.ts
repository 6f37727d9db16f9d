import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { replay } from '../support/console-blocks.ts';
import { ROOT, TestedMesh } from '../support/local-mesh.ts';
import { scratch } from '../support/reference.ts';

test('the walk through coolstore prints what it says', async (t) => {
  const folder = 'examples/coolstore';
  const mesh = await TestedMesh.start(t, path.join(ROOT, folder));
  // The walk makes certificates in the folder that it begins in.
  const cwd = scratch(t);
  fs.symlinkSync(path.join(ROOT, 'examples'), path.join(cwd, 'examples'));
  const ran = await replay(t, {
    page: path.join(ROOT, folder, 'README.md'),
    skip: (command) => command === `npx isthmus up ${folder}`,
    printed: () => mesh.stdout,
    mesh,
    cwd,
    folder,
    more: [
      // What curl says of a failure depends on its version; a refused client may learn of it while it writes or reads.
      [/curl: \((35|55|56)\)[\s\S]*/g, 'curl: (35)'],
      [/curl: \((\d+)\)[\s\S]*/g, 'curl: ($1)'],
      [/^ *\d+ ("v[12]")$/gm, 'N $1'],
      [/Valid until .*/g, 'Valid until DATE'],
    ],
  });
  assert.ok(ran >= 40, `${ran} commands`);
  const left = await mesh.isthmus(['get', 'gateway,virtualservice,destinationrule,ingress', '-A', '-o', 'name']);
  assert.deepEqual(left.stdout.trim().split('\n'), [
    'gateway.networking.istio.io/coolstore-gateway',
    'virtualservice.networking.istio.io/apigateway-vs-from-gw',
  ]);
});
