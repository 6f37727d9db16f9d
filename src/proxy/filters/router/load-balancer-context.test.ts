import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Host } from '../../cluster/host.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { RouterLoadBalancerContext } from './load-balancer-context.ts';

function context(action: object = {}, chosen: object = {}) {
  const connection = stubConnection();
  const info = new StreamInfo(connection, 0, 0);
  const headers = Headers.request('GET', '/', 'a.b');
  const whole = { retry: { hostAttempts: 3 }, ...action };
  return { info, one: new RouterLoadBalancerContext(headers, connection, info, whole as never, chosen as never) };
}

test('labels of the weighted cluster come before those of the route', () => {
  const [route, own] = [new Map(), new Map()];
  assert.equal(context({ metadataMatch: route }).one.metadataMatch, route);
  assert.equal(context({ metadataMatch: route }, { metadataMatch: own }).one.metadataMatch, own);
});

test('a host that a filter wants is for the first attempt; a retry goes elsewhere', () => {
  const { one, info } = context();
  assert.deepEqual([one.overrideAddress, one.overrideStrict], [undefined, false]);
  info.overrideHost = { address: '10.0.0.1:80', strict: true };
  info.attemptCount = 1;
  assert.deepEqual([one.overrideAddress, one.overrideStrict], ['10.0.0.1:80', true]);
  info.attemptCount = 2;
  assert.equal(one.overrideAddress, undefined);
});

test('cookies that hash policies make are told once each', () => {
  const hash = (_headers: unknown, _info: unknown, setCookie: (cookie: string) => void) => {
    setCookie('a=1');
    setCookie('b=2');
    return 7n;
  };
  const { one } = context({ hash });
  assert.deepEqual(one.setCookies, []);
  assert.deepEqual([one.hash, one.hash], [7n, 7n]);
  assert.deepEqual(one.setCookies, ['a=1', 'b=2']);
  assert.equal(context().one.hash, undefined);
});

test('hosts and priorities that were tried are known while there is a retry state', () => {
  const { one } = context();
  const host = {} as Host;
  assert.deepEqual([one.rejects(host), one.shiftPriorities], [false, undefined]);
  const loads = { loads: () => 'elsewhere' };
  one.retry = { rejects: (other: Host) => other === host, priorities: loads } as never;
  assert.deepEqual([one.rejects(host), one.rejects({} as Host)], [true, false]);
  assert.equal(one.shiftPriorities?.({} as never), 'elsewhere');
  one.retry = undefined;
  assert.equal(one.rejects(host), false);
});
