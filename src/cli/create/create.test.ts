import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch } from '../../../test/support/reference.ts';
import { run } from '../program.ts';

async function create(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run(['create', ...args, '--dry-run=client'], {
    stdin: process.stdin,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  });
  return { code, out: out.join(''), err: err.join('') };
}

const object = async (...args: string[]) => {
  const { out, err } = await create(...args, '-o', 'json');
  assert.equal(err, '');
  const { kind, type, data, binaryData, metadata } = JSON.parse(out);
  return { kind, type, data, binaryData, name: metadata.name, namespace: metadata.namespace };
};

test('secrets and config maps out of files, directories and values', async (t) => {
  const dir = scratch(t, 'create-');
  fs.writeFileSync(path.join(dir, 'a.txt'), 'A');
  fs.writeFileSync(path.join(dir, 'b.bin'), Buffer.from([0xff, 0]));
  fs.mkdirSync(path.join(dir, 'folder'));
  fs.writeFileSync(path.join(dir, 'folder', 'c'), 'C');
  fs.writeFileSync(path.join(dir, 'folder', 'no key!'), 'D');
  const secret = await object(
    ...['secret', 'generic', 's', '-n', 'x', '--from-literal=l=v=w', `--from-file=${dir}/folder`],
    ...[`--from-file=key=${dir}/a.txt`, '--from-file', `${dir}/b.bin`],
  );
  const data = { 'b.bin': '/wA=', c: 'Qw==', key: 'QQ==', l: 'dj13' };
  assert.deepEqual(secret, { kind: 'Secret', type: undefined, data, binaryData: undefined, name: 's', namespace: 'x' });
  const map = await object('configmap', 'm', `--from-file=${dir}/a.txt`, `--from-file=${dir}/b.bin`);
  assert.deepEqual([map.data, map.binaryData], [{ 'a.txt': 'A' }, { 'b.bin': '/wA=' }]);
});

test('what is wrong is said without the value', async (t) => {
  const dir = scratch(t, 'create-');
  fs.writeFileSync(path.join(dir, 'a'), 'A');
  const table: readonly (readonly [string[], string])[] = [
    [['--from-file=k=gone'], 'error: error reading gone: no such file or directory\n'],
    [['--from-file=k='], 'error: file path for key k missing from --from-file\n'],
    [[`--from-file=k=${dir}`], 'error: cannot give a key name for a directory path\n'],
    [['--from-literal=swordfish'], 'error: --from-literal must be KEY=VALUE\n'],
    [
      ['--from-literal=k=1', '--from-literal=k=2'],
      'error: cannot add key k, another key by that name already exists\n',
    ],
    [
      ['--from-literal=a b=1'],
      `error: "a b" is not a valid key: it must consist of alphanumeric characters, '-', '_' or '.'\n`,
    ],
  ];
  for (const [args, err] of table) {
    assert.deepEqual(await create('secret', 'generic', 's', ...args), { code: 1, out: '', err });
  }
});

test('a pair of key and certificate has to fit', async (t) => {
  const dir = scratch(t, 'create-');
  for (const name of ['a', 'b']) {
    const files = ['-keyout', `${dir}/${name}.key`, '-out', `${dir}/${name}.crt`];
    execFileSync('openssl', ['req', '-x509', '-nodes', '-newkey', 'rsa:2048', '-subj', `/CN=${name}`, ...files], {
      stdio: 'ignore',
    });
  }
  const made = await object('secret', 'tls', 's', `--cert=${dir}/a.crt`, `--key=${dir}/a.key`);
  assert.equal(made.type, 'kubernetes.io/tls');
  assert.deepEqual(Object.keys(made.data).sort(), ['tls.crt', 'tls.key']);
  const said = async (cert: string, key: string) =>
    (await create('secret', 'tls', 's', '--cert', cert, '--key', key)).err;
  assert.match(
    await said(`${dir}/a.crt`, `${dir}/b.key`),
    /^error: the private key .*b\.key does not fit the certificate/,
  );
  assert.match(await said(`${dir}/a.key`, `${dir}/a.key`), /^error: .*a\.key has no certificate in PEM\n$/);
  assert.match(await said(`${dir}/a.crt`, `${dir}/a.crt`), /^error: .*a\.crt has no private key in PEM\n$/);
});

test('names and small objects', async () => {
  assert.deepEqual(await create('ns', 'shop'), { code: 0, out: 'namespace/shop created (dry run)\n', err: '' });
  assert.deepEqual(await create('serviceaccount', 'a', '-n', 'b'), {
    code: 0,
    out: 'serviceaccount/a created (dry run)\n',
    err: '',
  });
  const { code, err } = await create('namespace', 'Shop');
  assert.equal(code, 1);
  assert.match(err, /^error: metadata\.name must be lower-case/);
});
