import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { before, test } from 'node:test';
import { scratch } from '../../test/support/reference.ts';
import { run } from './program.ts';

const GATEWAY = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  gateways: [edge]
  http: [{route: [{destination: {host: web}}]}]
`;

/** What is a matter of information, and no more. */
const UNNAMED_PORT = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 8080}]
`;

const GOOD = '{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}\n';
const UNREADABLE = `${GOOD}---\n{apiVersion: networking.istio.io/v1, kind: Gatewy, metadata: {name: a}}\n`;

let directory: string;

before(async (t) => {
  directory = scratch(t as { after(fn: () => void): void }, 'analyze-');
  const files = {
    'gateway.yaml': GATEWAY,
    'unnamed.yaml': UNNAMED_PORT,
    'good.yaml': GOOD,
    'unreadable.yaml': UNREADABLE,
    'tree/deep/a.yml': GATEWAY,
    'tree/notes.txt': 'a: b: c',
    'mesh.yaml': 'accessLogFile: 5\n',
  };
  await mkdir(join(directory, 'tree', 'deep'), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
});

/** Runs the command on files alone; in what it prints, the folder of the files is left out. */
async function analyze(
  args: readonly string[],
  { input = '', tty = false, mesh = false } = {},
): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({ write: (text: string) => (written[name] += text), isTTY: tty });
  const files = args.map((arg) => (/\.(yaml|txt)$|^tree$/.test(arg) ? join(directory, arg) : arg));
  const code = await run(['analyze', ...(mesh ? [] : ['--use-kube=false']), ...files], {
    stdin: Readable.from([input]),
    stdout: stream('out'),
    stderr: stream('err'),
  });
  const plain = (text: string) => text.replaceAll(`${directory}/`, '');
  return { code, out: plain(written.out), err: plain(written.err) };
}

const MISSING = 'Error [IST0101] (VirtualService shop/web gateway.yaml:6) Referenced gateway not found: "edge"\n';
const NO_HOST =
  'Warning [IST0132] (VirtualService shop/web gateway.yaml:6) one or more host [web] defined in VirtualService shop/web not found in Gateway shop/edge.\n';
const FOUND = (where: string) =>
  `Error: Analyzers found issues when analyzing ${where}.\nSee https://istio.io/v1.31/docs/reference/config/analysis for more information about causes and resolutions.\n`;

test('nothing found ends with 0 and says so on the other stream', async () => {
  assert.deepEqual(await analyze(['good.yaml']), {
    code: 0,
    out: '\n',
    err: '\u2714 No validation issues found when analyzing good.yaml.\n',
  });
  assert.deepEqual(await analyze([]), {
    code: 0,
    out: '\n',
    err: '\u2714 No validation issues found when analyzing namespace: default.\n',
  });
  assert.match((await analyze(['-A', '-o', 'json'])).out, /^\[\]\n$/);
});

test('what is found is printed and ends with 79', async () => {
  assert.deepEqual(await analyze(['-n', 'shop', 'gateway.yaml']), {
    code: 79,
    out: MISSING + NO_HOST,
    err: FOUND('namespace: shop'),
  });
  assert.deepEqual(await analyze(['-A', 'tree']), {
    code: 79,
    out: (MISSING + NO_HOST).replaceAll('gateway.yaml', 'tree/deep/a.yml'),
    err: FOUND('all namespaces'),
  });
});

test('other namespaces are not told about', async () => {
  assert.equal((await analyze(['gateway.yaml'])).code, 0);
  assert.equal((await analyze(['-n', 'other', 'gateway.yaml'])).code, 0);
});

test('thresholds are of what is shown, and of what fails', async () => {
  const info =
    "Info [IST0118] (Service shop/web unnamed.yaml:6) Port name  (port: 8080, targetPort: 0) doesn't follow the naming convention of Istio port.\n";
  assert.deepEqual(await analyze(['-A', 'unnamed.yaml']), { code: 0, out: info, err: '' });
  assert.deepEqual(await analyze(['-A', '--failure-threshold', 'info', 'unnamed.yaml']), {
    code: 79,
    out: info,
    err: FOUND('all namespaces'),
  });
  assert.deepEqual(await analyze(['-A', '--output-threshold=Warning', 'unnamed.yaml']), {
    code: 0,
    out: '\n',
    err: '\u2714 No validation issues found when analyzing unnamed.yaml.\n',
  });
});

test('messages are suppressed by code and by a pattern of resources', async () => {
  const outs = async (...args: string[]) => (await analyze(['-A', 'gateway.yaml', ...args])).out;
  assert.equal(await outs('-S', 'IST0101=VirtualService shop/*'), NO_HOST);
  assert.equal(await outs('-S', 'IST0101=*', '-S', 'IST0132=*'), '\n');
  assert.equal(await outs('-S', 'IST0101=VirtualService other/*'), MISSING + NO_HOST);
  assert.match((await analyze(['-S', 'IST9999=*'])).err, /^Warning: Supplied message code 'IST9999' is an unknown/);
  assert.deepEqual(await analyze(['-S', 'nonsense']), {
    code: 1,
    out: '',
    err: 'Error: nonsense is not a valid suppression value. See isthmus analyze --help\n',
  });
});

