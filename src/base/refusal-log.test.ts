import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Logging } from './log.ts';
import { RefusalLog } from './refusal-log.ts';

function logged(level: 'warning' | 'error' = 'warning') {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line.replace(/^.*\[net\] /, '').trimEnd()) };
  const log = new Logging({ format: 'envoy', level, stream, colors: false }).scope('net');
  return { lines, refusals: new RefusalLog(log, 0) };
}

test('each refusal is told once; of a flood so many, and how many were not', () => {
  const { lines, refusals } = logged();
  for (let i = 1; i <= 150; i++) refusals.refused(() => `refused ${i}`, 0);
  assert.equal(lines.length, 100);
  assert.deepEqual([lines[0], lines[99]], ['refused 1', 'refused 100']);
  refusals.refused(() => 'later', 200);
  refusals.refused(() => 'at once', 200);
  refusals.refused(() => 'later still', 400);
  assert.deepEqual(lines.slice(100), [
    'later (and 50 more refused before it)',
    'later still (and 1 more refused before it)',
  ]);
});

test('nothing is put together that nobody will read', () => {
  const { lines, refusals } = logged('error');
  refusals.refused(() => assert.fail('is not asked'), 0);
  assert.deepEqual(lines, []);
});
