import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drain } from './drain.ts';

test('a drain tells when it begins, once more when it becomes urgent, and never again', () => {
  const drain = new Drain();
  const told: string[] = [];
  drain.onDrain(() => told.push(`a ${drain.draining} ${drain.urgent}`));
  const stop = drain.onDrain(() => told.push('b'));
  assert.deepEqual([drain.draining, drain.urgent], [false, false]);
  drain.begin();
  drain.begin();
  stop();
  drain.begin(true);
  drain.begin();
  drain.begin(true);
  assert.deepEqual(told, ['a true false', 'b', 'a true true']);
  assert.equal(drain.urgent, true);
});
