import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { Logging } from '../../base/log.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import { readObjects } from '../../config/read.ts';
import { MemoryStore } from '../../config/store/memory-store.ts';
import { readMesh } from './mesh-config-file.ts';
import { MeshSettings } from './mesh-settings.ts';

const configMap = (mesh: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh },
  });

async function open(t: TestContext, text: string | undefined, inStore?: string) {
  const dir = await mkdtemp(path.join(tmpdir(), 'isthmus-mesh-'));
  t.after(() => rm(dir, { recursive: true }));
  const file = path.join(dir, 'mesh');
  if (text !== undefined) await writeFile(file, text);
  const store = new MemoryStore();
  const apply = (mesh: string) => store.apply(readObjects(configMap(mesh), 'configmap.yaml').entries);
  if (inStore !== undefined) await apply(inStore);
  const lines: string[] = [];
  const waiting: ((config: MeshConfig | string) => void)[] = [];
  const logging = new Logging({
    format: 'istio',
    stream: {
      write: (line) => {
        lines.push(line);
        if (line.includes('stays as it was')) waiting.shift()?.(line);
      },
    },
  });
  const settings = await MeshSettings.open({
    file,
    store,
    namespace: 'istio-system',
    log: logging.scope('model'),
    onChange: (config) => waiting.shift()?.(config),
  });
  t.after(() => settings.close());
  /** The next change, or complaint, after what `act` does. */
  const next = async (act: () => Promise<unknown>) => {
    const change = new Promise<MeshConfig | string>((resolve) => waiting.push(resolve));
    await act();
    return change;
  };
  const write = async (content: string) => {
    await writeFile(`${file}.new`, content);
    await rename(`${file}.new`, file);
  };
  return { settings, file, apply, lines, next, write };
}

test('a mesh is read, and everything wrong with it is named with its place', () => {
  const { config, raw, warnings } = readMesh('connectTimeout: 3s\ntrustDomain: td\n', 'mesh');
  assert.deepEqual([config.connectTimeout, config.trustDomain, warnings], [3000, 'td', []]);
  assert.deepEqual(raw, { connectTimeout: '3s', trustDomain: 'td' });
  assert.deepEqual(readMesh('', 'mesh').config, {});
  const table: [string, RegExp][] = [
    ['connectTimeout: soon\nenableTracing: 5\n', /^mesh:1:1: connectTimeout [^\n]*\nmesh:2:1: enableTracing/],
    ['defaultConfig:\n  nonsense: 1\n', /^mesh:2:\d+: defaultConfig\.nonsense/],
    ['a: [', /^mesh:1:/],
    ['{}\n---\n{}\n', /^mesh:3:1: must be one document/],
    ['- 1\n', /^mesh:1:1: /],
  ];
  for (const [text, message] of table)
    assert.throws(
      () => readMesh(text, 'mesh'),
      (e) => e instanceof UserError && message.test(e.message),
      text,
    );
});

test('the file is followed, and what cannot be read leaves the last good one', async (t) => {
  const { settings, next, write, file } = await open(t, 'connectTimeout: 1s');
  assert.deepEqual([settings.config.connectTimeout, settings.config.rootNamespace], [1000, 'istio-system']);
  const changed = await next(() => write('connectTimeout: 2s\nrootNamespace: root'));
  assert.deepEqual(changed, { connectTimeout: 2000, rootNamespace: 'root' });
  assert.equal(settings.config, changed);
  assert.match(String(await next(() => write('connectTimeout: soon'))), /mesh:1:1: connectTimeout/);
  assert.equal(settings.config.connectTimeout, 2000);
  assert.match(String(await next(() => rm(file))), /is gone/);
  assert.equal(settings.config.connectTimeout, 2000);
  assert.deepEqual(await next(() => write('connectTimeout: 3s')), {
    connectTimeout: 3000,
    rootNamespace: 'istio-system',
  });
});

test('a file that makes no sense at the start is an error: nothing good is known', async (t) => {
  await assert.rejects(open(t, 'connectTimeout: soon'), (e) => e instanceof UserError);
});

test('without a file the ConfigMap is taken, and followed', async (t) => {
  const { settings, next, apply, lines } = await open(t, undefined, 'connectTimeout: 1s');
  assert.equal(settings.config.connectTimeout, 1000);
  assert.equal(settings.raw.connectTimeout, '1s');
  const changed = (await next(() => apply('connectTimeout: 2s'))) as MeshConfig;
  assert.equal(changed.connectTimeout, 2000);
  await apply('connectTimeout: soon');
  assert.equal(settings.config.connectTimeout, 2000);
  assert.equal(lines.filter((line) => line.includes('has changed')).length, 1);
});

test('with neither there are the defaults, and it is said', async (t) => {
  const { settings, lines } = await open(t, undefined);
  assert.deepEqual(settings.config, { rootNamespace: 'istio-system' });
  assert.match(lines.join(), /using defaults/);
});

test('a file wins over the ConfigMap', async (t) => {
  const { settings, apply } = await open(t, 'connectTimeout: 5s', 'connectTimeout: 1s');
  assert.equal(settings.config.connectTimeout, 5000);
  await apply('connectTimeout: 2s');
  assert.equal(settings.config.connectTimeout, 5000);
});
