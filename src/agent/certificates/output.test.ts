import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch, until } from '../../../test/support/reference.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { WorkloadState } from '../../ca/client/state.ts';
import { OutputFiles } from './output.ts';

const stateOf = (serial: string): WorkloadState => ({
  certificate: { key: `key ${serial}`, chain: `chain ${serial}`, identity: '', serial, notBefore: 0, notAfter: 1 },
  roots: `roots ${serial}`,
  lastRenewal: 0,
  lastError: undefined,
});

test('what the files hold is told as soon as they hold it, and what cannot be written is tried again', async (t) => {
  const dir = path.join(scratch(t), 'out');
  const errors: string[] = [];
  const clock = new ManualClock();
  const log = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const output = new OutputFiles({ dir, log, clock, random: () => 0.5 });
  t.after(() => output.close());
  assert.deepEqual(output.state, { dir });

  output.write(stateOf('1'));
  await until('the first', () => (output.state.chain ? output.state : undefined));
  assert.deepEqual(output.state, { dir, chain: 'chain 1', roots: 'roots 1' });
  assert.equal(fs.readFileSync(path.join(dir, 'cert-chain.pem'), 'utf8'), 'chain 1');

  // No link takes the place of a folder that is not empty.
  fs.rmSync(path.join(dir, '..data'));
  fs.mkdirSync(path.join(dir, '..data', 'in-the-way'), { recursive: true });
  output.write(stateOf('2'));
  const { problem, ...held } = await until('the failure', () => (output.state.problem ? output.state : undefined));
  assert.match(problem!, /^The files in .*out cannot be written: /);
  assert.deepEqual(held, { dir, chain: 'chain 1', roots: 'roots 1' });
  output.write(stateOf('3'));
  await until('a retry to come', () => clock.pending === 1 || undefined);
  fs.rmSync(path.join(dir, '..data'), { recursive: true });
  clock.advance(1000);
  await until('the third', () => output.state.problem === undefined || undefined);
  assert.deepEqual(output.state, { dir, chain: 'chain 3', roots: 'roots 3' });
  assert.equal(fs.readFileSync(path.join(dir, 'key.pem'), 'utf8'), 'key 3');
  assert.deepEqual([clock.pending, errors.length], [0, 2]);
});
