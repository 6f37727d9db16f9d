import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch, until } from '../../../test/support/reference.ts';
import { FolderEvents } from './folder-events.ts';

/** Counts events; `told` resolves when there was one since the last time it was asked. */
function follow(t: { after(fn: () => void): void }, ...files: string[]) {
  let count = 0;
  let seen = 0;
  const events = new FolderEvents(files, () => count++);
  t.after(() => events.close());
  const told = async (what: string) => {
    await until(what, () => count > seen || undefined);
    seen = count;
  };
  return { events, told, count: () => count };
}

test('tells of files that appear, change and go, also behind a link to the folder', async (t) => {
  const dir = scratch(t, 'isthmus-events-');
  fs.mkdirSync(path.join(dir, 'real'));
  fs.symlinkSync('real', path.join(dir, 'link'));
  const { told } = follow(t, path.join(dir, 'link', 'a.pem'));
  const file = path.join(dir, 'real', 'a.pem');
  fs.writeFileSync(file, '1');
  await told('it appears');
  fs.writeFileSync(file, '2');
  await told('it changes');
  fs.renameSync(file, path.join(dir, 'b.pem'));
  await told('it goes');
});

test('waits for a folder that is not there, and for one that comes again', async (t) => {
  const dir = scratch(t, 'isthmus-events-');
  const folder = path.join(dir, 'etc', 'certs');
  const { told } = follow(t, path.join(folder, 'tls.crt'), path.join(folder, 'tls.key'));
  fs.mkdirSync(path.join(dir, 'etc'));
  await told('the folder above comes');
  fs.mkdirSync(folder);
  await told('the folder comes');
  fs.writeFileSync(path.join(folder, 'tls.crt'), '1');
  await told('the file comes');
  fs.renameSync(folder, path.join(dir, 'old'));
  fs.mkdirSync(folder);
  await told('another folder is in its place');
  fs.writeFileSync(path.join(folder, 'tls.crt'), '2');
  await told('the file of the new folder comes');
});

test('tells of nothing once it is closed', async (t) => {
  const dir = scratch(t, 'isthmus-events-');
  const { events, count } = follow(t, path.join(dir, 'a'));
  const other = follow(t, path.join(dir, 'a'));
  events.close();
  fs.writeFileSync(path.join(dir, 'a'), '1');
  await other.told('the other hears it');
  assert.equal(count(), 0);
});
