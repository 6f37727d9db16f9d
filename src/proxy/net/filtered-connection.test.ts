import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingHandler, scriptedConnection } from '../../../test/support/stub-connection.ts';
import { filterConnection } from './filtered-connection.ts';
import { type NetworkData, type NetworkFilter, NetworkStatus } from './network-filter.ts';

/** Takes so many octets off the start, all at once. */
function prefixFilter(length: number, taken: string[]): NetworkFilter {
  let done = false;
  return {
    onData(data: NetworkData, end: boolean) {
      if (done) return NetworkStatus.Continue;
      if (data.end - data.start < length && !end) return NetworkStatus.NeedMore;
      done = true;
      const to = Math.min(data.end, data.start + length);
      taken.push(data.bytes.toString('latin1', data.start, to));
      data.start = to;
      return NetworkStatus.Continue;
    },
    onClose: () => taken.push('closed'),
  };
}

function start(...filters: (NetworkFilter | undefined)[]) {
  const raw = scriptedConnection();
  const connection = filterConnection(
    raw,
    filters.map((filter) => ({ create: () => filter })),
  );
  const handler = new RecordingHandler();
  connection.setHandler(handler);
  return { raw, connection, handler };
}

test('without work to do it is the connection itself', () => {
  const { raw, connection } = start(undefined, undefined);
  assert.equal(connection, raw);
});

test('filters see what comes first, in whatever pieces, and the owner the rest', () => {
  for (const pieces of [['abcdefgh'], ['ab', 'cdefg', 'h'], [...'abcdefgh'], ['abc', 'de', 'fgh']]) {
    const taken: string[] = [];
    const { raw, handler } = start(prefixFilter(3, taken), prefixFilter(2, taken));
    for (const piece of pieces) raw.receive(piece);
    raw.peerEnds();
    assert.deepEqual(taken, ['abc', 'de'], pieces.join());
    assert.equal(handler.events.join(''), 'fghend', pieces.join());
  }
});

test('at the end a filter gets what there is', () => {
  const taken: string[] = [];
  const { raw, handler } = start(prefixFilter(9, taken));
  raw.receive('abc');
  raw.peerEnds();
  assert.deepEqual([taken, handler.events], [['abc'], ['end']]);
});

test('a filter that never has enough ends the connection', () => {
  const { raw, handler } = start({ onData: () => NetworkStatus.NeedMore });
  for (let i = 0; i < 5 && !raw.closed; i++) raw.receive('x'.repeat(64 * 1024));
  assert.deepEqual(handler.events, ['closed local upstream filter held too much']);
});

test('what goes out and what else happens passes by', () => {
  const taken: string[] = [];
  const { raw, connection, handler } = start(prefixFilter(1, taken));
  connection.write(Buffer.from('x'));
  connection.filterState = new Map([['a', 1]]);
  assert.deepEqual([raw.written, raw.filterState?.get('a'), connection.remote], [['x'], 1, raw.remote]);
  connection.pauseReading(true);
  assert.equal(raw.paused, true);
  raw.peerCloses('reset');
  assert.deepEqual([handler.events, taken], [['closed reset'], ['closed']]);
});
