import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WellBeing } from './well-being.ts';

test('a workload is well when its program is and its certificate is valid', () => {
  const told: (string | undefined)[] = [];
  const being = new WellBeing((problem) => told.push(problem));
  const since = (act: () => void) => {
    told.length = 0;
    act();
    return [...told];
  };
  assert.deepEqual(
    since(() => being.certificate(undefined)),
    [],
    'nothing is known of the program',
  );
  assert.deepEqual(
    since(() => being.program(undefined)),
    [undefined],
  );
  assert.deepEqual(
    since(() => being.certificate('it has expired')),
    ['it has expired'],
  );
  assert.deepEqual(
    since(() => being.certificate('it has expired, and nobody renews it')),
    [],
    'that is known',
  );
  assert.deepEqual(
    since(() => being.program('no answer')),
    [],
  );
  assert.deepEqual(
    since(() => being.certificate(undefined)),
    ['no answer'],
    'what was found out meanwhile',
  );
  assert.deepEqual(
    since(() => being.program(undefined)),
    [undefined],
  );
});

test('a workload that never had a certificate says so at once', () => {
  const told: (string | undefined)[] = [];
  const being = new WellBeing((problem) => told.push(problem));
  being.certificate('there is none');
  being.certificate(undefined);
  assert.deepEqual(told, ['there is none']);
});
