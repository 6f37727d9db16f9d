import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch } from '../../test/support/reference.ts';
import { isthmusHome, MeshFolder, type MeshRecord, meshName, runningMeshes } from './mesh-folder.ts';

const record = (name: string, pid: number): MeshRecord => ({
  name,
  dir: '/yaml',
  pid,
  controlSocket: '/control.sock',
  discovery: { grpc: '', secureGrpc: '', http: '', monitoring: '' },
  startedAt: 1,
});
/** No machine counts as far. */
const NOBODY = 2 ** 30;

test('where meshes are kept, and what the mesh of a folder is called', () => {
  assert.equal(isthmusHome({ ISTHMUS_HOME: '/x', HOME: '/home/me' }), '/x');
  assert.equal(isthmusHome({ HOME: '/home/me' }), '/home/me/.isthmus');
  for (const [folder, name] of [
    ['/a/shop', 'shop'],
    ['/a/My Shop!', 'my-shop'],
    ['/a/--', 'mesh'],
    [`/a/${'x'.repeat(31)}-y`, 'x'.repeat(31)],
  ])
    assert.equal(meshName(folder!), name);
  for (const name of ['', 'Shop', '-a', 'a-', '../a', 'x'.repeat(33)])
    assert.throws(() => new MeshFolder('/x', name), { name: 'UserError' }, name);
});

test('a run begins with nothing of the last one but what is kept, which only its owner reads', (t) => {
  const folder = new MeshFolder(scratch(t), 'shop');
  folder.prepare();
  assert.equal(fs.statSync(folder.path).mode & 0o777, 0o700);
  for (const dir of [folder.state, folder.claims, folder.applied, folder.pods, folder.logs, folder.sockets])
    fs.writeFileSync(path.join(dir, 'file'), '');
  folder.prepare();
  const kept = [folder.state, folder.claims, folder.applied, folder.pods, folder.logs, folder.sockets].map((dir) =>
    fs.existsSync(path.join(dir, 'file')),
  );
  assert.deepEqual(kept, [true, true, false, false, false, false]);
});

test('a mesh runs as long as its process does', (t) => {
  const home = scratch(t);
  const [shop, gone] = [new MeshFolder(home, 'shop'), new MeshFolder(home, 'gone')];
  for (const folder of [shop, gone]) folder.prepare();
  assert.equal(shop.running(), undefined);
  shop.write(record('shop', process.pid));
  gone.write(record('gone', NOBODY));
  assert.deepEqual(shop.running(), record('shop', process.pid));
  assert.equal(gone.running(), undefined);
  fs.mkdirSync(path.join(home, 'meshes', 'Not a mesh'));
  assert.deepEqual(
    runningMeshes(home).map(({ name }) => name),
    ['shop'],
  );
  assert.deepEqual(runningMeshes(path.join(home, 'none')), []);
  fs.writeFileSync(path.join(shop.logs, 'web.log'), 'why');
  shop.finish();
  assert.equal(shop.running(), undefined);
  assert.deepEqual([fs.existsSync(shop.pods), fs.existsSync(path.join(shop.logs, 'web.log'))], [false, true]);
});

test('a path that is too long for sockets is refused before anything is made', (t) => {
  const home = path.join(scratch(t), 'x'.repeat(90));
  assert.throws(() => new MeshFolder(home, 'shop').prepare(), {
    message: /is too long a path for sockets; set ISTHMUS_HOME/,
  });
  assert.equal(fs.existsSync(home), false);
});
