import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programHome } from './program-home.ts';

test('programs start where their YAML lies, and in the folder of the mesh if they were applied', () => {
  const state = '/home/me/.isthmus/meshes/shop';
  for (const [file, home] of [
    ['/yaml/shop/web.yaml', '/yaml/shop'],
    ['/yaml/shop/deep/web.yaml', '/yaml/shop/deep'],
    [`${state}/applied/deployment.default.web.yaml`, '/yaml/shop'],
    [`${state}/runtime/installation.json`, '/yaml/shop'],
    [`${state}-2/web.yaml`, `${state}-2`],
  ] as const)
    assert.equal(programHome(file, '/yaml/shop', state), home, file);
});
