import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import dnsPacket, { type Packet } from 'dns-packet';
import { HostNameServer } from './server.ts';

const question = (name: string): Packet => ({ type: 'query', id: 9, questions: [{ type: 'A', name }] });
const addresses = ({ answers = [] }: Packet) => answers.map((a) => (a as { data: string }).data);

async function start(t: { after(fn: () => void): void }): Promise<{ address: string; port: number }> {
  const hosts = new Map([['web.example', ['127.0.0.9']]]);
  const server = await HostNameServer.listen('127.0.0.1', 0, () => hosts);
  t.after(() => server.close());
  const [address = '', port = ''] = server.address.split(':');
  return { address, port: Number(port) };
}

test('answers over UDP, and does not mind what is no question', async (t) => {
  const { address, port } = await start(t);
  const client = dgram.createSocket('udp4');
  t.after(() => void client.close());
  client.send(Buffer.from('nonsense'), port, address);
  client.send(dnsPacket.encode(question('web.example')), port, address);
  const [bytes] = (await once(client, 'message')) as [Buffer];
  assert.deepEqual(addresses(dnsPacket.decode(bytes)), ['127.0.0.9']);
});

test('answers over TCP, several questions in pieces; one that is too long ends the connection', async (t) => {
  const { address, port } = await start(t);
  const socket = net.connect(port, address);
  t.after(() => void socket.destroy());
  const encoded = dnsPacket.streamEncode(question('web.example'));
  const twice = Buffer.concat([encoded, encoded]);
  let received = Buffer.alloc(0);
  const wanted = async (length: number) => {
    while (received.length < length)
      received = Buffer.concat([received, ((await once(socket, 'data')) as [Buffer])[0]]);
  };
  socket.write(twice.subarray(0, 5));
  socket.write(twice.subarray(5));
  await wanted(2);
  const size = 2 + received.readUInt16BE(0);
  await wanted(2 * size);
  assert.deepEqual(addresses(dnsPacket.streamDecode(received.subarray(size, 2 * size))), ['127.0.0.9']);
  socket.write(Buffer.from([0xff, 0xff, 0]));
  await once(socket, 'close');
});

test('a port that is taken is named', async (t) => {
  const { address, port } = await start(t);
  await assert.rejects(
    HostNameServer.listen(address, port, () => new Map()),
    { message: `DNS cannot be served at ${address}:${port}: EADDRINUSE` },
  );
});
