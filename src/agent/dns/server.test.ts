import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import dnsPacket, { type Packet } from 'dns-packet';
import { TestDnsServer } from '../../../test/support/dns-server.ts';
import { DnsServer } from './server.ts';

const own = (query: Packet): Packet | undefined =>
  query.questions?.[0]?.name === 'mesh'
    ? { ...query, type: 'response', answers: [{ type: 'A', name: 'mesh', ttl: 1, data: '10.0.0.1' }] }
    : undefined;

/** A server in front of one that knows `outside`; `ports` are asked before that one. */
async function setUp(t: TestContext, ...ports: number[]): Promise<number> {
  const upstream = new TestDnsServer({ outside: { answers: () => ['192.0.2.1'] } });
  const nameServers = [...ports, await upstream.listen(t)].map((port) => ({ host: '127.0.0.1', port }));
  const server = await DnsServer.listen({
    at: { host: '127.0.0.1', port: 0 },
    answer: async (query) => own(query),
    nameServers,
    timeoutMs: 200,
  });
  t.after(() => server.close());
  return server.port;
}

const question = (name: string) =>
  dnsPacket.encode({ type: 'query', id: 77, flags: 0x0100, questions: [{ type: 'A', name }] });

function askUdp(port: number, query: Buffer): Promise<Packet> {
  const socket = dgram.createSocket('udp4');
  return new Promise((resolve) => {
    socket.once('message', (bytes) => {
      socket.close();
      resolve(dnsPacket.decode(bytes));
    });
    socket.send(query, port, '127.0.0.1');
  });
}

/** In two pieces, as a stream may bring it. */
function askTcp(port: number, query: Buffer): Promise<Packet> {
  const length = Buffer.from([query.length >> 8, query.length & 0xff]);
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(length, () => setImmediate(() => socket.write(query)));
    });
    socket.once('data', (bytes: Buffer) => {
      socket.destroy();
      resolve(dnsPacket.decode(bytes.subarray(2)));
    });
  });
}

const addressesOf = ({ id, answers = [] }: Packet) => [id, ...answers.map((a) => ('data' in a ? a.data : ''))];

test('the mesh answers for its names, others for theirs, over UDP and TCP', async (t) => {
  const port = await setUp(t);
  for (const ask of [askUdp, askTcp]) {
    assert.deepEqual(addressesOf(await ask(port, question('mesh'))), [77, '10.0.0.1']);
    assert.deepEqual(addressesOf(await ask(port, question('outside'))), [77, '192.0.2.1']);
  }
});

test('a name server that is silent is passed over', async (t) => {
  const silent = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => silent.bind(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const port = await setUp(t, silent.address().port);
  assert.deepEqual(addressesOf(await askUdp(port, question('outside'))), [77, '192.0.2.1']);
});

test('where nobody answers, that is said', async (t) => {
  const options = {
    at: { host: '127.0.0.1', port: 0 },
    answer: async (query: Packet) => own(query),
    nameServers: [],
    timeoutMs: 200,
  };
  const server = await DnsServer.listen(options);
  t.after(() => server.close());
  const reply = await askUdp(server.port, question('outside'));
  assert.deepEqual([reply.id, (reply as { rcode?: string }).rcode], [77, 'SERVFAIL']);
});
