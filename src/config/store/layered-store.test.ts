import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inMemory } from '../../../test/support/kept.ts';
import { readObjects } from '../read.ts';
import { AppliedPlaces } from './applied-places.ts';
import { LayeredStore } from './layered-store.ts';
import { MemoryStore } from './memory-store.ts';
import type { ConfigChange } from './snapshot.ts';

const service = (name: string, port: number) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {ports: [{port: ${port}}]}
`;
const parse = (text: string) => readObjects(text, 'input.yaml').entries;
const KEY = 'Service/default/web';

async function mesh() {
  const layers = { files: new MemoryStore(), applied: new MemoryStore(), runtime: new MemoryStore() };
  await layers.files.apply(parse(service('web', 80)));
  const store = new LayeredStore(layers, { deleted: inMemory([]), places: new AppliedPlaces(inMemory({})) });
  const changes: ConfigChange[] = [];
  store.subscribe((change) => changes.push(change));
  const port = () => store.snapshot.get('Service', 'default', 'web')?.spec.ports?.[0]?.port;
  return { ...layers, store, port, changes };
}

test('what is applied stands before the file, which is not touched', async () => {
  const { store, files, port, changes } = await mesh();
  assert.equal(port(), 80);
  assert.deepEqual((await store.apply(parse(service('web', 81))))[0]?.outcome, 'configured');
  assert.equal(port(), 81);
  assert.equal(files.snapshot.get('Service', 'default', 'web')?.spec.ports?.[0]?.port, 80);
  assert.deepEqual(
    changes.map((c) => c.updated),
    [[KEY]],
  );
  assert.equal((await store.apply(parse(service('web', 81))))[0]?.outcome, 'unchanged');
});

test('what is applied from a file is where that file has it', async () => {
  const { store } = await mesh();
  const from = (file: string) => parse(service('api', 80)).map((entry) => ({ ...entry, file }));
  const at = () => store.snapshot.get('Service', 'default', 'api')?.locate(['spec']);
  await store.apply(from('/home/me/api.yaml'));
  assert.deepEqual(at(), { file: '/home/me/api.yaml', line: 5, column: 1 });
  assert.equal((await store.apply(from('/home/me/moved.yaml')))[0]?.outcome, 'unchanged');
  assert.equal(at()?.file, '/home/me/moved.yaml');
  await store.remove(['Service/default/api']);
  await store.apply(parse(service('api', 80)));
  assert.equal(at()?.file, 'input.yaml');
});

test('an edit of the file is heard again', async () => {
  const { store, files, port } = await mesh();
  await store.apply(parse(service('web', 81)));
  await files.apply(parse(service('web', 82)));
  await store.apply([]);
  assert.equal(port(), 82);
});

test('deleting hides an object of a file until the file says something new', async () => {
  const { store, files, port, changes } = await mesh();
  assert.deepEqual(
    (await store.remove([KEY])).map((r) => r.outcome),
    ['deleted'],
  );
  assert.equal(port(), undefined);
  assert.deepEqual(changes.at(-1)?.removed, [KEY]);
  assert.deepEqual(
    (await store.remove([KEY])).map((r) => r.outcome),
    ['not found'],
  );
  await files.apply(parse(service('web', 83)));
  await store.apply([]);
  assert.equal(port(), 83);
});

test('applying a deleted object brings it back', async () => {
  const { store, port, changes } = await mesh();
  await store.remove([KEY]);
  assert.equal((await store.apply(parse(service('web', 84))))[0]?.outcome, 'created');
  assert.equal(port(), 84);
  await store.remove([KEY]);
  assert.equal(port(), undefined);
  assert.deepEqual(
    changes.map(({ added, updated, removed }) => [added, updated, removed]),
    [
      [[], [], [KEY]],
      [[KEY], [], []],
      [[], [], [KEY]],
    ],
    'each in one change',
  );
});

test('the runtime adds, and wins', async () => {
  const { store, runtime, port } = await mesh();
  await runtime.apply(parse(service('web', 90)));
  await runtime.apply(parse(service('gateway', 1)));
  assert.equal(port(), 90);
  assert.ok(store.snapshot.get('Service', 'default', 'gateway'));
  await runtime.remove([KEY]);
  assert.equal(port(), 80);
});

test('a dry run changes nothing', async () => {
  const { store, port } = await mesh();
  assert.equal((await store.apply(parse(service('web', 81)), { dryRun: true }))[0]?.outcome, 'configured');
  assert.equal((await store.remove([KEY], { dryRun: true }))[0]?.outcome, 'deleted');
  assert.equal(port(), 80);
});

test('what people have said is told apart from what the mesh adds', async () => {
  const { store, runtime, port } = await mesh();
  const seen: ConfigChange[] = [];
  store.written.subscribe((change) => seen.push(change));
  await runtime.apply(parse(service('web', 90)));
  await runtime.apply(parse(service('own', 1)));
  assert.equal(port(), 90);
  const written = () => store.written.snapshot.list('Service').map((s) => [s.metadata.name, s.spec.ports?.[0]?.port]);
  assert.deepEqual(written(), [['web', 80]]);
  assert.equal(seen.length, 0);
  await store.apply(parse(service('web', 85)));
  assert.deepEqual(written(), [['web', 85]]);
  assert.deepEqual(
    seen.map((c) => c.updated),
    [[KEY]],
  );
  assert.equal(port(), 90);
});

test("the mesh's own objects are neither applied over nor deleted, unless somebody wrote them as well", async () => {
  const { files, store, runtime, port } = await mesh();
  await runtime.apply(parse(service('own', 90)));
  const [applied] = await store.apply(parse(service('own', 81)));
  assert.equal(applied?.outcome, 'error');
  assert.equal(applied?.errors[0]?.message, "is the mesh's own and cannot be changed by applying it");
  assert.equal(applied?.errors[0]?.at.file, 'input.yaml');
  const [removed] = await store.remove(['Service/default/own']);
  assert.equal(removed?.outcome, 'error');
  assert.equal(removed?.errors[0]?.message, "is the mesh's own and cannot be deleted");
  assert.equal(store.snapshot.get('Service', 'default', 'own')?.spec.ports?.[0]?.port, 90);

  await runtime.apply(parse(service('web', 91)));
  assert.equal((await store.apply(parse(service('web', 80))))[0]?.outcome, 'unchanged');
  assert.equal((await store.remove([KEY]))[0]?.outcome, 'deleted');
  assert.equal(store.written.snapshot.get('Service', 'default', 'web'), undefined);
  assert.equal(port(), 91);
  assert.ok(files.snapshot.get('Service', 'default', 'web'));
});

test('an object that is changed by applying it keeps its age', async () => {
  const { files, store, applied } = await mesh();
  const metadata = () => store.snapshot.get('Service', 'default', 'web')!.metadata;
  const { creationTimestamp } = files.snapshot.get('Service', 'default', 'web')!.metadata;
  let now = Date.now();
  while (now === creationTimestamp) now = Date.now();
  await store.apply(parse(service('web', 81)));
  assert.ok(applied.snapshot.get('Service', 'default', 'web')!.metadata.creationTimestamp > creationTimestamp);
  assert.equal(metadata().creationTimestamp, creationTimestamp);
  assert.equal(metadata().generation, 2);
  await store.apply(parse(service('web', 82)));
  assert.equal(metadata().creationTimestamp, creationTimestamp);
  assert.equal(metadata().generation, 3);
});
