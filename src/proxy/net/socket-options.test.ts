import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { foreignSocket, makeTransparent, originalDestinationOf } from './socket-options.ts';

const LOCAL = { address: '127.0.0.1', port: 0, family: 4 } as const;

async function listening(t: TestContext): Promise<net.Server> {
  const server = net.createServer((socket) => socket.on('error', () => {}).end(`${socket.remoteAddress}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server;
}

test('a listener for every address, and a socket with the address of another machine, or why not', async (t) => {
  const server = await listening(t);
  const { port } = server.address() as net.AddressInfo;
  try {
    makeTransparent(server, 4);
  } catch (error) {
    // Nobody but root may, and then the two have the same to say.
    assert.match((error as Error).message, /^IP_TRANSPARENT cannot be set/);
    assert.throws(() => foreignSocket({ address: LOCAL, mark: 0 }), /^Error: IP_TRANSPARENT cannot be set/);
    return;
  }
  const address = { ...LOCAL, address: '127.0.0.77' };
  const socket = foreignSocket({ address, mark: 7 }).connect({ host: '127.0.0.1', port });
  const [seen] = (await once(socket, 'data')) as [Buffer];
  assert.equal(seen.toString(), '127.0.0.77');
  socket.destroy();
  assert.throws(
    () =>
      foreignSocket({ address: { ...address, port }, mark: 0 }) &&
      foreignSocket({ address: { ...LOCAL, port }, mark: 0 }),
    /Cannot assign/,
  );
});

test('a connection that nobody has redirected was going nowhere else', async (t) => {
  const server = await listening(t);
  const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  assert.equal(originalDestinationOf(socket, 4), undefined);
  socket.destroy();
});
