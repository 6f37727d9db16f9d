import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel, type WheelClock } from './timers.ts';

class FakeClock implements WheelClock {
  time = 12345.678;
  wakeUps = 0;
  #pending: { due: number; callback: () => void } | undefined;

  now(): number {
    return this.time;
  }
  set(ms: number, callback: () => void): unknown {
    this.#pending = { due: this.time + ms, callback };
    return this.#pending;
  }
  clear(handle: unknown): void {
    if (this.#pending === handle) this.#pending = undefined;
  }
  runUntil(end: number): void {
    while (this.#pending !== undefined && this.#pending.due <= end) {
      const { due, callback } = this.#pending;
      this.#pending = undefined;
      this.time = due;
      this.wakeUps++;
      callback();
    }
    this.time = end;
  }
  get armed(): boolean {
    return this.#pending !== undefined;
  }
}

test('timers fire in time, never early, at most two ticks late', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(undefined, clock);
  const begin = clock.time;
  const fired: [number, number][] = [];
  const delays = [0, 1, 3, 4, 5, 100, 1000, 2000, 2047, 2048, 2049, 2100, 5000, 60_000, 1_000_000, 3_600_000];
  for (const ms of delays) wheel.start(ms, () => fired.push([ms, clock.time - begin]));
  clock.runUntil(begin + 4_000_000);
  assert.deepEqual(
    fired.map(([ms]) => ms),
    delays,
  );
  for (const [ms, at] of fired) assert.ok(at >= ms && at <= ms + 8, `${ms} fired after ${at}`);
  assert.equal(clock.armed, false);
});

test('many random timers, some cancelled, some started by others', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(undefined, clock);
  let seed = 20261121;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  let outstanding = 0;
  let wrong = 0;
  const launch = (depth: number) => {
    const ms = random() * 10 ** (random() * 5);
    const due = clock.time + ms;
    outstanding++;
    wheel.newEvent();
    const timer = wheel.start(ms, () => {
      outstanding--;
      if (clock.time < due || clock.time > due + 8) wrong++;
      if (depth < 3) launch(depth + 1);
    });
    if (random() < 0.3) {
      timer.cancel();
      timer.cancel();
      outstanding--;
    }
  };
  for (let i = 0; i < 2000; i++) {
    launch(0);
    if (i % 10 === 0) clock.runUntil(clock.time + random() * 50);
  }
  clock.runUntil(clock.time + 1_000_000);
  assert.equal(wrong, 0);
  assert.equal(outstanding, 0);
});

test('a far timer does not wake the process before its time', () => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(undefined, clock);
  let fired = false;
  wheel.start(3_600_000, () => (fired = true));
  clock.runUntil(clock.time + 3_500_000);
  assert.ok(clock.wakeUps <= 4, `${clock.wakeUps} wake-ups`);
  clock.runUntil(clock.time + 200_000);
  assert.ok(fired);
});

test('what a callback throws is told, and the timers behind it fire', () => {
  const clock = new FakeClock();
  const events: string[] = [];
  const wheel = new TimerWheel(undefined, clock, (error) => events.push((error as Error).message));
  wheel.start(10, () => {
    throw new Error('broken');
  });
  wheel.start(10, () => events.push('same tick'));
  wheel.start(500, () => events.push('later'));
  clock.runUntil(clock.time + 1000);
  assert.deepEqual(events, ['broken', 'same tick', 'later']);
});
