import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../test/support/manual-timers.ts';
import type { Connection, SocketAddress } from '../net/connection.ts';
import type { ConnectHandler } from './connect-handler.ts';
import { HappyEyeballs, interleave } from './happy-eyeballs.ts';

const at = (address: string): SocketAddress => ({ address, port: 1, family: address.includes(':') ? 6 : 4 });

function race(addresses: string[], timeoutMs = 1000) {
  const timers = new ManualTimers();
  const attempts = new Map<string, ConnectHandler>();
  const canceled: string[] = [];
  const outcome: string[] = [];
  const eyeballs = new HappyEyeballs(
    addresses.map(at),
    timeoutMs,
    timers,
    ({ address }, handler) => {
      attempts.set(address, handler);
      return { cancel: () => canceled.push(address) };
    },
    {
      onConnected: (connection) => outcome.push(`connected ${connection as unknown as string}`),
      onFailed: (details, timeout) => outcome.push(`failed ${details}${timeout ? 'timeout' : ''}`),
    },
  );
  const connect = (address: string) => attempts.get(address)!.onConnected(address as unknown as Connection);
  const fail = (address: string) => attempts.get(address)!.onFailed(`${address} refused`, false);
  return { timers, attempts, canceled, outcome, eyeballs, connect, fail };
}

test('families take turns, beginning with that of the first address', () => {
  const order = (list: string[]) => interleave(list.map(at)).map(({ address }) => address);
  assert.deepEqual(order(['1.1.1.1', '::1', '1.1.1.2', '::2', '::3']), ['1.1.1.1', '::1', '1.1.1.2', '::2', '::3']);
  assert.deepEqual(order(['::1', '::2', '1.1.1.1']), ['::1', '1.1.1.1', '::2']);
});

test('the next address is tried when the first is slow, and the first answer counts', () => {
  const { timers, attempts, canceled, outcome, connect } = race(['1.1.1.1', '1.1.1.2', '1.1.1.3']);
  timers.advance(299);
  assert.equal(attempts.size, 1);
  timers.advance(1);
  assert.deepEqual([...attempts.keys()], ['1.1.1.1', '1.1.1.2']);
  connect('1.1.1.2');
  assert.deepEqual([outcome, canceled, timers.waiting], [['connected 1.1.1.2'], ['1.1.1.1'], 0]);
});

test('a failure brings the next at once, and the last one is told', () => {
  const { attempts, outcome, fail, timers } = race(['1.1.1.1', '1.1.1.2']);
  fail('1.1.1.1');
  assert.equal(attempts.size, 2);
  fail('1.1.1.2');
  assert.deepEqual([outcome, timers.waiting], [['failed 1.1.1.2 refused'], 0]);
});

test('the time limit is for all of them together', () => {
  const { timers, canceled, outcome } = race(['1.1.1.1', '1.1.1.2'], 1000);
  timers.advance(1000);
  assert.deepEqual([outcome, canceled], [['failed timeout'], ['1.1.1.1', '1.1.1.2']]);
});

test('nothing is told after it was given up', () => {
  const { eyeballs, canceled, outcome, timers } = race(['1.1.1.1', '1.1.1.2']);
  eyeballs.cancel();
  timers.advance(5000);
  assert.deepEqual([outcome, canceled, timers.waiting], [[], ['1.1.1.1'], 0]);
});
