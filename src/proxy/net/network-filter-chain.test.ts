import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../test/support/manual-timers.ts';
import { RecordingHandler, scriptedConnection } from '../../../test/support/stub-connection.ts';
import type { WorkerContext } from '../context.ts';
import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from './network-filter.ts';
import { runFilterChain } from './network-filter-chain.ts';

function start(...filters: ((callbacks: NetworkFilterCallbacks) => NetworkFilter | undefined)[]) {
  const connection = scriptedConnection();
  const handler = new RecordingHandler();
  const factories = filters.map((create) => ({ terminal: false as const, create }));
  const last = {
    terminal: true as const,
    create() {
      handler.events.push('begun');
      return handler;
    },
    refused: () => handler.events.push('refused'),
  };
  const worker = { timers: new ManualTimers() } as unknown as WorkerContext;
  runFilterChain(connection, [...factories, last], worker, { get: () => undefined }, () => {});
  return { connection, handler };
}

test('the last filter begins with the connection, whatever others want of the data', () => {
  const { connection, handler } = start(
    () => undefined,
    () => ({ onData: () => NetworkStatus.Continue }),
  );
  assert.deepEqual(handler.events, ['begun']);
  connection.receive('a');
  connection.peerEnds();
  assert.deepEqual(handler.events, ['begun', 'a', 'end']);
});

test('a filter that stops a new connection keeps it from the last one', () => {
  let callbacks: NetworkFilterCallbacks | undefined;
  const { connection, handler } = start((given) => {
    callbacks = given;
    return { onNewConnection: () => NetworkStatus.Stop };
  });
  connection.receive('abc');
  assert.deepEqual(handler.events, []);
  callbacks!.continueReading();
  connection.receive('def');
  connection.peerEnds();
  assert.deepEqual(handler.events, ['begun', 'abc', 'def', 'end']);
});

test('all that came meanwhile is there when the connection goes on, its end included', () => {
  const waiting: NetworkFilterCallbacks[] = [];
  const stop = (callbacks: NetworkFilterCallbacks): NetworkFilter => {
    waiting.push(callbacks);
    return { onNewConnection: () => NetworkStatus.Stop };
  };
  const { connection, handler } = start(stop, stop);
  connection.receive('abc');
  waiting[0].continueReading();
  connection.receive('def');
  connection.peerEnds();
  assert.deepEqual(handler.events, []);
  waiting[1].continueReading();
  assert.deepEqual(handler.events, ['begun', 'abcdef', 'end']);
});

test('a connection that ends before is told of all the same', () => {
  const { connection, handler } = start(() => ({ onNewConnection: () => NetworkStatus.Stop }));
  connection.peerCloses('reset');
  assert.deepEqual(handler.events, ['refused']);
});

test('a filter that needs more sees all of it again', () => {
  for (const pieces of [['abcdef'], ['ab', 'cdef'], [...'abcdef']]) {
    const seen: string[] = [];
    const { connection, handler } = start(() => ({
      onData(data, end) {
        const text = data.bytes.toString('latin1', data.start, data.end);
        if (seen.length > 0) return NetworkStatus.Continue;
        if (text.length < 3 && !end) return NetworkStatus.NeedMore;
        seen.push(text.slice(0, 3));
        data.start += 3;
        return NetworkStatus.Continue;
      },
    }));
    for (const piece of pieces) connection.receive(piece);
    connection.peerEnds();
    assert.deepEqual(seen, ['abc'], pieces.join());
    assert.equal(handler.events.join(''), 'begundefend', pieces.join());
  }
});

test('a filter that never has enough ends the connection', () => {
  const { connection, handler } = start(() => ({ onData: () => NetworkStatus.NeedMore }));
  for (let i = 0; i < 5 && !connection.closed; i++) connection.receive('x'.repeat(64 * 1024));
  assert.equal(connection.closedWith, 'network filter held too much');
  assert.equal(handler.events.at(-1), 'closed local network filter held too much');
});

test('when the client has said all, needing more is in vain', () => {
  const ends: boolean[] = [];
  const { connection, handler } = start(() => ({
    onData(_data, end) {
      ends.push(end);
      return NetworkStatus.NeedMore;
    },
  }));
  connection.receive('ab');
  connection.peerEnds();
  assert.deepEqual(
    [ends, handler.events],
    [
      [false, true],
      ['begun', 'ab', 'end'],
    ],
  );
});

test('who looks at data sees its end as well, unless it has seen enough', () => {
  const seen: string[] = [];
  const filter: NetworkFilter = {
    onData(data, end) {
      seen.push(`${data.bytes.toString('latin1', data.start, data.end)}${end ? '.' : ''}`);
      if (seen.length === 3) filter.onData = undefined;
      return NetworkStatus.Continue;
    },
  };
  const pieces = (...texts: string[]) => {
    const { connection, handler } = start(() => filter);
    for (const text of texts) connection.receive(text);
    connection.peerEnds();
    return handler.events;
  };
  assert.deepEqual(pieces(), ['begun', 'end']);
  assert.deepEqual(pieces('a', 'b', 'c'), ['begun', 'a', 'b', 'c', 'end']);
  assert.deepEqual(seen, ['.', 'a', 'b']);
});
