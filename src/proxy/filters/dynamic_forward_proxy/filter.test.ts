import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import type { CachedName, Lookup, NameCache } from '../../cluster/dns/cache-source.ts';
import { HeadersStatus } from '../../http/filter.ts';
import { DynamicForwardProxyFilter, type HostRewrite } from './filter.ts';

const KNOWN: CachedName = {
  key: 'a.test:80',
  addresses: [{ address: '10.0.0.1', port: 80, family: 4 }],
  failure: '',
};
const UNKNOWN: CachedName = { key: 'a.test:80', addresses: [], failure: 'cares_norecords:Domain name not found' };

/** A filter in front of a cluster, with a cache that says what the test says. */
function filterWith(lookup: Lookup, options: { port?: number; rewrite?: HostRewrite } = {}) {
  const callbacks = new StubCallbacks({ clusters: { get: () => ({ forwardProxyPort: options.port }) as never } });
  callbacks.chosenCluster = { name: 'any' } as never;
  if (options.rewrite !== undefined) callbacks.configs = [options.rewrite];
  const asked: string[] = [];
  let answer: ((name: CachedName) => void) | undefined;
  const cache = {
    lookUp(authority: string, port: number, onAnswer: (name: CachedName) => void) {
      asked.push(`${authority} ${port}`);
      answer = onAnswer;
      return lookup;
    },
  } as unknown as NameCache;
  const filter = new DynamicForwardProxyFilter(cache, callbacks);
  return { filter, callbacks, asked, answer: (name: CachedName) => answer?.(name) };
}

const request = () => {
  const headers = Headers.request('GET', '/', 'a.test');
  headers.set('x-to', 'b.test:81');
  return headers;
};

test('clusters of other kinds are left alone', () => {
  const { filter, asked } = filterWith({ kind: 'overflow' });
  assert.equal(filter.requestHeaders(request()), HeadersStatus.Continue);
  assert.deepEqual(asked, []);
});

test('a name that is known does not wait', () => {
  const { filter, asked } = filterWith({ kind: 'known', name: KNOWN }, { port: 443 });
  assert.equal(filter.requestHeaders(request()), HeadersStatus.Continue);
  assert.deepEqual(asked, ['a.test 443']);
});

test('a request waits for its name', () => {
  const { filter, callbacks, answer } = filterWith({ kind: 'pending', cancel() {} }, { port: 80 });
  assert.equal(filter.requestHeaders(request()), HeadersStatus.StopAll);
  answer(KNOWN);
  assert.deepEqual(callbacks.calls, ['continueRequest']);
});

test('a request whose name has no address is answered', () => {
  const { filter, callbacks, answer } = filterWith({ kind: 'pending', cancel() {} }, { port: 80 });
  filter.requestHeaders(request());
  answer(UNKNOWN);
  assert.deepEqual(callbacks.calls, ['reply 503 DNS resolution failure']);
  assert.equal(callbacks.replies[0].details, 'dns_resolution_failure{cares_norecords:Domain_name_not_found}');
});

for (const [kind, body] of [
  ['overflow', 'DNS cache overflow'],
  ['pending-overflow', 'Dynamic forward proxy pending request overflow'],
] as const) {
  test(`${kind} is answered`, () => {
    const { filter, callbacks } = filterWith({ kind }, { port: 80 });
    assert.equal(filter.requestHeaders(request()), HeadersStatus.StopAll);
    assert.deepEqual(callbacks.calls, [`reply 503 ${body}`]);
  });
}

for (const [rewrite, host] of [
  [{ literal: 'c.test' }, 'c.test'],
  [{ header: 'x-to' }, 'b.test:81'],
  [{ header: 'x-missing' }, 'a.test'],
] as const) {
  test(`a route may say which host: ${JSON.stringify(rewrite)}`, () => {
    const { filter, asked } = filterWith({ kind: 'known', name: KNOWN }, { port: 80, rewrite });
    const headers = request();
    filter.requestHeaders(headers);
    assert.equal(headers.authority, host);
    assert.deepEqual(asked, [`${host} 80`]);
  });
}

test('a request that goes no longer waits', () => {
  let cancelled = 0;
  const { filter } = filterWith({ kind: 'pending', cancel: () => cancelled++ }, { port: 80 });
  filter.requestHeaders(request());
  filter.destroy();
  assert.equal(cancelled, 1);
});
