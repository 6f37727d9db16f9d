import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  BindError,
  foreignSocket,
  integer,
  listeningDescriptor,
  makeTransparent,
  originalDestinationOf,
  preparedSocket,
  SocketOptionError,
  setOptions,
} from './socket-options.ts';

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
    /Address already in use/,
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

const onLinux = process.platform === 'linux' ? false : 'options are numbers of Linux';
const KEEP_ALIVE = { level: 1, name: 9, value: integer(1), state: 'prebind' } as const;
const UNKNOWN = { level: 1, name: 9999, value: integer(1), state: 'bound' } as const;

test('sockets of our own making listen and connect', { skip: onLinux }, async (t) => {
  const server = net.createServer((socket) => socket.on('error', () => {}).end(`${socket.remoteAddress}`));
  const fd = listeningDescriptor(LOCAL, [KEEP_ALIVE], { reusePort: false, multipath: false });
  server.listen({ fd });
  await once(server, 'listening');
  t.after(() => server.close());
  setOptions(server, [{ ...KEEP_ALIVE, state: 'listening' }], 'listening');
  const { port } = server.address() as net.AddressInfo;
  const address = { ...LOCAL, address: '127.0.0.78' };
  const socket = preparedSocket({ family: 4, options: [KEEP_ALIVE], address }).connect({ host: '127.0.0.1', port });
  const [seen] = (await once(socket, 'data')) as [Buffer];
  assert.equal(seen.toString(), '127.0.0.78');
  socket.destroy();
  assert.throws(() => preparedSocket({ family: 4, options: [], address: { ...LOCAL, port } }), BindError);
});

test('an option that the kernel does not have is an error of the state that it is for', {
  skip: onLinux,
}, async (t) => {
  const server = await listening(t);
  assert.throws(() => setOptions(server, [UNKNOWN]), SocketOptionError);
  assert.doesNotThrow(() => setOptions(server, [UNKNOWN], 'listening'));
  assert.throws(() => preparedSocket({ family: 4, options: [UNKNOWN], address: LOCAL }), /1\/9999 cannot be set/);
});
