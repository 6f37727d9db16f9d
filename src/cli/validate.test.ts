import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

let directory: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'validate-'));
  process.on('exit', () => void rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, 'tree', 'deep'), { recursive: true });
  await writeFile(join(directory, 'good.yaml'), '{apiVersion: v1, kind: Namespace, metadata: {name: a}}');
  await writeFile(
    join(directory, 'bad.yaml'),
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {servers: []}\n',
  );
  await writeFile(join(directory, 'tree', 'a.yml'), '{apiVersion: v1, kind: Namespace, metadata: {name: b}}');
  await writeFile(join(directory, 'tree', 'deep', 'b.json'), '{"apiVersion": "v1", "kind": "Pod"}');
  await writeFile(join(directory, 'tree', 'notes.txt'), 'a: b: c');
});

async function validate(
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, 'validate', ...args], { cwd: directory });
  child.stdin.end(input);
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, out, err };
}

test('what is good ends with 0, what is not with 1, and both are told as istioctl tells them', async () => {
  assert.deepEqual(await validate(['-f', 'good.yaml']), { code: 0, out: '', err: '"good.yaml" is valid\n' });
  assert.deepEqual(await validate(['-f', 'good.yaml,bad.yaml', '-x', '-i', 'istio-system']), {
    code: 1,
    out: '',
    err: '"good.yaml" is valid\nError: 1 error occurred:\n\t* bad.yaml:4:8: Gateway/default/a: spec.servers must have at least one server\n',
  });
});

test('a directory is read with all below it', async () => {
  const { code, err } = await validate(['--filename', 'tree']);
  assert.equal(code, 1);
  assert.match(
    err,
    /^"tree\/a\.yml" is valid\nError: 1 error occurred:\n\t\* tree\/deep\/b\.json:1:1: metadata\.name is required\n$/,
  );
});

test('the standard input, as JSON, in a namespace', async () => {
  const object = '{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: a}, spec: {}}';
  const { code, out } = await validate(['-f', '-', '-n', 'shop', '-o', 'json'], object);
  assert.equal(code, 1);
  assert.deepEqual(JSON.parse(out), [
    {
      level: 'error',
      message: 'must have at least one of ingress, egress, outboundTrafficPolicy and inboundConnectionPool',
      file: '-',
      line: 1,
      column: 74,
      object: 'Sidecar/shop/a',
      field: 'spec',
    },
  ]);
});

test('nothing to check, and what is not there, are errors of one line', async () => {
  assert.match((await validate([])).err, /^Error: say what to check with --filename.*\n$/);
  const { code, err } = await validate(['-f', 'none.yaml']);
  assert.equal(code, 1);
  assert.match(err, /^Error: cannot read "none\.yaml": ENOENT.*\n$/);
});
