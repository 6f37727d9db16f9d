import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { run } from '../../src/cli/program.ts';
import { CLUSTER_STATUSES, EMPTY_DUMP, secretsDump, wholeDump } from '../support/config-dumps.ts';
import { TestPki } from '../support/pki.ts';
import { referenceProgram, scratch, withoutReference } from '../support/reference.ts';

const COMMANDS = [
  'listener',
  'listener -o json',
  'listener -o yaml',
  'listener --verbose=false',
  'listener --type http',
  'listener --type TCP --port 15001',
  'listener --address ::1',
  'route',
  'route -o json',
  'route -o yaml',
  'route --verbose=false',
  'route --name 80',
  'cluster',
  'cluster -o json',
  'cluster -o yaml',
  'cluster --direction outbound --port 80',
  'cluster --fqdn b.test --subset v1 -ojson',
  'endpoint',
  'endpoint -o json',
  'endpoint -o yaml',
  'endpoint --status healthy --port 80',
  'endpoint --address 10.0.0.3 --cluster OUTBOUND|80||a -o json',
  'eds',
  'eds -o json',
  'eds -o yaml',
  'eds --status unhealthy --port 80 -o json',
  'eds --address 10.0.0.9:80 --cluster agent',
  'secret',
  'secret -o json',
  'secret -o yaml',
  'bootstrap',
  'bootstrap -o yaml',
  'bootstrap --output=short',
  'ecds',
  'ecds -o json',
  'ecds -o yaml',
  'all',
  'all --with-headers',
  'all --verbose=false --port 80',
  'all -o json',
  'all -o yaml',
  'listener -o nonsense',
  'listener --nonsense',
];

async function ours(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run(args, {
    stdin: Readable.from([]),
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  });
  return { code, out: out.join(''), err: err.join('').replaceAll('isthmus', 'istioctl') };
}

function theirs(args: readonly string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(referenceProgram('istioctl'), args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    timeout: 30_000,
  });
  return { code: status, out: stdout, err: stderr };
}

describe('proxy-config prints what istioctl prints', { skip: withoutReference }, () => {
  async function compare(file: string): Promise<void> {
    for (const command of COMMANDS) {
      const args = ['proxy-config', ...command.split(' '), '--file', file];
      assert.deepEqual(await ours(args), theirs(args), `${command} of ${path.basename(file)}`);
    }
  }

  test('of what has every form', async (t) => {
    const folder = scratch(t);
    const pki = await TestPki.make(folder);
    const { cert } = await pki.issue({ uris: ['spiffe://cluster.local/ns/shop/sa/web'] });
    const dumps: Readonly<Record<string, JsonObject>> = {
      whole: wholeDump(secretsDump(cert, pki.roots)),
      clusters: CLUSTER_STATUSES,
      empty: EMPTY_DUMP,
      nothing: {},
    };
    for (const [name, content] of Object.entries(dumps)) {
      const file = path.join(folder, `${name}.json`);
      fs.writeFileSync(file, JSON.stringify(content));
      await compare(file);
    }
  });

  test('of a file that is not there', async () => {
    const args = ['pc', 'listener', '--file', path.join('no', 'such', 'file')];
    assert.deepEqual(await ours(args), theirs(args));
  });

  // A folder of dumps of proxies that have run, at any depth.
  const folder = process.env.CONFIG_DUMPS;
  const recorded = folder ? fs.globSync('**/config_dump*.json', { cwd: folder }) : [];
  for (const name of recorded) test(`of what was recorded: ${name}`, () => compare(path.join(folder!, name)));
});
