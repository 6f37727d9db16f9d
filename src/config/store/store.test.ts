import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { inMemory } from '../../../test/support/kept.ts';
import { readObjects } from '../read.ts';
import { AppliedPlaces } from './applied-places.ts';
import { FileStore } from './file-store.ts';
import { LayeredStore } from './layered-store.ts';
import { MemoryStore } from './memory-store.ts';
import type { ConfigChange } from './snapshot.ts';
import type { ConfigStore } from './store.ts';

const service = (name: string, port = 80, namespace = 'default'): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {ports: [{port: ${port}}]}
`;

const parse = (text: string) => readObjects(text, 'input.yaml').entries;

type Open = (t: TestContext, now: () => number) => Promise<ConfigStore>;

const stores: Readonly<Record<string, Open>> = {
  MemoryStore: async (_, now) => new MemoryStore({ now }),
  LayeredStore: async (_, now) =>
    new LayeredStore(
      { files: new MemoryStore({ now }), applied: new MemoryStore({ now }), runtime: new MemoryStore({ now }) },
      { deleted: inMemory([]), places: new AppliedPlaces(inMemory({})) },
    ),
  FileStore: async (t, now) => {
    const directory = await mkdtemp(join(tmpdir(), 'store-'));
    const store = await FileStore.open({ directory, now, pollInterval: 0 });
    t.after(async () => {
      await store.close();
      await rm(directory, { recursive: true });
    });
    return store;
  },
};

for (const [name, open] of Object.entries(stores)) {
  describe(`${name} as a ConfigStore`, () => {
    test('creates, configures and leaves unchanged', async (t) => {
      const store = await open(t, () => 1000);
      const changes: ConfigChange[] = [];
      store.subscribe((change) => changes.push(change));
      const first = await store.apply(parse(service('web')));
      assert.deepEqual(
        first.map((r) => [r.key, r.outcome]),
        [['Service/default/web', 'created']],
      );
      assert.equal((await store.apply(parse(service('web'))))[0]!.outcome, 'unchanged');
      assert.equal((await store.apply(parse(service('web', 81))))[0]!.outcome, 'configured');
      assert.deepEqual(
        changes.map(({ added, updated, removed }) => ({ added, updated, removed })),
        [
          { added: ['Service/default/web'], updated: [], removed: [] },
          { added: [], updated: ['Service/default/web'], removed: [] },
        ],
      );
      assert.equal(store.snapshot.get('Service', 'default', 'web')?.spec.ports?.[0]?.port, 81);
      assert.equal(changes[1]!.snapshot, store.snapshot);
      assert.equal(changes[1]!.snapshot.number, changes[0]!.snapshot.number + 1);
    });

    test('what an API server adds does not make an object different', async (t) => {
      const store = await open(t, () => 1000);
      await store.apply(parse(service('web')));
      const dumped = `{apiVersion: v1, kind: Service, metadata: {name: web, resourceVersion: "7", uid: x, generation: 3},
        spec: {ports: [{port: 80}]}, status: {loadBalancer: {}}}`;
      assert.equal((await store.apply(parse(dumped)))[0]!.outcome, 'unchanged');
    });

    test('keeps the time of creation and counts generations', async (t) => {
      let now = 1000;
      const store = await open(t, () => now);
      await store.apply(parse(service('web')));
      now = 2000;
      await store.apply(parse(service('web', 81)));
      const { metadata } = store.snapshot.get('Service', 'default', 'web')!;
      assert.equal(metadata.creationTimestamp, 1000);
      assert.equal(metadata.generation, 2);
    });

    test('an object that is refused changes nothing, the others of the batch are taken', async (t) => {
      const store = await open(t, () => 1000);
      await store.apply(parse(service('web')));
      const results = await store.apply(parse([service('web', 0), service('other')].join('---')));
      assert.deepEqual(
        results.map((r) => r.outcome),
        ['error', 'created'],
      );
      assert.match(results[0]!.errors[0]!.message, /between 1 and 65535/);
      assert.equal(store.snapshot.get('Service', 'default', 'web')?.spec.ports?.[0]?.port, 80);
      assert.equal(store.snapshot.size, 2);
    });

    test('of two objects with one key in a batch the second is refused, and both places are named', async (t) => {
      const store = await open(t, () => 1000);
      const results = await store.apply(parse([service('web', 80), service('web', 81)].join('---')));
      assert.deepEqual(
        results.map((r) => r.outcome),
        ['created', 'error'],
      );
      const [error] = results[1]!.errors;
      assert.equal(error!.at.line, 7);
      assert.match(error!.message, /input\.yaml:2:1/);
    });

    test('a dry run tells and changes nothing', async (t) => {
      const store = await open(t, () => 1000);
      await store.apply(parse(service('web')));
      const before = store.snapshot;
      const results = await store.apply(parse([service('web', 81), service('new')].join('---')), { dryRun: true });
      assert.deepEqual(
        results.map((r) => r.outcome),
        ['configured', 'created'],
      );
      const removed = await store.remove(['Service/default/web'], { dryRun: true });
      assert.equal(removed[0]!.outcome, 'deleted');
      assert.equal(store.snapshot, before);
    });

    test('removes by key', async (t) => {
      const store = await open(t, () => 1000);
      await store.apply(parse([service('a'), service('b')].join('---')));
      const results = await store.remove(['Service/default/a', 'Service/default/none']);
      assert.deepEqual(
        results.map((r) => r.outcome),
        ['deleted', 'not found'],
      );
      assert.deepEqual(
        store.snapshot.list('Service').map((s) => s.metadata.name),
        ['b'],
      );
    });

    test('a kind that the mesh does not read is told as unused', async (t) => {
      const store = await open(t, () => 1000);
      const [result] = await store.apply(
        parse('{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}}'),
      );
      assert.equal(result!.outcome, 'unused');
      assert.match(result!.warnings[0]!.message, /no effect/);
      assert.equal(store.snapshot.size, 0);
    });

    test('lists oldest first, then by name and namespace; snapshots never change', async (t) => {
      let now = 3000;
      const store = await open(t, () => now);
      await store.apply(parse(service('young')));
      const early = store.snapshot;
      now = 1000;
      await store.apply(parse([service('b'), service('a', 80, 'two'), service('a', 80, 'one')].join('---')));
      assert.deepEqual(
        store.snapshot.list('Service').map((s) => `${s.metadata.namespace}/${s.metadata.name}`),
        ['one/a', 'two/a', 'default/b', 'default/young'],
      );
      assert.deepEqual(
        store.snapshot.list('Service', 'two').map((s) => s.metadata.name),
        ['a'],
      );
      assert.deepEqual(store.snapshot.list('Service', 'none'), []);
      assert.deepEqual(store.snapshot.list('Pod'), []);
      assert.equal(early.list('Service').length, 1);
    });

    test('a subscription ends, and one that throws does not keep others from hearing', async (t) => {
      const store = await open(t, () => 1000);
      const heard: number[] = [];
      const end = store.subscribe(() => heard.push(1));
      store.subscribe(() => {
        throw new Error('of the subscriber');
      });
      store.subscribe(() => heard.push(2));
      await assert.rejects(store.apply(parse(service('a'))), /of the subscriber/);
      end();
      await assert.rejects(store.apply(parse(service('b'))), /of the subscriber/);
      assert.deepEqual(heard, [1, 2, 2]);
      assert.equal(store.snapshot.size, 2);
    });
  });
}
