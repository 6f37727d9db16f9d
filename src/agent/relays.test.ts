import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { scratch } from '../../test/support/reference.ts';
import { openRelay } from './net/relay.ts';
import { openRelays, parseRelays } from './relays.ts';

/** A server that says `hello`, then gives back what it was sent when the other side has ended. Its port. */
async function echo(t: TestContext): Promise<number> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const chunks: Buffer[] = [];
    socket.write('hello ');
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end(Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

async function talk(to: net.NetConnectOpts, text: string): Promise<string> {
  const socket = net.connect(to);
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

test('who reaches the socket reaches the port, and nobody else can open the socket', async (t) => {
  const file = path.join(scratch(t), 's');
  // What a run before has left is in nobody's way.
  fs.writeFileSync(file, '');
  const close = await openRelays(parseRelays(JSON.stringify([{ path: file, port: await echo(t) }])), '127.0.0.1');
  const large = 'x'.repeat(1 << 20);
  assert.equal(await talk({ path: file }, large), `hello ${large}`);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  close();
  await assert.rejects(talk({ path: file }, ''), { code: /ENOENT|ECONNREFUSED/ });
});

test('nobody behind it: the connection ends', async (t) => {
  const file = path.join(scratch(t), 's');
  const relay = await openRelay({ path: file }, { path: `${file}.none` });
  t.after(() => relay.close());
  assert.equal(await talk({ path: file }, '').catch((error: NodeJS.ErrnoException) => error.code), '');
});

test('a place that cannot be had', async (t) => {
  const port = await echo(t);
  await assert.rejects(openRelay({ host: '127.0.0.1', port }, { path: '/x' }), {
    name: 'UserError',
    message: new RegExp(`^127\\.0\\.0\\.1:${port} cannot be listened on: .*EADDRINUSE`),
  });
});

test('what up did not write', () => {
  assert.deepEqual(parseRelays(undefined), []);
  for (const text of ['', '{}', '[{"path":1,"port":2}]'])
    assert.throws(() => parseRelays(text), {
      name: 'UserError',
      message: /^The environment variable ISTHMUS_AGENT_RELAYS is not/,
    });
});
