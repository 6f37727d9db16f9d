import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scriptedConnection } from '../../../../test/support/stub-connection.ts';
import type { Lookup, NameCache } from '../../cluster/dns/cache-source.ts';
import { NetworkStatus } from '../../net/network-filter.ts';
import { DYNAMIC_PORT } from '../../observe/filter-state.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { SniForwardProxyFilter } from './filter.ts';

function filterWith(requestedServerName: string, lookup: Lookup) {
  const connection = scriptedConnection({ requestedServerName });
  const info = new StreamInfo(connection, 0, 0);
  const events: string[] = [];
  let answer = () => {};
  const cache = {
    lookUp(name: string, port: number, onAnswer: () => void) {
      events.push(`${name} ${port}`);
      answer = onAnswer;
      return lookup;
    },
  } as unknown as NameCache;
  const callbacks = { connection, info, continueReading: () => events.push('continue') };
  const filter = new SniForwardProxyFilter(cache, 8443, callbacks as never);
  return { filter, connection, info, events, answer: () => answer() };
}

test('a client that names nobody goes on', () => {
  const { filter, events } = filterWith('', { kind: 'overflow' });
  assert.equal(filter.onNewConnection(), NetworkStatus.Continue);
  assert.deepEqual(events, []);
});

test('a connection waits for its name, and the cluster is told the port', () => {
  const { filter, info, events, answer } = filterWith('a.test', { kind: 'pending', cancel() {} });
  assert.equal(filter.onNewConnection(), NetworkStatus.Stop);
  assert.equal(info.getFilterState(DYNAMIC_PORT), 8443);
  answer();
  assert.deepEqual(events, ['a.test 8443', 'continue']);
});

test('too many names end the connection', () => {
  const { filter, connection } = filterWith('a.test', { kind: 'overflow' });
  assert.equal(filter.onNewConnection(), NetworkStatus.Stop);
  assert.equal(connection.closedWith, 'dns_cache_overflow');
});

test('a connection that goes no longer waits', () => {
  let cancelled = 0;
  const { filter } = filterWith('a.test', { kind: 'pending', cancel: () => cancelled++ });
  filter.onNewConnection();
  filter.onClose();
  assert.equal(cancelled, 1);
});
