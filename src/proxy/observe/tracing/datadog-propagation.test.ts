import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import { extractContext, injectContext, Priority, Sampler } from './datadog-propagation.ts';

const request = (...list: string[]) => Headers.request('GET', '/', 'h.test', ...list);
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-';

test('contexts of either kind', () => {
  const own = ['x-datadog-trace-id', '123', 'x-datadog-parent-id', '456'];
  const rows: [string[], Record<string, unknown> | undefined][] = [
    [[], undefined],
    [own, { traceId: 123n, parentId: 456n, priority: undefined, traceIdHigh: '' }],
    [[...own, 'x-datadog-sampling-priority', '-1'], { priority: Priority.UserDrop }],
    [[...own, 'x-datadog-tags', '_dd.p.tid=640cfd8d00000000,a=b'], { traceIdHigh: '640cfd8d00000000' }],
    [[...own, 'x-datadog-tags', 'broken'], { damaged: true, tags: new Map() }],
    [['x-datadog-trace-id', '0', 'x-datadog-parent-id', '1'], undefined],
    [['x-datadog-trace-id', '18446744073709551616', 'x-datadog-parent-id', '1'], undefined],
    [['x-datadog-trace-id', '1'], undefined],
    [['x-datadog-trace-id', '1', 'x-datadog-origin', 'rum'], { parentId: 0n, origin: 'rum' }],
    [['traceparent', `${TRACEPARENT}01`], { priority: 1, traceIdHigh: '0af7651916cd43dd', w3cParent: '0'.repeat(16) }],
    [['traceparent', `${TRACEPARENT}00`, 'tracestate', 'dd=s:2'], { priority: 0 }],
    [
      ['traceparent', `${TRACEPARENT}01`, 'tracestate', 'x=y,dd=s:2;o:a~b;p:00000000000000aa;t.dm:-4,a=b'],
      {
        priority: 2,
        origin: 'a=b',
        w3cParent: '00000000000000aa',
        otherState: 'x=y,a=b',
      },
    ],
    [['traceparent', '00-0-0-01'], undefined],
  ];
  for (const [list, want] of rows) {
    const got = extractContext(request(...list)) as unknown as Record<string, unknown> | undefined;
    const picked = want && Object.fromEntries(Object.keys(want).map((key) => [key, got?.[key]]));
    assert.deepEqual(want === undefined ? got : picked, want, list.join(' '));
  }
});

test('a context goes on in both ways', () => {
  const headers = request('traceparent', `${TRACEPARENT}01`, 'tracestate', 'dd=s:1;t.dm:-4,a=b');
  const context = extractContext(headers)!;
  injectContext(headers, context, 0xabcn, 1, context.tags);
  const told = ['x-datadog-trace-id', 'x-datadog-parent-id', 'x-datadog-tags', 'traceparent', 'tracestate'];
  assert.deepEqual(
    told.map((name) => headers.get(name)),
    [
      '9532127138774266268',
      '2748',
      '_dd.p.dm=-4,_dd.p.tid=0af7651916cd43dd',
      '00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01',
      'dd=s:1;p:0000000000000abc;t.dm:-4,a=b',
    ],
  );
});

test('the agent says which share is kept', () => {
  const sampler = new Sampler('svc');
  assert.deepEqual(sampler.decide(1n), { keep: true, rate: 1, mechanism: '-0' });
  for (const body of ['', '[]', '{"rate_by_service":7}', '{"rate_by_service":{"service:svc,env:":2}}']) {
    sampler.answered(body);
    assert.equal(sampler.decide(1n).mechanism, '-0', body);
  }
  sampler.answered('{"rate_by_service":{"service:,env:":1,"service:svc,env:":0.5}}');
  const kept = Array.from({ length: 1000 }, (_, i) => sampler.decide(BigInt(i + 1))).filter(({ keep }) => keep);
  assert.ok(kept.length > 400 && kept.length < 600, String(kept.length));
  sampler.answered('{"rate_by_service":{"service:svc,env:":0}}');
  assert.deepEqual(sampler.decide(12345n), { keep: false, rate: 0, mechanism: '-1' });
});
