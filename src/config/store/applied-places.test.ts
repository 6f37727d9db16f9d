import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inMemory } from '../../../test/support/kept.ts';
import { readObjects } from '../read.ts';
import { writeYaml } from '../yaml/write.ts';
import { type AppliedPlace, AppliedPlaces, type Kept } from './applied-places.ts';
import { canonical } from './canonical.ts';

const KEY = 'VirtualService/default/web';
const FILE = '/home/me/web.yaml';
const TEXT = `# routes
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: web}}]
`;

/** As a store has it: rewritten, in a file of its own. */
const copyOf = (text: string) =>
  readObjects(writeYaml(canonical(readObjects(text, FILE).entries[0]!.object!)), 'copy.yaml').entries[0]!.object!;
const applied = (text: string, file: string | undefined) =>
  readObjects(text, './web.yaml').entries.map((entry) => (file === undefined ? entry : { ...entry, file }));

async function places(text = TEXT, file: string | undefined = FILE) {
  const kept: Kept<Readonly<Record<string, AppliedPlace>>> = inMemory({});
  const places = new AppliedPlaces(kept);
  await places.note(applied(text, file));
  return { kept, places };
}

test('a copy is told of by the lines of the file that was applied', async () => {
  const { places: known } = await places();
  const copy = copyOf(TEXT);
  const object = known.place(KEY, copy);
  assert.deepEqual(object.locate([]), { file: FILE, line: 2, column: 1 });
  assert.deepEqual(object.locate(['spec', 'hosts']), { file: FILE, line: 6, column: 3 });
  assert.equal(object.raw, copy.raw);
  assert.equal(known.place(KEY, copy), object, 'nothing changes as long as nothing is applied');
});

test('a restart forgets the lines of fields alone', async () => {
  const { kept } = await places();
  const object = new AppliedPlaces(kept).place(KEY, copyOf(TEXT));
  assert.deepEqual(object.locate(['spec', 'hosts']), { file: FILE, line: 2, column: 1 });
});

test('a copy that says something else speaks for itself', async () => {
  const { kept, places: known } = await places();
  const edited = copyOf(TEXT.replace('[web]', '[other]'));
  assert.equal(known.place(KEY, edited), edited);
  assert.equal(new AppliedPlaces(kept).place(KEY, edited), edited);
});

test('what came by the standard input, and what was removed, has the copy only', async () => {
  const copy = copyOf(TEXT);
  const { places: known } = await places();
  await known.note(applied(TEXT, undefined));
  assert.equal(known.place(KEY, copy), copy);
  await known.note(applied(TEXT, FILE));
  assert.notEqual(known.place(KEY, copy), copy);
  await known.forget([KEY]);
  assert.equal(known.place(KEY, copy), copy);
});

test('applying it again from elsewhere tells of the new place', async () => {
  const { places: known } = await places();
  await known.note(applied(`\n\n${TEXT}`, '/home/me/other.yaml'));
  assert.deepEqual(known.place(KEY, copyOf(TEXT)).locate([]), { file: '/home/me/other.yaml', line: 4, column: 1 });
});

test('warnings about a copy are told of the file', async () => {
  const text = `${TEXT}    mirror: {host: web}\n    mirrorPercent: 5\n`;
  const { kept, places: known } = await places(text);
  const copy = copyOf(text);
  const [own, ...more] = readObjects(text, './web.yaml').entries[0]!.warnings;
  assert.deepEqual([own!.field, own!.at.line, more.length], ['spec.http[0].mirrorPercent', 10, 0]);
  const told = { ...own!, at: { file: 'copy.yaml', line: 12, column: 3 } };
  assert.deepEqual(known.retell(told, copy), { ...own, at: { ...own!.at, file: FILE } });
  assert.deepEqual(new AppliedPlaces(kept).retell(told, copy).at, { file: FILE, line: 2, column: 1 });
  assert.equal(known.retell(told, undefined), told);
  const { key: _, ...ofFile } = told;
  assert.equal(known.retell(ofFile, copy), ofFile);
});
