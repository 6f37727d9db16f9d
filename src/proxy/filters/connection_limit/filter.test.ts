import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import type { NetworkFilterCallbacks } from '../../net/network-filter.ts';
import { NetworkStatus } from '../../net/network-filter.ts';
import { ConnectionLimitFilter, ConnectionLimitStats } from './filter.ts';

function limit(max: number, delayMs: number) {
  const timers = new ManualTimers();
  const config = { stats: new ConnectionLimitStats(), max, delayMs, connections: 0 };
  const connect = () => {
    const closed: string[] = [];
    const connection = { close: (details: string) => closed.push(details) };
    const filter = new ConnectionLimitFilter(config, {
      connection,
      worker: { timers },
    } as unknown as NetworkFilterCallbacks);
    return { filter, closed, status: filter.onNewConnection() };
  };
  return { timers, stats: config.stats, connect };
}

test('one too many is closed, and one that goes makes room', () => {
  const { connect, stats } = limit(1, 0);
  const first = connect();
  const second = connect();
  assert.deepEqual([first.status, second.status], [NetworkStatus.Continue, NetworkStatus.Stop]);
  assert.deepEqual(second.closed, ['over_connection_limit']);
  assert.deepEqual([stats.active_connections, stats.limited_connections], [2, 1]);
  second.filter.onClose();
  first.filter.onClose();
  assert.equal(stats.active_connections, 0);
  assert.equal(connect().status, NetworkStatus.Continue);
});

test('it waits before, unless it goes by itself', () => {
  const { connect, timers } = limit(0, 200);
  const patient = connect();
  const other = connect();
  timers.advance(199);
  other.filter.onClose();
  assert.deepEqual(patient.closed, []);
  timers.advance(1);
  assert.deepEqual([patient.closed, other.closed], [['over_connection_limit'], []]);
});

test('a filter that never saw its connection does not count it', () => {
  const { stats } = limit(1, 0);
  const config = { stats, max: 1, delayMs: 0, connections: 0 };
  new ConnectionLimitFilter(config, {} as NetworkFilterCallbacks).onClose();
  assert.deepEqual([config.connections, stats.active_connections], [0, 0]);
});
