import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { freePorts, scratch, until } from '../support/reference.ts';

const MAIN = path.join(import.meta.dirname, '../../src/cli/main.ts');

test('a proxy is one process, with little room for new objects, and ends on a signal', async (t) => {
  const [admin] = await freePorts(1);
  const file = path.join(scratch(t), 'bootstrap.json');
  const address = { socket_address: { address: '127.0.0.1', port_value: admin } };
  fs.writeFileSync(file, JSON.stringify({ admin: { address } }));
  const child = spawn(process.execPath, [MAIN, 'proxy', '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await until('it serves', async () => (await fetch(`http://127.0.0.1:${admin}/ready`)).status === 200).catch((error) =>
    assert.fail(`${error}\n${output}`),
  );
  assert.doesNotMatch(output, /Warning/);
  if (fs.existsSync('/proc')) {
    const command = fs.readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0');
    assert.equal(command.filter((word) => word === '--max-semi-space-size=4').length, 1, command.join(' '));
  }
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
});
