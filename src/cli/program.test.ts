import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { CLUSTER_STATUSES, wholeDump } from '../../test/support/config-dumps.ts';
import { ISTIO_VERSION, PACKAGE_VERSION } from '../base/version.ts';
import { run } from './program.ts';

async function isthmus(args: readonly string[], input = ''): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run(args, {
    stdin: Readable.from([input]),
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
  });
  return { code, out: out.join(''), err: err.join('') };
}

/** No mesh runs there. */
function emptyHome(t: { after(fn: () => void): void }): void {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'home-'));
  const before = process.env.ISTHMUS_HOME;
  process.env.ISTHMUS_HOME = home;
  t.after(() => {
    if (before === undefined) delete process.env.ISTHMUS_HOME;
    else process.env.ISTHMUS_HOME = before;
    fs.rmSync(home, { recursive: true });
  });
}

test('flags are read as Go reads them, and stand where istioctl lets them stand', async () => {
  const clusters = JSON.stringify(CLUSTER_STATUSES);
  const { out } = await isthmus(
    ['proxy-config', 'endpoint', '--status', 'draining', '-o', 'json', '-f', '-'],
    clusters,
  );
  assert.match(out, /^\[\n {4}\{\n/);
  for (const args of [
    ['-o', 'json', 'pc', 'ep', '--status=draining', '--file=-'],
    ['pc', '-o=json', 'endpoints', '-f-', '--status', 'draining'],
    ['pc', 'ep', '-ojson', '-f=-', '--status', 'draining'],
  ]) {
    assert.deepEqual(await isthmus(args, clusters), { code: 0, out, err: '' }, args.join(' '));
  }
  const dump = JSON.stringify(wholeDump({}));
  for (const args of [['--verbose=false'], ['--verbose=0'], ['--verbose=F']]) {
    assert.match((await isthmus(['pc', 'l', '-f', '-', ...args], dump)).out, /^ADDRESSES +PORT +TYPE\n/);
  }
});

test('what cannot be read ends with 64 in the words of istioctl, what cannot be done with 1', async (t) => {
  emptyHome(t);
  const table: readonly [args: string, code: number, err: RegExp][] = [
    ['nonsense', 64, /^Error: unknown command "nonsense" for "isthmus"\nRun 'isthmus --help' for usage\.\n$/],
    ['pc listner', 64, /^Error: unknown command "listner".*\n\nDid you mean this\?\n\tlistener\n\n/],
    ['pc listener --nonsense', 64, /^Error: unknown flag: --nonsense\n$/],
    ['pc listener -Z', 64, /^Error: unknown shorthand flag: 'Z' in -Z\n$/],
    ['pc listener --file', 64, /^Error: flag needs an argument: -f, --file\n$/],
    ['pc listener --port x a', 64, /^Error: invalid argument "x" for "--port" flag: it must be a port number\n$/],
    [
      'pc listener --verbose=maybe a',
      64,
      /^Error: invalid argument "maybe" for "--verbose" flag: it must be true or false\n$/,
    ],
    ['pc listener', 1, /^Usage: isthmus proxy-config .*\nError: listener requires pod name or --file parameter\n$/s],
    ['pc listener a b', 1, /Error: listener requires pod name or --file parameter\n$/],
    ['pc listener a', 1, /^Error: no mesh runs on this machine; start one with `isthmus up DIR`\n$/],
    ['pc log a --reset --level info', 1, /Error: --level cannot be combined with --reset\n$/],
    ['pc log a -o json', 1, /^Error: --output is not applicable for this command\n$/],
    ['ps', 1, /^Error: no mesh runs on this machine/],
    ['version -o x', 1, /^Error: --output must be 'yaml' or 'json'\n$/],
    ['version --mesh x', 1, /^Error: no mesh "x" runs on this machine/],
    ['completion tcsh', 1, /^Error: no completion for "tcsh": use bash, zsh, fish\n$/],
    ['help pc nonsense', 64, /^Error: unknown help topic "pc nonsense"\n/],
  ];
  for (const [line, code, message] of table) {
    const { code: ended, err } = await isthmus(line.split(' '));
    assert.match(err, message, line);
    assert.equal(ended, code, line);
  }
});

test('a flag that asks for a cluster is said to have no effect', async () => {
  const args = ['--context', 'prod', 'pc', 'eds', '-f', '-'];
  const { code, err } = await isthmus(args, '{}');
  assert.deepEqual(
    [code, err],
    [0, 'warning: --context has no effect: proxies of the local mesh are asked, not of a cluster\n'],
  );
});

test('every command has help with examples', async () => {
  const groups = ['pc', 'ps', 'version', 'completion'];
  const views = [
    'all',
    'bootstrap',
    'cluster',
    'ecds',
    'endpoint',
    'eds',
    'listener',
    'log',
    'rootca-compare',
    'route',
    'secret',
  ];
  for (const args of [[], ...groups.map((name) => [name]), ...views.map((name) => ['pc', name])]) {
    const { code, out } = await isthmus([...args, '--help']);
    assert.equal(code, 0, args.join(' '));
    assert.match(out, /\nExamples:\n {2}# .*\n {2}(isthmus|source) /, args.join(' '));
    assert.equal((await isthmus(['help', ...args])).out, out);
  }
});

test('versions without a mesh', async (t) => {
  emptyHome(t);
  assert.deepEqual(await isthmus(['version', '--remote=false']), {
    code: 0,
    out: `client version: ${ISTIO_VERSION}\n`,
    err: '',
  });
  const { code, out, err } = await isthmus(['version', '-o', 'json']);
  assert.equal(code, 0);
  assert.equal(JSON.parse(out).clientVersion.tag, `isthmus-${PACKAGE_VERSION}`);
  assert.match(err, /^no versions of a mesh: no mesh runs on this machine/);
  assert.match(
    (await isthmus(['version', '--short=false', '--remote=false'])).out,
    /^client version: version\.BuildInfo\{/,
  );
  assert.equal((await isthmus(['--version'])).out, `isthmus ${PACKAGE_VERSION} (Istio ${ISTIO_VERSION})\n`);
});

test('what may come next on a command line', async (t) => {
  emptyHome(t);
  const words = async (...line: string[]) =>
    (await isthmus(['__complete', ...line])).out.split('\n').map((text) => text.split('\t')[0]!);
  assert.deepEqual(await words('proxy-'), ['proxy-config', 'proxy-status', '']);
  assert.deepEqual(await words('pc', 'l'), ['listener', 'log', '']);
  assert.deepEqual(await words('-n', 'shop', 'pc', 'lo'), ['log', '']);
  assert.deepEqual(await words('pc', 'listener', '--ver'), ['--verbose', '']);
  assert.deepEqual(await words('pc', 'listener', '-o', ''), ['json', 'yaml', 'short', '']);
  assert.deepEqual(await words('ps', '--output=t'), ['--output=table', '']);
  assert.deepEqual(await words('completion', ''), ['bash', 'zsh', 'fish', '']);
  assert.deepEqual(await words('help', 'comp'), ['completion', '']);
  assert.deepEqual(await words('pc', 'listener', ''), ['']);
  for (const shell of ['bash', 'zsh', 'fish']) {
    assert.match((await isthmus(['completion', shell])).out, /__complete/, shell);
  }
});
