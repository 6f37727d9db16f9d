import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { TABLE } from '../scripts/import-table.mjs';

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, '..');
const CRUISE = path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

async function cruise(cwd: string): Promise<{ code: number; output: string }> {
  try {
    const { stdout } = await run(process.execPath, [CRUISE, '--config', '.dependency-cruiser.mjs', 'src'], { cwd });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, output: stdout };
  }
}

test('no folder imports what the table does not allow', async () => {
  const { code, output } = await cruise(ROOT);
  assert.equal(code, 0, output);
});

test('a planted bad import is found', async (t) => {
  const house = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-imports-'));
  t.after(() => fs.rmSync(house, { recursive: true }));
  for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.mjs', 'scripts/import-table.mjs']) {
    fs.mkdirSync(path.dirname(path.join(house, name)), { recursive: true });
    fs.copyFileSync(path.join(ROOT, name), path.join(house, name));
  }
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(house, 'node_modules'));
  const plant = (name: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(house, name)), { recursive: true });
    fs.writeFileSync(path.join(house, name), text);
  };
  plant('src/proxy/target.ts', 'export const target = 1;\n');
  plant('src/base/fine.ts', 'export const fine = 1;\n');
  plant('src/wire/good.ts', "import '../base/fine.ts';\n");
  assert.equal((await cruise(house)).code, 0);

  plant('src/wire/bad-wall.ts', "import '../proxy/target.ts';\n");
  plant('src/wire/bad-impure.ts', "import 'node:net';\n");
  plant('src/strange/file.ts', 'export {};\n');
  const { code, output } = await cruise(house);
  assert.notEqual(code, 0);
  assert.match(output, /wire-imports: src\/wire\/bad-wall\.ts/);
  assert.match(output, /wire-is-pure: src\/wire\/bad-impure\.ts/);
  assert.doesNotMatch(output, /good\.ts/);
});

test('every folder of src stands in the table', () => {
  const folders = fs.readdirSync(path.join(ROOT, 'src'), { withFileTypes: true }).filter((e) => e.isDirectory());
  const known = new Set(Object.keys(TABLE).map((k) => k.split('/')[0]));
  assert.deepEqual(
    folders.map((f) => f.name).filter((f) => !known.has(f)),
    [],
  );
});

test('node:http is had by base/node-http.ts, which does not load what an import of it would', () => {
  const files = fs.readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  const importing = files
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith(`api${path.sep}gen`))
    .filter((name) =>
      /^import (?!type ).*from 'node:http';$/m.test(fs.readFileSync(path.join(ROOT, 'src', name), 'utf8')),
    );
  assert.deepEqual(importing, []);
});
