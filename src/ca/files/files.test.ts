import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ManualClock, systemClock } from '../../base/clock.ts';
import { modeOf, scratch, until } from '../openssl.test.ts';
import { readFiles, readSmallFile } from './read.ts';
import { FileWatch } from './watch.ts';
import { createFolder, type NewFile, replaceFile, replaceSet } from './write.ts';

const open = (text: string): NewFile => ({ text, secret: false });
const secret = (text: string): NewFile => ({ text, secret: true });

test('small files are read whole, absent ones are undefined, large ones an error', async (t) => {
  const dir = scratch(t);
  const file = path.join(dir, 'a');
  fs.writeFileSync(file, 'x'.repeat(40000));
  assert.equal((await readSmallFile(file))?.length, 40000);
  assert.equal((await readSmallFile(file, 40000))?.length, 40000);
  await assert.rejects(readSmallFile(file, 39999), /UserError: .*\/a is larger than 39999 bytes/);
  assert.equal(await readSmallFile(path.join(dir, 'b')), undefined);
  assert.equal(await readSmallFile(path.join(file, 'b')), undefined);
  await assert.rejects(readSmallFile(dir), /UserError: .* cannot be read/);
  assert.match((await readSmallFile('/proc/self/stat')) ?? '', /^\d+ /);
  assert.deepEqual([...(await readFiles(dir, ['a', 'b'])).keys()], ['a']);
});

test('a file is replaced at one stroke, with its mode', async (t) => {
  const file = path.join(scratch(t), 'deep', 'key.pem');
  await replaceFile(file, secret('one'));
  assert.equal(modeOf(file), '600');
  await replaceFile(file, open('two'));
  assert.equal(modeOf(file), '644');
  assert.equal(fs.readFileSync(file, 'utf8'), 'two');
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ['key.pem']);
  await assert.rejects(replaceFile(path.join(file, 'x'), open('')), /UserError: .* cannot be written/);
});

test('a folder is made once, whoever asks', async (t) => {
  const dir = path.join(scratch(t), 'a', 'b');
  const made = await Promise.all(
    ['1', '2', '3'].map((n) =>
      createFolder(
        dir,
        new Map([
          ['key', secret(n)],
          ['who', open(n)],
        ]),
      ),
    ),
  );
  assert.equal(made.filter((m) => m).length, 1);
  assert.equal(modeOf(dir), '700');
  assert.equal(modeOf(path.join(dir, 'key')), '600');
  assert.equal(fs.readFileSync(path.join(dir, 'who'), 'utf8'), fs.readFileSync(path.join(dir, 'key'), 'utf8'));
  assert.deepEqual(fs.readdirSync(path.dirname(dir)), ['b']);
});

test('a set of files is replaced at one stroke, plain files included', async (t) => {
  const dir = path.join(scratch(t), 'certs');
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, 'key.pem'), 'by hand');
  fs.writeFileSync(path.join(dir, 'other'), 'kept');
  const read = () => ['key.pem', 'cert.pem'].map((name) => fs.readFileSync(path.join(dir, name), 'utf8'));
  const set = (n: string) =>
    replaceSet(
      dir,
      new Map([
        ['key.pem', secret(`k${n}`)],
        ['cert.pem', open(`c${n}`)],
      ]),
    );
  await set('1');
  assert.deepEqual(read(), ['k1', 'c1']);
  const link = fs.readlinkSync(path.join(dir, 'key.pem'));
  // Someone with the old folder open still has a whole set until it is closed.
  await set('2');
  assert.deepEqual(read(), ['k2', 'c2']);
  assert.equal(fs.readlinkSync(path.join(dir, 'key.pem')), link);
  assert.equal(modeOf(path.join(dir, 'key.pem')), '600');
  assert.equal(modeOf(path.join(dir, 'cert.pem')), '644');
  const entries = fs.readdirSync(dir);
  assert.equal(entries.filter((e) => e.startsWith('..2')).length, 1, String(entries));
  assert.equal(fs.readFileSync(path.join(dir, 'other'), 'utf8'), 'kept');
});

test('a watch offers a change when it has settled, and each problem once', async () => {
  const clock = new ManualClock();
  let now = new Map([['a', '1']]);
  let readings = 0;
  const seen: string[] = [];
  const read = async () => {
    readings++;
    if (now.has('broken')) throw new Error('cannot read');
    return new Map(now);
  };
  const onChange = (files: ReadonlyMap<string, string>) => {
    seen.push([...files].flat().join());
    if (files.get('a') === 'bad') throw new Error('bad content');
  };
  const onError = (error: unknown) => seen.push(String(error));
  const watch = new FileWatch(new Map(now), { read, onChange, onError, clock, intervalMs: 10 });
  const poll = async () => {
    const before = readings;
    clock.advance(10);
    await until(() => readings > before && clock.pending === 1);
  };
  await poll();
  now = new Map([['a', '2']]);
  await poll();
  assert.deepEqual(seen, []);
  now.set('b', '3');
  await poll();
  assert.deepEqual(seen, [], 'still changing');
  await poll();
  await poll();
  assert.deepEqual(seen.splice(0), ['a,2,b,3']);
  now = new Map([['a', 'bad']]);
  for (let i = 0; i < 4; i++) await poll();
  assert.deepEqual(seen.splice(0), ['a,bad', 'Error: bad content']);
  now = new Map([['broken', '']]);
  for (let i = 0; i < 3; i++) await poll();
  assert.deepEqual(seen.splice(0), ['Error: cannot read']);
  now = new Map([['a', '2']]);
  for (let i = 0; i < 3; i++) await poll();
  assert.deepEqual(seen, ['a,2']);
  watch.close();
  assert.equal(clock.pending, 0);
});

test('a watch that knows the paths takes a change when the kernel tells of it, long before it would look', async (t) => {
  const dir = scratch(t);
  const paths = ['certs/a', 'certs/b'].map((name) => path.join(dir, name));
  const seen: string[] = [];
  const read = async () => new Map(Object.entries(await textsOf(paths)));
  const onChange = (files: ReadonlyMap<string, string>) => void seen.push([...files.values()].join());
  const onError = (error: unknown) => seen.push(String(error));
  const options = { read, onChange, onError, clock: systemClock, intervalMs: 1_000_000, paths };
  const watch = new FileWatch(new Map(), options);
  t.after(() => watch.close());
  fs.mkdirSync(path.join(dir, 'certs'));
  for (const [i, file] of paths.entries()) fs.writeFileSync(file, String(i));
  await until(() => seen.at(-1) === '0,1');
  fs.writeFileSync(paths[0]!, '2');
  await until(() => seen.at(-1) === '2,1');
  fs.rmSync(path.join(dir, 'certs'), { recursive: true });
  await until(() => seen.at(-1) === '');
});

async function textsOf(paths: readonly string[]): Promise<Record<string, string>> {
  const texts = await Promise.all(paths.map(async (file) => [file, await readSmallFile(file)] as const));
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined)) as Record<string, string>;
}
