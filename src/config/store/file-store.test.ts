import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { formatMessage } from '../message.ts';
import { readObjects } from '../read.ts';
import { FileStore, type FileStoreOptions } from './file-store.ts';
import type { ConfigSnapshot } from './snapshot.ts';

const service = (name: string, port: number | string = 80): string => `apiVersion: v1
kind: Service
metadata:
  name: ${name}
spec:
  ports:
  - port: ${port}
`;

const opened = new WeakMap<TestContext, FileStore[]>();

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'store-'));
  t.after(async () => {
    for (const store of opened.get(t) ?? []) await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

/** Without polling, unless asked for, so that what is seen is seen by events. */
async function openStore(
  t: TestContext,
  directory: string,
  options: Partial<FileStoreOptions> = {},
): Promise<FileStore> {
  const store = await FileStore.open({ directory, pollInterval: 0, ...options });
  opened.set(t, [...(opened.get(t) ?? []), store]);
  return store;
}

/** Settles when a snapshot is as wanted; the test's own time limit is the only clock. */
function until(store: FileStore, wanted: (snapshot: ConfigSnapshot) => boolean): Promise<ConfigSnapshot> {
  if (wanted(store.snapshot)) return Promise.resolve(store.snapshot);
  return new Promise((resolve) => {
    const end = store.subscribe(({ snapshot }) => {
      if (!wanted(snapshot)) return;
      end();
      resolve(snapshot);
    });
  });
}

const names = (snapshot: ConfigSnapshot): string[] => snapshot.list('Service').map((s) => s.metadata.name);
const port = (snapshot: ConfigSnapshot, name: string): number | undefined =>
  snapshot.get('Service', 'default', name)?.spec.ports?.[0]?.port;
const rejections = (snapshot: ConfigSnapshot): string[] =>
  snapshot.rejected.flatMap((r) => r.messages.map(formatMessage));

test('reads every configuration file of a tree, and nothing else', async (t) => {
  const directory = await folder(t);
  await mkdir(join(directory, 'sub', '.git'), { recursive: true });
  await writeFile(join(directory, 'a.yaml'), service('a'));
  await writeFile(join(directory, 'sub', 'b.yml'), `${service('b')}---\n${service('c')}`);
  await writeFile(
    join(directory, 'd.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'd' }, spec: { ports: [{ port: 1 }] } }),
  );
  await writeFile(join(directory, 'notes.txt'), 'not yaml: [');
  await writeFile(join(directory, '.hidden.yaml'), service('hidden'));
  await writeFile(join(directory, 'sub', '.git', 'x.yaml'), service('git'));
  const store = await openStore(t, directory);
  assert.deepEqual(names(store.snapshot), ['a', 'b', 'c', 'd']);
  assert.deepEqual(store.snapshot.rejected, []);
  const at = store.snapshot.get('Service', 'default', 'c')!.locate(['spec', 'ports', 0, 'port']);
  assert.deepEqual(at, { file: join(directory, 'sub', 'b.yml'), line: 15, column: 5 });
});

test('a directory that is not there is an error for the user', async () => {
  await assert.rejects(FileStore.open({ directory: '/nonexistent/folder' }), UserError);
});

test('sees files that are written, renamed into place, changed and removed, in new directories too', async (t) => {
  const directory = await folder(t);
  const store = await openStore(t, directory);
  await writeFile(join(directory, 'a.yaml'), service('a'));
  await until(store, (s) => names(s).join() === 'a');
  await writeFile(join(directory, '.tmp'), service('a', 81));
  await rename(join(directory, '.tmp'), join(directory, 'a.yaml'));
  await until(store, (s) => port(s, 'a') === 81);
  await mkdir(join(directory, 'deep'));
  await writeFile(join(directory, 'deep', 'b.yaml'), service('b'));
  await until(store, (s) => names(s).join() === 'a,b');
  await writeFile(join(directory, 'deep', 'b.yaml'), service('b', 82));
  await until(store, (s) => port(s, 'b') === 82);
  await rm(join(directory, 'a.yaml'));
  await until(store, (s) => names(s).join() === 'b');
  await rm(join(directory, 'deep'), { recursive: true });
  await until(store, (s) => names(s).join() === '');
});

test('sees a mounted ConfigMap change, whose files are links that turn all at once', async (t) => {
  const directory = await folder(t);
  for (const [version, number] of [
    ['..1', 80],
    ['..2', 81],
  ] as const) {
    await mkdir(join(directory, version));
    await writeFile(join(directory, version, 'a.yaml'), service('a', number));
  }
  await symlink('..1', join(directory, '..data'));
  await symlink('..data/a.yaml', join(directory, 'a.yaml'));
  const store = await openStore(t, directory);
  assert.equal(port(store.snapshot, 'a'), 80);
  await symlink('..2', join(directory, '..next'));
  await rename(join(directory, '..next'), join(directory, '..data'));
  await until(store, (s) => port(s, 'a') === 81);
});

test('looks from time to time where there are no events', async (t) => {
  const directory = await folder(t);
  const store = await openStore(t, directory, { pollInterval: 5 });
  // As on a file system without events: nothing is watched any more.
  (store as unknown as { watch: { close(): void } }).watch.close();
  await writeFile(join(directory, 'a.yaml'), service('a'));
  await until(store, (s) => names(s).join() === 'a');
});

test('an object that becomes invalid stays as it was, and says why', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'a.yaml');
  await writeFile(file, `${service('a')}---\n${service('b')}`);
  const store = await openStore(t, directory);
  await writeFile(file, `${service('a', 0)}---\n${service('b', 82)}`);
  const broken = await until(store, (s) => s.rejected.length > 0);
  assert.equal(port(broken, 'a'), 80);
  assert.equal(port(broken, 'b'), 82);
  assert.deepEqual(rejections(broken), [
    `${file}:7:5: Service/default/a: spec.ports[0].port must be between 1 and 65535, not 0`,
  ]);
  assert.equal(broken.rejected[0]!.lastGood, true);
  await writeFile(file, `${service('a', 90)}---\n${service('b', 82)}`);
  const repaired = await until(store, (s) => s.rejected.length === 0);
  assert.equal(port(repaired, 'a'), 90);
});

test('a file that cannot be parsed removes nothing', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'a.yaml');
  await writeFile(file, `${service('a')}---\n${service('b')}`);
  const store = await openStore(t, directory);
  await writeFile(file, `${service('a')}---\na: b: c\n`);
  const broken = await until(store, (s) => s.rejected.length > 0);
  assert.deepEqual(names(broken), ['a', 'b']);
  assert.match(rejections(broken)[0]!, /a\.yaml:9:4: is not valid YAML/);
  await writeFile(file, service('a'));
  assert.deepEqual(names(await until(store, (s) => s.rejected.length === 0)), ['a']);
});

