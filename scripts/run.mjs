// The launcher behind `npm start`, `npm test` and the others. It runs on any Node from 20 on, does the set-up that is
// missing (dependencies, generated types, compiled programs) and hands over to the Node that package-lock.json pins.
import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const say = (text) => process.stderr.write(`${text}\n`);

function fail(text) {
  say(`isthmus: ${text}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (done.error) fail(`${command}: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status ?? 1);
}

function hashOf(files) {
  const hash = crypto.createHash('sha256');
  for (const file of files) hash.update(fs.readFileSync(file));
  return hash.digest('hex');
}

// Each lies with what it vouches for, so that checkouts that share node_modules do not vouch for each other.
const STAMPS = {
  dependencies: path.join(ROOT, 'node_modules/.isthmus-stamp'),
  generate: path.join(ROOT, 'src/api/gen/.stamp'),
  build: path.join(ROOT, 'dist/.stamp'),
};

/** Runs `make` unless the inputs are the ones of its last success. */
function once(name, inputs, product, make) {
  const stamp = STAMPS[name];
  const now = hashOf(inputs);
  if (fs.existsSync(product) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === now) return;
  make();
  fs.writeFileSync(stamp, now);
}

const filesUnder = (dir, pattern) =>
  fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && pattern.test(e.name))
    .map((e) => path.join(e.parentPath ?? e.path, e.name))
    .sort();

function dependencies() {
  once(
    'dependencies',
    [path.join(ROOT, 'package-lock.json')],
    path.join(ROOT, 'node_modules/.package-lock.json'),
    () => {
      say('installing dependencies (once) ...');
      const npm = process.env.npm_execpath;
      const args = ['ci', '--include=dev', '--ignore-scripts=false', '--no-audit', '--no-fund', '--loglevel=error'];
      const env = { ...process.env };
      delete env.NODE_ENV;
      if (npm?.endsWith('.js') || npm?.endsWith('.cjs'))
        run(process.execPath, [npm, ...args], { env, stdio: ['ignore', 2, 2] });
      else run('npm', args, { env, stdio: ['ignore', 2, 2] });
    },
  );
}

/** The pinned Node if it was installed, else this one if it is new enough. */
function node() {
  const pinned = path.join(ROOT, 'node_modules/node/bin/node');
  if (fs.existsSync(pinned)) return pinned;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  return fail(
    `this is Node ${process.versions.node}, and Isthmus needs 22.18 or newer. npm did not install the one it pins: ` +
      'remove node_modules and run npm again without --ignore-scripts and NODE_ENV=production.',
  );
}

function generate() {
  const inputs = [
    path.join(ROOT, 'scripts/generate.mjs'),
    path.join(ROOT, 'scripts/newer-fields.mjs'),
    path.join(ROOT, 'scripts/newer-constraints.mjs'),
    path.join(ROOT, 'package-lock.json'),
    ...filesUnder(path.join(ROOT, 'src/api/proto'), /\.proto$/),
  ];
  once('generate', inputs, path.join(ROOT, 'src/api/gen/files.ts'), () => {
    say('generating types from the Envoy API ...');
    run(node(), ['scripts/generate.mjs'], { stdio: ['ignore', 2, 2] });
  });
}

function build() {
  const sources = filesUnder(path.join(ROOT, 'src'), /(?<!\.test)\.ts$|\.(html|css|svg|json)$/).filter(
    (f) => !f.includes(`${path.sep}gen${path.sep}`),
  );
  const inputs = [
    path.join(ROOT, 'tsconfig.json'),
    path.join(ROOT, 'tsconfig.build.json'),
    STAMPS.generate,
    ...sources,
  ];
  once('build', inputs, path.join(ROOT, 'dist/cli/main.js'), () => {
    say('compiling ...');
    run(node(), ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
    fs.chmodSync(path.join(ROOT, 'dist/cli/main.js'), 0o755);
  });
  link();
}

/** Lets `npx isthmus` in a checkout find the command, with the pinned Node before it. */
function link() {
  const bin = path.join(ROOT, 'node_modules/.bin/isthmus');
  if (fs.existsSync(bin)) return;
  fs.rmSync(bin, { force: true });
  fs.symlinkSync('../../dist/cli/main.js', bin);
}

/** Runs a program to its end with our signals passed on, then ends as it did. */
function handOver(command, args) {
  const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit' });
  child.on('error', (e) => fail(`${command}: ${e.message}`));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // npm runs this through a shell: when npm is killed outright, all that is left to see is a new parent.
  const parent = process.ppid;
  const watch = setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500);
  child.on('exit', (code, signal) => {
    clearInterval(watch);
    process.exitCode = code ?? 128 + (os.constants.signals[signal] ?? 0);
  });
}

const TESTS = ['src/**/*.test.ts', 'test/**/*.test.ts'];

const commands = {
  generate() {
    fs.rmSync(STAMPS.generate, { force: true });
    generate();
  },
  build,
  start: (args) => handOver(node(), ['dist/cli/main.js', 'up', ...(args.length ? args : ['examples/coolstore'])]),
  test(args) {
    const named = args.filter((a) => !a.startsWith('-'));
    const flags = args.filter((a) => a.startsWith('-'));
    const patterns = named.length ? named : TESTS.filter((p) => fs.existsSync(path.join(ROOT, p.split('/')[0])));
    // Hundreds of short processes read the same modules: a fifth of their time is compiling them.
    process.env.NODE_COMPILE_CACHE ??= path.join(ROOT, 'node_modules/.cache/isthmus-compiled');
    handOver(node(), ['--test', '--test-concurrency=2', '--test-timeout=180000', ...flags, ...patterns]);
  },
  bench([name, ...args]) {
    const own =
      name !== undefined && /^[a-z][a-z0-9-]*$/.test(name) && fs.existsSync(path.join(ROOT, `bench/${name}.ts`));
    handOver(
      node(),
      own ? [`bench/${name}.ts`, ...args] : ['bench/run.ts', ...(name === undefined ? [] : [name]), ...args],
    );
  },
  check() {
    const bin = path.join(ROOT, 'node_modules/.bin');
    say('types');
    run(node(), ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
    say('format and lint');
    run(path.join(bin, 'biome'), ['check', '--error-on-warnings', '.']);
    say('imports');
    run(node(), [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      '--config',
      '.dependency-cruiser.mjs',
      'src',
    ]);
  },
};

const [name, ...args] = process.argv.slice(2);
if (!commands[name]) fail(`unknown command ${name}; there are: ${Object.keys(commands).join(', ')}`);
dependencies();
if (name !== 'generate') generate();
if (name === 'start' || name === 'test' || name === 'bench') build();
commands[name](args);
