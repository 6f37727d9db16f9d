import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeConvergence } from './convergence.ts';

const state = { snapshot: 7, converged: true, affected: ['a.default'], synced: ['a.default'], laggards: [] };

it('says how far a snapshot has got, and who keeps it back and why', () => {
  assert.deepEqual(describeConvergence(state), ['snapshot 7 is in force: 1 affected proxy acknowledged it']);
  assert.deepEqual(describeConvergence({ ...state, affected: [], synced: [] }), [
    'snapshot 7 is in force: it changes nothing for any proxy',
  ]);
  const laggards = [{ proxy: 'b.default', reason: 'b.default rejected LDS a: no such filter' }];
  assert.deepEqual(
    describeConvergence({ ...state, converged: false, affected: ['a.default', 'b.default'], laggards }),
    [
      'snapshot 7 is not in force everywhere; without it: 1 of 2 affected proxies',
      'b.default rejected LDS a: no such filter',
    ],
  );
});
