import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { addFilenames, readSources } from './sources.ts';
import { wantedOf } from './wanted-of-sources.ts';

describe('what -f names', () => {
  let dir: string;
  const at = (name: string) => path.join(dir, name);
  const read = async (names: readonly string[], recursive = false, stdin = '') =>
    (await readSources(names, { recursive, stdin: Readable.from([stdin]) })).map(({ name, text }) => [
      path.relative(dir, name),
      text,
    ]);
  const refuses = (names: readonly string[], message: string) =>
    assert.rejects(read(names), (error) => error instanceof UserError && error.message === message);

  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sources-'));
    for (const name of ['sub', 'none']) fs.mkdirSync(at(name));
    for (const name of ['b.yaml', 'a.yml', 'c.json', 'd.txt', 'sub/e.yaml']) fs.writeFileSync(at(name), name);
    fs.writeFileSync(at('binary.dat'), Buffer.from([0xff, 0xfe]));
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  it('is a file of any name, a directory, and what is below it', async () => {
    assert.deepEqual(await read([at('d.txt')]), [['d.txt', 'd.txt']]);
    const own = ['a.yml', 'b.yaml', 'c.json'].map((name) => [name, name]);
    assert.deepEqual(await read([dir]), own);
    assert.deepEqual(await read([dir], true), [...own, ['sub/e.yaml', 'sub/e.yaml']]);
    assert.deepEqual(addFilenames('b,c', ['a']), ['a', 'b', 'c']);
  });

  it('is the standard input', async () => {
    const [source] = await readSources(['-'], { recursive: false, stdin: Readable.from(['kind: ', 'x']) });
    assert.deepEqual(source, { name: 'STDIN', text: 'kind: x' });
  });

  it('is refused clearly when it cannot be read', async () => {
    await refuses([at('nope')], `the path "${at('nope')}" does not exist`);
    await refuses([at('none')], `error reading [${at('none')}]: recognized file extensions are [.json .yaml .yml]`);
    await refuses(
      ['https://x.io/a.yaml'],
      'https://x.io/a.yaml is not fetched; download it, look at it, and pass the file to -f',
    );
    await assert.rejects(read([at('binary.dat')]), /^UserError: cannot read .*binary\.dat/);
  });
});

describe('the objects that texts name', () => {
  const wanted = (text: string, namespace?: string) =>
    wantedOf([{ name: 'x.yaml', text }], namespace).map(({ key, source }) => [key, source]);
  const service = (more: string) => `{apiVersion: v1, kind: Service, metadata: {name: web${more}}, spec: {}}`;

  it('are found whether or not they are valid, in their namespace or that of -n', () => {
    assert.deepEqual(wanted(service('')), [['Service/default/web', 'x.yaml']]);
    assert.deepEqual(wanted(service(''), 'shop'), [['Service/shop/web', 'x.yaml']]);
    assert.deepEqual(wanted(service(', namespace: shop'), 'shop'), [['Service/shop/web', 'x.yaml']]);
    assert.deepEqual(
      wanted('{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a}, spec: {hostz: []}}'),
      [['VirtualService/default/a', 'x.yaml']],
    );
    assert.deepEqual(wanted('{apiVersion: foo/v1, kind: Bar, metadata: {name: a}}'), []);
  });

  it('are refused in another namespace than that of -n, and where nobody can tell what they are', () => {
    assert.throws(
      () => wanted(service(', namespace: shop'), 'other'),
      /^UserError: the namespace from the provided object "shop" does not match the namespace "other"\. You must pass '--namespace=shop'/,
    );
    assert.throws(() => wanted('a: [b'), /^UserError: x\.yaml:1:\d+: is not valid YAML/);
    assert.throws(
      () => wanted('{apiVersion: v1, kind: Service}'),
      /^UserError: x\.yaml:1:1: .*metadata\.name is required/,
    );
  });
});
