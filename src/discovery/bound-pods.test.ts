import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf } from '../../test/support/object-view.ts';
import { ManualClock } from '../base/clock.ts';
import { podProblem } from './bound-pods.ts';

const config = viewOf(`
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: one}
spec: {containers: [{name: web, image: web}]}
`);

test('a token of a pod is good as long as the pod is at work', () => {
  const clock = new ManualClock();
  const issuedAt = clock.now();
  const problem = (name: string, uid: string) => podProblem(config, { namespace: 'shop', name, uid, issuedAt }, clock);
  assert.equal(problem('web', 'one'), undefined);
  assert.match(
    problem('web', 'two')!,
    /^the token was issued to the pod shop\/web, whose place another one has taken$/,
  );
  assert.equal(problem('new', 'three'), undefined, 'the control plane may not have been told of it yet');
  clock.advance(60_001);
  assert.match(problem('new', 'three')!, /^the token was issued to the pod shop\/new, which is not at work$/);
  assert.equal(problem('web', 'one'), undefined);
});
