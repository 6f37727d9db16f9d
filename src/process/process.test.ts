import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { AddressPool } from './address-pool.ts';
import { Guard } from './guard.ts';
import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import { MountedFiles } from './mounted-files.ts';

function folder(t: { after(f: () => void): void }): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-process-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie still answers to signals.
    return !/^State:\s*Z/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function spec(dir: string, script: string, over: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    command: '/bin/sh',
    args: ['-c', script],
    env: { PATH: process.env.PATH ?? '' },
    cwd: dir,
    logFile: path.join(dir, 'log'),
    restart: 'never',
    graceMs: 5000,
    ...over,
  };
}

test('a program runs, its output is kept, and how it ended is known', async (t) => {
  const dir = folder(t);
  const guard = new Guard();
  t.after(() => guard.close());
  const p = new ManagedProcess(spec(dir, 'echo out; echo err >&2; exit 3'), guard, () => {});
  p.start();
  await until(() => p.status.state === 'Error');
  assert.equal(p.status.lastEnd, 'exit code 3');
  assert.equal(p.status.lastExitCode, 3);
  assert.equal(fs.readFileSync(path.join(dir, 'log'), 'utf8'), 'out\nerr\n');
});

test('a program that is not there is an error in words', async (t) => {
  const dir = folder(t);
  const guard = new Guard();
  t.after(() => guard.close());
  const p = new ManagedProcess(spec(dir, '', { command: '/no/such/program' }), guard, () => {});
  p.start();
  await until(() => p.status.state === 'Error');
  assert.equal(p.status.lastEnd, 'cannot start /no/such/program: no such program');
});

test('what crashes is started again, and stopping ends that', async (t) => {
  const dir = folder(t);
  const guard = new Guard();
  t.after(() => guard.close());
  const p = new ManagedProcess(spec(dir, 'echo run; exit 1', { restart: 'always' }), guard, () => {});
  p.start();
  await until(() => p.status.restarts >= 1 && p.status.state === 'CrashLoopBackOff');
  await p.stop();
  assert.equal(p.status.state, 'Stopped');
  assert.equal(fs.readFileSync(p.status.logFile, 'utf8'), 'run\n');
  assert.equal(fs.readFileSync(p.status.previousLogFile, 'utf8'), 'run\n');
  assert.equal(p.status.previousLogFile, path.join(dir, 'log.previous'));
});

test('stopping takes the whole group, and what ignores SIGTERM is killed', async (t) => {
  const dir = folder(t);
  const guard = new Guard();
  t.after(() => guard.close());
  const script = 'trap "" TERM; sleep 300 & echo $! > child; wait; sleep 300';
  const p = new ManagedProcess(spec(dir, script, { graceMs: 200 }), guard, () => {});
  p.start();
  const file = path.join(dir, 'child');
  await until(() => fs.existsSync(file) && fs.readFileSync(file, 'utf8').endsWith('\n'));
  const child = Number(fs.readFileSync(file, 'utf8'));
  assert.ok(alive(child));
  await p.stop();
  assert.equal(p.status.lastEnd, 'signal SIGKILL');
  await until(() => !alive(child));
});

test('nothing outlives a parent that was killed', async (t) => {
  const dir = folder(t);
  const program = path.join(dir, 'parent.ts');
  fs.writeFileSync(
    program,
    `import { Guard } from ${JSON.stringify(path.join(import.meta.dirname, 'guard.ts'))};
import { ManagedProcess } from ${JSON.stringify(path.join(import.meta.dirname, 'managed-process.ts'))};
const guard = new Guard();
const p = new ManagedProcess({ command: '/bin/sleep', args: ['300'], env: {}, cwd: '/', logFile: ${JSON.stringify(path.join(dir, 'log'))}, restart: 'always', graceMs: 1000 }, guard, () => {
  if (p.status.pid) console.log(p.status.pid, guard.pid);
});
p.start();
`,
  );
  const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
  const [sleeper, shell] = line.toString().trim().split(' ').map(Number);
  assert.ok(alive(sleeper) && alive(shell));
  parent.kill('SIGKILL');
  await until(() => !alive(sleeper) && !alive(shell));
});

test('each pod has addresses of its own, and keeps them', () => {
  const pool = new AddressPool(0);
  const a = pool.acquire('a');
  assert.deepEqual(a, { pod: '127.64.0.1', program: '127.128.0.1', sidecar: '127.192.0.1' });
  assert.deepEqual(pool.acquire('b'), {
    pod: '127.64.0.2',
    program: '127.128.0.2',
    sidecar: '127.192.0.2',
  });
  assert.deepEqual(pool.acquire('a'), a);
  pool.release('a');
  assert.equal(pool.acquire('c').pod, '127.64.0.3');
  for (let i = 3; i < 260; i++) pool.acquire(`n${i}`);
  assert.equal(pool.acquire('n255').pod, '127.64.1.6');
  assert.equal(new AddressPool(3).acquire('a').pod, '127.67.0.1');
});

test('the files of a volume change together', (t) => {
  const dir = path.join(folder(t), 'etc/certs');
  const mount = new MountedFiles(dir);
  const bytes = (text: string) => Buffer.from(text);
  mount.write(
    new Map([
      ['tls.crt', bytes('1')],
      ['tls.key', bytes('2')],
      ['a/b', bytes('x')],
    ]),
  );
  assert.equal(fs.readFileSync(path.join(dir, 'tls.crt'), 'utf8'), '1');
  assert.equal(fs.readFileSync(path.join(dir, 'a/b'), 'utf8'), 'x');
  assert.equal(fs.statSync(path.join(dir, 'tls.key')).mode & 0o777, 0o600);
  const before = fs.readlinkSync(path.join(dir, '..data'));
  mount.write(
    new Map([
      ['tls.crt', bytes('3')],
      ['ca.crt', bytes('4')],
    ]),
  );
  assert.notEqual(fs.readlinkSync(path.join(dir, '..data')), before);
  assert.deepEqual(
    fs
      .readdirSync(dir)
      .filter((n) => !n.startsWith('..'))
      .sort(),
    ['ca.crt', 'tls.crt'],
  );
  assert.equal(fs.readFileSync(path.join(dir, 'tls.crt'), 'utf8'), '3');
  assert.equal(fs.existsSync(path.join(dir, before)), false);
});