test('what is told of files ends with them, also of several at once', async (t) => {
  const directory = await folder(t);
  const store = await openStore(t, directory, { debounce: 60_000 });
  await writeFile(join(directory, 'a.yaml'), service('a'));
  await store.sync();
  for (const name of ['a.yaml', 'b.yaml', 'c.yaml']) await writeFile(join(directory, name), 'a: b: c');
  await store.sync();
  assert.deepEqual(
    store.snapshot.rejected.map((r) => r.lastGood),
    [true, false, false],
  );
  await writeFile(join(directory, 'd.yaml'), service('a', 81));
  await store.sync();
  assert.equal(port(store.snapshot, 'a'), 81);
  assert.equal(store.snapshot.rejected[0]!.lastGood, false);
  for (const name of ['a.yaml', 'b.yaml', 'c.yaml']) await rm(join(directory, name));
  await store.sync();
  assert.deepEqual(store.snapshot.rejected, []);
});

test('a document that does not say who it is removes nothing either', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'a.yaml');
  await writeFile(file, service('a'));
  const store = await openStore(t, directory);
  await writeFile(file, service('a').replace('name: a', 'nam: a'));
  const broken = await until(store, (s) => s.rejected.length > 0);
  assert.deepEqual(names(broken), ['a']);
});

test('a file that is not UTF-8 is refused, not guessed at', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, 'a.yaml'), Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
  const store = await openStore(t, directory);
  assert.match(rejections(store.snapshot)[0]!, /is not UTF-8/);
});

