import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { ResetReason } from '../../../wire/http.ts';
import type { UpstreamOptions } from '../../cluster/cluster.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import type { MirrorPolicy } from '../../router/route.ts';
import { startShadows } from './shadow.ts';

const POLICY: MirrorPolicy = {
  cluster: 'copy',
  clusterHeader: '',
  share: 1,
  traceSampled: undefined,
  disableShadowSuffix: false,
  host: '',
  edits: [],
};

function start(policies: readonly Partial<MirrorPolicy>[], end = true, authority = 'a.b:80', random = 0.5) {
  const clusters = new FakeClusters('copy', 'other');
  const begin = (ready = true) => {
    clusters.ready = ready;
    const headers = Headers.request('POST', '/', authority);
    headers.set('x-to', 'other');
    const all = policies.map((policy) => ({ ...POLICY, ...policy }));
    const context = { clusters, random: () => random, info: new StreamInfo(stubConnection(), 0, 0) };
    const shadows = startShadows(all, headers, end, {} as UpstreamOptions, context, '10.0.0.9');
    return { shadows, headers };
  };
  return { clusters, begin };
}

test('a copy says that it is one, and the request stays as it was', () => {
  const { clusters, begin } = start([{}]);
  const { headers } = begin();
  const { headers: copy, ended } = clusters.last;
  const told = [copy.authority, copy.get('x-envoy-internal'), copy.get('x-forwarded-for'), ended];
  assert.deepEqual(told, ['a.b-shadow:80', 'true', '10.0.0.9', true]);
  assert.deepEqual([headers.authority, headers.has('x-envoy-internal')], ['a.b:80', false]);
});

test('the name of a copy keeps its port at the end, and may be left alone', () => {
  const cases: [Partial<MirrorPolicy>, string, string][] = [
    [{}, 'a.b', 'a.b-shadow'],
    [{ disableShadowSuffix: true }, 'a.b', 'a.b'],
    [{}, '', ''],
  ];
  for (const [policy, authority, wanted] of cases) {
    const { clusters, begin } = start([policy], true, authority);
    begin();
    assert.equal(clusters.last.headers.authority, wanted);
  }
});

test('which clusters get copies', () => {
  const cases: [Partial<MirrorPolicy>[], number][] = [
    [[{}, { cluster: 'other' }], 2],
    [[{ share: 0.5 }], 0],
    [[{ share: 0.51 }], 1],
    [[{ cluster: '', clusterHeader: 'x-to' }], 1],
    [[{ cluster: '', clusterHeader: 'x-missing' }], 0],
    [[{ cluster: 'gone' }], 0],
  ];
  for (const [policies, count] of cases) {
    const { clusters, begin } = start(policies);
    assert.equal(begin().shadows.length, count);
    assert.equal(clusters.exchanges.length, count);
  }
});

test('body goes on to the copy, and waits for its connection', () => {
  const { clusters, begin } = start([{}], false);
  const [shadow] = begin(false).shadows;
  shadow.sendData(Buffer.from('a'), false);
  shadow.sendData(Buffer.from('b'), true);
  assert.equal(clusters.last.body, '');
  clusters.connect(clusters.last);
  assert.deepEqual([clusters.last.body, clusters.last.ended], ['ab', true]);
});

test('a copy that takes more than it may keep is given up, and so is one that is cancelled', () => {
  const slow = start([{}], false);
  const [waiting] = slow.begin(false).shadows;
  waiting.sendData(Buffer.alloc(1024 * 1024), false);
  assert.equal(waiting.over, false);
  waiting.sendData(Buffer.alloc(1), false);
  assert.deepEqual([waiting.over, slow.clusters.last.cancelled], [true, true]);
  const fast = start([{}], false);
  const [running] = fast.begin().shadows;
  running.cancel();
  assert.equal(fast.clusters.last.reset_, ResetReason.LocalReset);
});

test('no host, no copy; an answer ends it', () => {
  const { clusters, begin } = start([{}]);
  clusters.unhealthy = true;
  assert.equal(begin().shadows[0].over, true);
  clusters.unhealthy = false;
  const [shadow] = begin().shadows;
  assert.equal(shadow.over, false);
  clusters.last.answer(200, 'fine');
  assert.equal(shadow.over, true);
});
