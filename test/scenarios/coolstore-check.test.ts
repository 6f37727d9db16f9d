import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { execute, isthmusProgram, ROOT, TestedMesh } from '../support/local-mesh.ts';

const SCRIPT = path.join(ROOT, 'examples/coolstore/check.sh');

const check = (env: Readonly<Record<string, string>>) =>
  execute('/bin/sh', [SCRIPT], { env: { ISTHMUS: isthmusProgram().join(' '), ...env }, timeoutMs: 240_000 });

const SETTINGS = 'gateway,virtualservice,destinationrule,ingress,deployment,service,secret';

/** A mesh, the variables of a check of it, and all that people have written in it, without what differs by itself. */
async function setUp(t: { after(fn: () => void | Promise<void>): void }) {
  const mesh = await TestedMesh.start(t, path.join(ROOT, 'examples/coolstore'));
  const written = async () => {
    const { stdout } = await mesh.isthmus(['get', SETTINGS, '-A', '-o', 'json']);
    const { items } = JSON.parse(stdout) as { items: { kind: string; metadata: { name: string }; spec: unknown }[] };
    return items.map(({ kind, metadata, spec }) => ({ kind, name: metadata.name, spec }));
  };
  return { env: { ...mesh.env, ADDRESS: mesh.address }, written, before: await written() };
}

test('check.sh finds a mesh as it should be, and leaves it as it was', async (t) => {
  const { env, written, before } = await setUp(t);
  const { code, stdout, stderr } = await check(env);
  assert.equal(code, 0, stdout + stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines.pop()!, /^all \d+ steps are as they should be$/);
  assert.ok(lines.length >= 25, `${lines.length} steps`);
  for (const line of lines) assert.match(line, /^ok {6}\S/);
  assert.deepEqual(await written(), before);
});

test('check.sh says what is not as it should be, and leaves the mesh as it was', async (t) => {
  const { env, written, before } = await setUp(t);
  // Nothing answers at an address that is not the mesh's.
  const { code, stdout, stderr } = await check({ ...env, ADDRESS: '127.255.255.254', SECONDS_TO_WAIT: '0' });
  assert.equal(code, 1, stderr);
  assert.match(stdout, /^FAILED {2}VirtualService: the products for its host\n +wanted: .*\n +found: +curl: \(7\)/m);
  assert.match(stdout, /^ok {6}Gateway: a listener for HTTP$/m);
  assert.match(stdout, /\n\d+ of \d+ steps are not as they should be\n$/);
  assert.deepEqual(await written(), before);
});

test('check.sh says that there is no mesh', async () => {
  const none = await check({ ISTHMUS: 'false' });
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^there is no mesh that is ready; start it with: npx isthmus up examples\/coolstore$/m);
});
