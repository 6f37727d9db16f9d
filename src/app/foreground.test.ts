import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { scratch, until } from '../../test/support/reference.ts';
import { UserError } from '../base/errors.ts';
import { runForeground } from './foreground.ts';

const script = (text: string, env: Record<string, string> = {}) => ({
  command: process.execPath,
  args: ['-e', text],
  env,
  cwd: '/',
  stdin: false,
});

describe('a program in the foreground', () => {
  it('gives its exit code, and has the environment and folder that it is to have', async () => {
    assert.equal(await runForeground(script('process.exit(7)')), 7);
    const test =
      'process.exit(process.env.A === "b" && process.env.PATH === undefined && process.cwd() === "/" ? 3 : 4)';
    assert.equal(await runForeground(script(test, { A: 'b' })), 3);
  });

  it('that a signal ends has the exit code that a shell gives', async () => {
    assert.equal(await runForeground(script('process.kill(process.pid, "SIGKILL")')), 137);
  });

  it('says when it has started, and fails clearly if it cannot', async () => {
    let started = 0;
    await runForeground({ ...script(''), onStart: () => started++ });
    assert.equal(started, 1);
    await assert.rejects(
      runForeground({ ...script(''), command: '/no/such/program', onStart: () => started++ }),
      (error) =>
        error instanceof UserError &&
        error.exitCode === 127 &&
        error.message === 'cannot start /no/such/program: there is no such program',
    );
    assert.equal(started, 1);
  });

  it('ends when it is told to', async () => {
    const control = new AbortController();
    const program = { ...script('setInterval(() => {}, 1000)'), abort: control.signal };
    assert.equal(await runForeground({ ...program, onStart: () => control.abort() }), 143);
  });

  it('gets the signals that we get', async () => {
    const program = script('process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000)');
    const ended = runForeground({
      ...program,
      // The handler is there when node has run the script, which nothing tells us; until then a signal ends it.
      onStart: () => process.emit('SIGTERM'),
    });
    assert.ok([9, 143].includes(await ended));
  });

  it('does not outlive us, even if we are killed', async (t) => {
    const program = path.join(scratch(t as never), 'parent.ts');
    const module = JSON.stringify(path.join(import.meta.dirname, 'foreground.ts'));
    const text = 'console.log(process.pid); setInterval(() => {}, 1000)';
    fs.writeFileSync(
      program,
      `import { runForeground } from ${module};
await runForeground({ command: process.execPath, args: ['-e', ${JSON.stringify(text)}], env: {}, cwd: '/', stdin: false });
`,
    );
    const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const child = Number(line.toString());
    process.kill(child, 0);
    parent.kill('SIGKILL');
    await until('the program ends', () => {
      try {
        process.kill(child, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
});