test('a file that is emptied and then written is not taken for empty', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'a.yaml');
  await writeFile(file, service('a'));
  const store = await openStore(t, directory);
  const removed: string[] = [];
  store.subscribe((change) => removed.push(...change.removed));
  await truncate(file);
  const writing = new Promise((resolve) => setTimeout(() => resolve(writeFile(file, service('a', 81))), 10));
  await until(store, (s) => port(s, 'a') === 81);
  await writing;
  assert.deepEqual(removed, []);
});

test('of one object in two files the one in force stays, whatever the names of the files', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, 'b.yaml'), service('x', 80));
  const store = await openStore(t, directory);
  await writeFile(join(directory, 'a.yaml'), service('x', 81));
  const both = await until(store, (s) => s.rejected.length > 0);
  assert.equal(port(both, 'x'), 80);
  const place = join(directory, 'b.yaml');
  assert.deepEqual(rejections(both), [
    `${join(directory, 'a.yaml')}:1:1: Service/default/x: is defined twice; the other one is at ${place}:1:1`,
  ]);
  await rm(place);
  const one = await until(store, (s) => s.rejected.length === 0);
  assert.equal(port(one, 'x'), 81);
});

test('an object that moves to another file is updated, not removed', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, 'a.yaml'), service('x'));
  const store = await openStore(t, directory);
  const seen: string[] = [];
  store.subscribe((c) => seen.push(...c.removed.map((k) => `removed ${k}`), ...c.moved.map((k) => `moved ${k}`)));
  await rename(join(directory, 'a.yaml'), join(directory, 'b.yaml'));
  const file = (s: ConfigSnapshot): string | undefined => s.get('Service', 'default', 'x')?.locate([]).file;
  await until(store, (s) => file(s) === join(directory, 'b.yaml'));
  assert.deepEqual(seen, ['moved Service/default/x']);
});

test('apply writes one file for each new object; a secret is for its owner alone', async (t) => {
  const directory = await folder(t);
  const store = await openStore(t, directory);
  const secret = '{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {a: "yes"}}';
  await store.apply(readObjects(`${service('web')}---\n${secret}`, 'in.yaml', { defaultNamespace: 'shop' }).entries);
  assert.deepEqual((await readdir(directory)).sort(), ['secret.shop.key.yaml', 'service.shop.web.yaml']);
  assert.equal((await stat(join(directory, 'secret.shop.key.yaml'))).mode & 0o777, 0o600);
  const text = await readFile(join(directory, 'service.shop.web.yaml'), 'utf8');
  assert.equal(
    text,
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  ports:\n    - port: 80\n',
  );
  assert.match(await readFile(join(directory, 'secret.shop.key.yaml'), 'utf8'), /a: "yes"/);
});

test('apply and remove edit the file in which an object lives, and leave the rest of it alone', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'mine.yaml');
  const other = `# Of the other team.\n${service('other')}  # not ours\n`;
  await writeFile(file, `# Web.\n${service('web')}\n---\n${other}`);
  const store = await openStore(t, directory);
  const [result] = await store.apply(readObjects(service('web', 81), 'in.yaml').entries);
  assert.equal(result!.outcome, 'configured');
  const edited = await readFile(file, 'utf8');
  assert.ok(edited.startsWith('# Web.\napiVersion: v1\n'), edited);
  assert.ok(edited.endsWith(`---\n${other}`), edited);
  assert.equal(port(store.snapshot, 'web'), 81);
  await store.remove(['Service/default/web']);
  assert.equal(await readFile(file, 'utf8'), `---\n${other}`);
  await store.remove(['Service/default/other']);
  assert.deepEqual(await readdir(directory), []);
});

