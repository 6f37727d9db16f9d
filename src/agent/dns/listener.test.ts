import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { DnsListener, FramedMessages, framed } from './listener.ts';

test('messages of a stream, however it is cut', () => {
  const stream = Buffer.concat([framed(Buffer.from('ab')), framed(Buffer.alloc(0)), framed(Buffer.from('cde'))]);
  for (let size = 1; size <= stream.length; size++) {
    const messages = new FramedMessages();
    const seen: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      messages.push(stream.subarray(at, at + size));
      for (let next = messages.next(); next !== undefined; next = messages.next()) seen.push(next.toString());
    }
    assert.deepEqual(seen, ['ab', '', 'cde'], `pieces of ${size}`);
  }
});

test('says how long the message is that has not come whole', () => {
  const messages = new FramedMessages();
  messages.push(Buffer.from([1]));
  assert.equal(messages.awaited, 0);
  assert.equal(messages.next(), undefined);
  messages.push(Buffer.from([2, 0]));
  assert.equal(messages.awaited, 258);
});

test('a question of the largest length is answered; a longer one ends the connection, though all of it is there', async (t) => {
  const asked: string[] = [];
  const listener = await DnsListener.listen({
    host: '127.0.0.1',
    port: 0,
    answer: (query, stream) => {
      asked.push(`${query} ${stream}`);
      return Promise.resolve(Buffer.from('yes'));
    },
    maxConnections: 4,
    idleMs: 60_000,
    maxQuestion: 4,
  });
  t.after(() => listener.close());
  const socket = net.connect(listener.port, '127.0.0.1');
  t.after(() => void socket.destroy());
  socket.write(framed(Buffer.from('four')));
  assert.deepEqual(await once(socket, 'data'), [framed(Buffer.from('yes'))]);
  socket.write(framed(Buffer.from('fives')));
  await once(socket, 'close');
  assert.deepEqual(asked, ['four true']);
});

test('a connection beyond the largest number is closed', async (t) => {
  const answer = () => undefined;
  const limits = { maxConnections: 1, idleMs: 60_000, maxQuestion: 4 };
  const listener = await DnsListener.listen({ host: '127.0.0.1', port: 0, answer, ...limits });
  t.after(() => listener.close());
  const first = net.connect(listener.port, '127.0.0.1');
  t.after(() => void first.destroy());
  await once(first, 'connect');
  const second = net.connect(listener.port, '127.0.0.1').on('error', () => {});
  await once(second, 'close');
  assert.equal(first.destroyed, false);
});
