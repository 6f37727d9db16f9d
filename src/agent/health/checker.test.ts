import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { ReadinessProbe } from '../environment/proxy-config.ts';
import { HealthChecker } from './checker.ts';

/** Outcomes of attempts, one a period (`.` well, `x` not), and after which of them something was said. */
const table: readonly (readonly [ReadinessProbe, string, readonly string[]])[] = [
  [{}, '.', ['1 well']],
  [{}, 'xx', []],
  [{}, 'xxx', ['3 not']],
  [{}, '.xx.xxx', ['1 well', '7 not']],
  [{ failureThreshold: 1 }, '.x.', ['1 well', '2 not', '3 well']],
  [{ failureThreshold: 1, successThreshold: 2 }, '.x..', ['2 not', '4 well']],
  [{ failureThreshold: 1 }, 'xxx', ['1 not']],
];

describe('what is said of a program', () => {
  for (const [probe, outcomes, expected] of table) {
    test(`${JSON.stringify(probe)} ${outcomes}`, async () => {
      const clock = new ManualClock();
      const said: string[] = [];
      let attempts = 0;
      const checker = new HealthChecker({
        probe,
        attempt: async () => {
          if (outcomes[attempts++] === 'x') throw new Error('no');
        },
        onChange: (problem) => said.push(`${attempts} ${problem === undefined ? 'well' : 'not'}`),
        clock,
      });
      for (let i = 0; i < outcomes.length; i++) {
        clock.advance(i === 0 ? 0 : 10_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      checker.close();
      assert.deepEqual([attempts, said], [outcomes.length, expected]);
    });
  }

  test('nothing before the initial delay, and nothing after the end', async () => {
    const clock = new ManualClock();
    let attempts = 0;
    const checker = new HealthChecker({
      probe: { initialDelaySeconds: 5, periodSeconds: 1 },
      attempt: async () => void attempts++,
      onChange: () => {},
      clock,
    });
    const passes = async (ms: number) => {
      clock.advance(ms);
      await new Promise((resolve) => setImmediate(resolve));
    };
    await passes(4999);
    assert.equal(attempts, 0);
    await passes(1);
    assert.equal(attempts, 1);
    await passes(1000);
    assert.equal(attempts, 2);
    checker.close();
    await passes(10_000);
    assert.equal(attempts, 2);
  });
});