test('status is a part of objects only for a store that keeps it', async (t) => {
  const pod = (ready: string) =>
    readObjects(
      `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop, uid: u1}, spec: {containers: [{name: a, image: a}]},
        status: {podIP: 127.64.0.2, conditions: [{type: Ready, status: "${ready}"}]}}`,
      'f.yaml',
    ).entries;
  const outcomes = async (keepsStatus: boolean) => {
    const store = await openStore(t, await folder(t), { keepsStatus });
    const first = await store.apply(pod('False'));
    const second = await store.apply(pod('True'));
    const { raw } = store.snapshot.get('Pod', 'shop', 'a')!;
    return { outcomes: [first[0]!.outcome, second[0]!.outcome], status: raw.status, metadata: raw.metadata };
  };
  assert.deepEqual(await outcomes(false), {
    outcomes: ['created', 'unchanged'],
    status: undefined,
    metadata: { name: 'a', namespace: 'shop' },
  });
  assert.deepEqual(await outcomes(true), {
    outcomes: ['created', 'configured'],
    status: { podIP: '127.64.0.2', conditions: [{ type: 'Ready', status: 'True' }] },
    metadata: { name: 'a', namespace: 'shop', uid: 'u1' },
  });
});

test('apply repairs a document that is refused, where it stands', async (t) => {
  const directory = await folder(t);
  await writeFile(join(directory, 'mine.yaml'), service('web', 0));
  const store = await openStore(t, directory);
  assert.equal(store.snapshot.rejected.length, 1);
  await store.apply(readObjects(service('web', 80), 'in.yaml').entries);
  assert.deepEqual(await readdir(directory), ['mine.yaml']);
  assert.deepEqual(store.snapshot.rejected, []);
});

test('apply does not write beside a file that it cannot read', async (t) => {
  const directory = await folder(t);
  const file = join(directory, 'mine.yaml');
  await writeFile(file, service('web'));
  const store = await openStore(t, directory);
  await writeFile(file, 'a: b: c');
  const [result] = await store.apply(readObjects(service('web', 81), 'in.yaml').entries);
  assert.equal(result!.outcome, 'error');
  assert.match(result!.errors[0]!.message, /repair that first/);
  assert.deepEqual(await readdir(directory), ['mine.yaml']);
});

test('the last good version, and the time of creation, survive a restart', async (t) => {
  const directory = await folder(t);
  const stateDirectory = join(await folder(t), 'state');
  const file = join(directory, 'a.yaml');
  await writeFile(file, `${service('a')}---\n${service('gone')}`);
  const first = await openStore(t, directory, { stateDirectory, now: () => 1000 });
  await first.apply(readObjects(service('a', 81), 'in.yaml').entries);
  await first.close();
  await writeFile(file, service('a', 0));

  const second = await openStore(t, directory, { stateDirectory, now: () => 9000 });
  assert.equal(port(second.snapshot, 'a'), 81);
  assert.equal(second.snapshot.rejected[0]?.lastGood, true);
  assert.deepEqual(names(second.snapshot), ['a']);
  const { metadata } = second.snapshot.get('Service', 'default', 'a')!;
  assert.equal(metadata.creationTimestamp, 1000);
  assert.equal(metadata.generation, 2);
  await second.close();

  const [name] = await readdir(stateDirectory);
  assert.equal((await stat(stateDirectory)).mode & 0o777, 0o700);
  assert.equal((await stat(join(stateDirectory, name!))).mode & 0o777, 0o600);
});

test('state that cannot be read is told, and the files count', async (t) => {
  const directory = await folder(t);
  const stateDirectory = await folder(t);
  await writeFile(join(directory, 'a.yaml'), service('a'));
  await writeFile(join(stateDirectory, 'x.json'), '{');
  const told: string[] = [];
  const store = await openStore(t, directory, { stateDirectory, onProblem: (message) => told.push(message) });
  assert.deepEqual(names(store.snapshot), ['a']);
  assert.match(told[0]!, /x\.json: cannot be read/);
});

test('a file of many objects is one change', async (t) => {
  const directory = await folder(t);
  const store = await openStore(t, directory);
  const changes: number[] = [];
  store.subscribe((change) => changes.push(change.added.length));
  await writeFile(join(directory, 'a.yaml'), Array.from({ length: 50 }, (_, i) => service(`s${i}`)).join('---\n'));
  await until(store, (s) => s.size === 50);
  assert.deepEqual(changes, [50]);
});