test('JSON and YAML hold the messages, and their exit code is 0', async () => {
  const json = await analyze(['-A', '-o', 'json', 'gateway.yaml']);
  assert.equal(json.code, 0);
  assert.deepEqual(JSON.parse(json.out)[0], {
    code: 'IST0101',
    column: 14,
    documentationUrl: 'https://istio.io/v1.31/docs/reference/config/analysis/ist0101/?ref=istioctl-analyze',
    field: 'spec.gateways[0]',
    level: 'Error',
    message: 'Referenced gateway not found: "edge"',
    origin: 'VirtualService shop/web',
    reference: 'gateway.yaml:6',
  });
  const yaml = await analyze(['-A', '-o', 'yaml', 'gateway.yaml']);
  assert.equal(yaml.code, 0);
  assert.match(yaml.out, /^- code: IST0101\n {2}column: 14\n/);
});

test('what cannot be read ends with 65, unless that is allowed', async () => {
  const err =
    /^Error\(s\) adding files: 1 error occurred:\n\t\* unreadable\.yaml:3:\d+: kind is unknown: [^\n]*\n\nNo validation issues found when analyzing namespace: default \(but 1 file could not be parsed\)\.\n/;
  const strict = await analyze(['unreadable.yaml']);
  assert.equal(strict.code, 65);
  assert.match(strict.err, err);
  assert.match(strict.err, /\nError: Some files couldn't be parsed\.\n$/);
  const lenient = await analyze(['--ignore-unknown', 'unreadable.yaml']);
  assert.equal(lenient.code, 0);
  assert.match(lenient.err, err);
});

test('sources are files, folders, the standard input, and what -f names', async () => {
  const out = (await analyze(['-A', '-'], { input: GATEWAY })).out;
  assert.equal(out, (MISSING + NO_HOST).replaceAll('gateway.yaml', '-'));
  assert.equal((await analyze(['-A', '-f', 'gateway.yaml'])).out, MISSING + NO_HOST);
  assert.match(
    (await analyze(['tree/notes.txt'])).err,
    /^Skipping file tree\/notes\.txt, recognized file extensions are: \[\.json \.yaml \.yml\]\n/,
  );
  const none = await analyze(['none.yaml']);
  assert.equal(none.code, 1);
  assert.match(none.err, /^Error: cannot read ".*none\.yaml": ENOENT/);
});

test('a mesh configuration is judged too', async () => {
  const { code, out } = await analyze(['-A', '--meshConfigFile', 'mesh.yaml', 'good.yaml']);
  assert.equal(code, 79);
  assert.match(out, /^Error \[IST0106\] \(MeshConfig istio-system\/meshconfig mesh\.yaml:1\) .*accessLogFile/);
});

test('analyzers are listed, told and chosen by name', async () => {
  const { out } = await analyze(['-L']);
  const names = [...out.matchAll(/^\* (.*):\n {4}\S/gm)].map(([, name]) => name);
  assert.ok(names.includes('virtualservice.GatewayAnalyzer') && names.includes('isthmus.DuplicateAnalyzer'));
  assert.deepEqual(names, [...names].sort());
  const chosen = await analyze(['-A', '-v', '--analyzer', 'gateway.CertificateAnalyzer', 'gateway.yaml']);
  assert.equal(chosen.code, 0);
  assert.match(chosen.err, /\nExecuted analyzers:\n\t gateway\.CertificateAnalyzer\n\n/);
  const unknown = await analyze(['-A', '--analyzer', 'none', 'gateway.yaml']);
  assert.equal(unknown.out, MISSING + NO_HOST);
  assert.match(unknown.err, /^Warning: there is no analyzer "none"; isthmus analyze -L lists them\.\n/);
});

test('levels have colors on a terminal, or where they are asked for', async () => {
  const colored = `\u001b[1;31mError\u001b[0m`;
  const starts = async (args: string[], tty: boolean) =>
    (await analyze(['-A', 'gateway.yaml', ...args], { tty })).out.split(' ')[0];
  assert.equal(await starts(['--color'], false), colored);
  assert.equal(await starts(['--color=false'], true), 'Error');
  assert.equal(await starts([], false), 'Error');
});

test('what is no value of a flag ends with 64', async () => {
  assert.deepEqual(await analyze(['-o', 'xml']), {
    code: 64,
    out: '',
    err: 'Error: xml not a valid option for format. See isthmus analyze --help\n',
  });
  assert.deepEqual(await analyze(['--failure-threshold', 'x']), {
    code: 64,
    out: '',
    err: 'Error: invalid argument "x" for "--failure-threshold" flag: invalid level option\n',
  });
});

test('without --use-kube=false there must be a mesh', async () => {
  const { code, out, err } = await analyze(['--mesh', 'none-of-this-name', 'good.yaml'], { mesh: true });
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /^Error: [^\n]*none-of-this-name[^\n]*\n$/);
});
