import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { ManualClock, systemClock } from './clock.ts';

test('manual clock fires timers in order of time, each at its own time, and timers set on the way', () => {
  const clock = new ManualClock(1000);
  const seen: [string, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.now()]);
  clock.setTimer(30, note('c'));
  clock.setTimer(10, () => {
    note('a')();
    clock.setTimer(5, note('b'));
  });
  clock.setTimer(30, note('d'));
  const cancel = clock.setTimer(20, note('never'));
  clock.setTimer(31, note('later'));
  assert.equal(clock.next, 1010);
  cancel();
  cancel();
  clock.advance(30);
  assert.deepEqual(seen, [
    ['a', 1010],
    ['b', 1015],
    ['c', 1030],
    ['d', 1030],
  ]);
  assert.equal(clock.now(), 1030);
  assert.equal(clock.pending, 1);
  assert.equal(clock.next, 1031);
});

test('manual clock cancels a timer from inside another that is due at the same time', () => {
  const clock = new ManualClock();
  let fired = false;
  let cancel = () => {};
  clock.setTimer(1, () => cancel());
  cancel = clock.setTimer(1, () => (fired = true));
  clock.advance(1);
  assert.equal(fired, false);
});

test('system clock waits longer than setTimeout can, and can be cancelled on the way', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const longest = 2 ** 31 - 1;
    let fired = 0;
    systemClock.setTimer(longest + 1000, () => fired++);
    const cancel = systemClock.setTimer(longest + 1000, () => fired++);
    mock.timers.tick(longest);
    assert.equal(fired, 0);
    cancel();
    mock.timers.tick(999);
    assert.equal(fired, 0);
    mock.timers.tick(1);
    assert.equal(fired, 1);
    systemClock.setTimer(-5, () => fired++);
    mock.timers.tick(1);
    assert.equal(fired, 2);
  } finally {
    mock.timers.reset();
  }
});
