import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubWorker } from '../../../../test/support/compile-filter.ts';
import { DnsCache } from './cache.ts';
import type { DnsCacheConfig } from './cache-config.ts';
import type { CachedName } from './cache-source.ts';
import { DnsCacheStats } from './cache-stats.ts';
import { DEFAULT_RESOLVER, type DnsAnswer } from './resolver.ts';

const CONFIG: DnsCacheConfig = {
  name: 'test',
  identity: '',
  family: 'v4-only',
  resolver: DEFAULT_RESOLVER,
  refreshMs: 60_000,
  minRefreshMs: 5000,
  failureRefreshMs: undefined,
  hostTtlMs: 100_000,
  maxHosts: 2,
  maxPending: 3,
  queryTimeoutMs: 1000,
  preresolve: [],
};

const found = (address: string, ttl?: number): DnsAnswer => ({ addresses: [{ address, family: 4 }], ttl });

/** A cache whose questions are answered by hand. */
function cacheWith(more: Partial<DnsCacheConfig> = {}) {
  const worker = stubWorker({ flushQueue: { run: (work: () => void) => work() } as never });
  const stats = new DnsCacheStats();
  const asked: { readonly name: string; answer(answer: DnsAnswer | Error): Promise<void> }[] = [];
  const resolver = {
    resolve(name: string) {
      const { promise, resolve, reject } = Promise.withResolvers<DnsAnswer>();
      asked.push({
        name,
        async answer(answer) {
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
          await promise.catch(() => {});
          await Promise.resolve();
        },
      });
      return promise;
    },
  };
  const cache = new DnsCache({ ...CONFIG, ...more }, resolver, stats, worker);
  const answers: string[] = [];
  const told = ({ key, addresses, failure }: CachedName) => answers.push(`${key} ${addresses[0]?.address ?? failure}`);
  return {
    cache,
    stats,
    asked,
    answers,
    timers: worker.timers,
    lookUp: (name: string) => cache.lookUp(name, 80, told),
  };
}

test('those who ask for one name wait for one question', async () => {
  const { lookUp, asked, answers, stats } = cacheWith();
  assert.equal(lookUp('a.test').kind, 'pending');
  assert.equal(lookUp('a.test:80').kind, 'pending');
  assert.deepEqual(
    asked.map(({ name }) => name),
    ['a.test'],
  );
  assert.equal(stats.pending.inUse, 2);
  await asked[0].answer(found('10.0.0.1', 30));
  assert.deepEqual(answers, ['a.test:80 10.0.0.1', 'a.test:80 10.0.0.1']);
  assert.equal(stats.pending.inUse, 0);
  assert.equal(lookUp('a.test').kind, 'known');
});

test('a name that is no longer wanted is not told', async () => {
  const { lookUp, asked, answers, stats } = cacheWith();
  const lookup = lookUp('a.test');
  assert.ok(lookup.kind === 'pending');
  lookup.cancel();
  lookup.cancel();
  assert.equal(stats.pending.inUse, 0);
  await asked[0].answer(found('10.0.0.1'));
  assert.deepEqual(answers, []);
});

test('there are no more names, and no more who wait, than there may be', () => {
  const { lookUp, stats } = cacheWith();
  lookUp('a.test');
  lookUp('b.test');
  assert.equal(lookUp('c.test').kind, 'overflow');
  assert.equal(lookUp('a.test').kind, 'pending');
  assert.equal(lookUp('a.test').kind, 'pending-overflow');
  assert.equal(stats.host_overflow, 1);
  assert.equal(stats.dns_rq_pending_overflow, 1);
});

test('no answer, and why', async () => {
  const { lookUp, asked, answers, stats, timers } = cacheWith({ maxHosts: 9 });
  lookUp('gone.test');
  lookUp('broken.test');
  lookUp('silent.test');
  await asked[0].answer({ addresses: [], ttl: undefined, negative: 'ENOTFOUND' });
  await asked[1].answer(Object.assign(new Error(), { code: 'ESERVFAIL' }));
  timers.advance(1000);
  assert.deepEqual(answers, [
    'gone.test:80 cares_norecords:Domain name not found',
    'broken.test:80 cares_failure:DNS server returned general failure',
    'silent.test:80 resolve_timeout',
  ]);
  assert.equal(stats.dns_query_success, 1);
  assert.equal(stats.dns_query_failure, 2);
  assert.equal(stats.dns_query_timeout, 1);
  // What comes too late changes nothing.
  await asked[2].answer(found('10.0.0.1'));
  assert.equal(stats.dns_query_success, 1);
});

test('an answer is renewed when it runs out, and the name forgotten when nobody wants it', async () => {
  const { lookUp, asked, cache, stats, timers } = cacheWith();
  const events: string[] = [];
  cache.listen({
    onAddress: ({ addresses }) => events.push(addresses[0].address),
    onRemoved: ({ key }) => events.push(`${key} is gone`),
  });
  lookUp('a.test');
  await asked[0].answer(found('10.0.0.1', 1));
  timers.advance(4999);
  assert.equal(asked.length, 1, 'not sooner than min_refresh_rate');
  timers.advance(1);
  await asked[1].answer(found('10.0.0.2', 90));
  timers.advance(90_000);
  await asked[2].answer(new Error('nobody there'));
  timers.advance(60_000);
  assert.deepEqual(events, ['10.0.0.1', '10.0.0.2', 'a.test:80 is gone']);
  assert.equal(asked.length, 3);
  assert.equal(stats.num_hosts, 0);
  assert.equal(timers.waiting, 0);
});

test('a name that cannot be asked for keeps its address', async () => {
  const { lookUp, asked, timers } = cacheWith();
  lookUp('a.test');
  await asked[0].answer(found('10.0.0.1', 10));
  timers.advance(10_000);
  await asked[1].answer(new Error('nobody there'));
  const lookup = lookUp('a.test');
  assert.ok(lookup.kind === 'known');
  assert.deepEqual(lookup.name.addresses, [{ address: '10.0.0.1', family: 4, port: 80 }]);
});

test('a cache that goes asks nobody any more, but answers those who wait', async () => {
  const { cache, lookUp, asked, answers, timers } = cacheWith();
  lookUp('a.test');
  cache.close();
  await asked[0].answer(found('10.0.0.1', 10));
  assert.deepEqual(answers, ['a.test:80 10.0.0.1']);
  assert.equal(timers.waiting, 0);
});

test('names are resolved before anybody asks', () => {
  const { asked } = cacheWith({ preresolve: [{ host: 'a.test', port: 1 }] });
  assert.deepEqual(
    asked.map(({ name }) => name),
    ['a.test'],
  );
});
