import assert from 'node:assert/strict';
import net, { type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { TestPki } from '../../test/support/pki.ts';
import { scratch, until } from '../../test/support/reference.ts';
import { ManualClock } from '../base/clock.ts';
import { GrpcServer, OK, unary } from '../wire/grpc/server.ts';
import type { GrpcStatus } from '../wire/grpc/transport.ts';
import { Http2ServerCodec } from '../wire/http2/server.ts';
import { type ChannelCredentials, GrpcChannel, type GrpcChannelOptions } from './grpc-channel.ts';
import { CodecSocket } from './net/codec-socket.ts';

/** Answers a message with itself; `/t.T/Hang` never does. */
const METHODS = new Map([
  ['/t.T/Echo', unary((request, _call, respond) => respond(request))],
  ['/t.T/Hang', unary(() => {})],
  ['/t.T/Refuse', unary((_request, call) => call.end({ code: 16, message: 'who are you' }))],
]);

class EchoServer {
  readonly codecs: Http2ServerCodec[] = [];
  readonly sockets: Socket[] = [];
  #server: net.Server | undefined;
  port = 0;

  readonly accept = (socket: Socket): void => {
    this.sockets.push(socket);
    const io = new CodecSocket(socket);
    const grpc = new GrpcServer(METHODS);
    const codec = new Http2ServerCodec(io, {
      newStream: (stream) => grpc.newStream(stream),
      onConnectionError: () => io.close(),
      onConnectionDone: () => io.close(),
    });
    this.codecs.push(codec);
    io.attach(codec);
  };

  async listen(t: TestContext, server: net.Server = net.createServer(this.accept), port = 0): Promise<void> {
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    t.after(() => this.close());
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

function call(channel: GrpcChannel, method = 'Echo', text = 'hi'): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const open = channel.call(`/t.T/${method}`, [], {
      onMessage: (bytes) => (answer += Buffer.from(bytes).toString()),
      onEnd: ({ code, message }: GrpcStatus) => resolve(code === OK.code ? answer : `${code} ${message}`),
    });
    open.send(Buffer.from(text));
    open.end();
  });
}

function channelTo(t: TestContext, port: number, more: Partial<GrpcChannelOptions> = {}): GrpcChannel {
  const channel = new GrpcChannel({ host: '127.0.0.1', port, ...more });
  t.after(() => channel.close());
  return channel;
}

test('calls share a connection, and a lost one is replaced', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const channel = channelTo(t, server.port);
  assert.deepEqual(await Promise.all([call(channel, 'Echo', 'a'), call(channel, 'Echo', 'b')]), ['a', 'b']);
  assert.equal(server.sockets.length, 1);
  const hanging = call(channel, 'Hang');
  await until('the call is there', () => server.codecs[0].activeStreams === 1 || undefined);
  server.sockets[0].resetAndDestroy();
  assert.match(await hanging, /^14 /);
  assert.equal(await call(channel), 'hi');
  assert.equal(server.sockets.length, 2);
});

test('a call that is not believed is the last on its connection, whose certificate may have expired', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const channel = channelTo(t, server.port);
  assert.equal(await call(channel), 'hi');
  assert.equal(await call(channel, 'Refuse'), '16 who are you');
  assert.equal(await call(channel), 'hi');
  assert.equal(server.sockets.length, 2);
  await until('the first connection is closed', () => server.sockets[0].destroyed || undefined);
});

test('a server that drains gets no new calls', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const channel = channelTo(t, server.port);
  const hanging = call(channel, 'Hang');
  await until('the call is there', () => server.codecs[0]?.activeStreams === 1 || undefined);
  server.codecs[0].drain();
  server.codecs[0].goAway();
  await until('the next call has a connection of its own', async () => {
    assert.equal(await call(channel), 'hi');
    return server.sockets.length === 2 || undefined;
  });
  assert.equal(server.codecs[0].activeStreams, 1, 'the old call goes on');
  channel.close();
  assert.match(await hanging, /^14 /);
  assert.match(await call(channel), /^14 the channel is closed/);
});

test('an idle connection is closed', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const clock = new ManualClock();
  const channel = channelTo(t, server.port, { clock, idleMs: 1000 });
  await call(channel);
  await until('the idle timer runs', () => clock.pending === 1 || undefined);
  clock.advance(1000);
  await until('it is closed', () => server.sockets[0].destroyed || undefined);
  assert.equal(await call(channel), 'hi', 'at once, without back-off');
});

test('calls have a deadline, which travels', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const clock = new ManualClock();
  const channel = channelTo(t, server.port, { clock, deadlineMs: 500 });
  const hanging = call(channel, 'Hang');
  await until('the call is there', () => server.codecs[0]?.activeStreams === 1 || undefined);
  clock.advance(500);
  assert.equal(await hanging, '4 no answer within 500 ms');
  await until('the server knows', () => server.codecs[0].activeStreams === 0 || undefined);
});

test('after a failure the next attempt waits, and calls wait with it', async (t) => {
  const server = new EchoServer();
  await server.listen(t);
  const { port } = server;
  server.close();
  const clock = new ManualClock();
  const channel = channelTo(t, port, { clock, random: () => 0.5 });
  assert.match(await call(channel), /^14 cannot connect to 127.0.0.1:\d+: .*ECONNREFUSED/);
  const second = call(channel);
  assert.equal(clock.next, clock.now() + 500);
  clock.advance(500);
  assert.match(await second, /^14 /);
  const third = call(channel);
  assert.equal(clock.next, clock.now() + 800);
  const again = new EchoServer();
  await again.listen(t, net.createServer(again.accept), port);
  clock.advance(800);
  assert.equal(await third, 'hi');
});

test('a server that says nothing counts as a failure', async (t) => {
  const silent = net.createServer((socket) => void socket.destroy());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const clock = new ManualClock();
  const channel = channelTo(t, (silent.address() as AddressInfo).port, { clock, random: () => 0.5 });
  assert.match(await call(channel), /^14 /);
  const next = call(channel);
  assert.equal(clock.next, clock.now() + 500);
  channel.close();
  assert.match(await next, /^14 /);
});

const LOCALHOST = Uint8Array.of(127, 0, 0, 1);
const bundle = (...pems: string[]) => pems.join('');

test('TLS: who the server must be', async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'a'));
  const others = await TestPki.make(path.join(scratch(t), 'b'));
  const { cert, key } = await pki.issue({ dnsNames: ['istiod.istio-system.svc'], ips: [LOCALHOST] });
  const own = await pki.issue({ uris: ['spiffe://cluster.local/ns/a/sa/b'] });
  const presented: (string | undefined)[] = [];
  const server = new EchoServer();
  const options = { cert, key, ca: pki.roots, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const listener = tls.createServer(options, (socket) => {
    presented.push(socket.getPeerCertificate().subjectaltname);
    server.accept(socket);
  });
  await server.listen(t, listener);
  const table: [string, string, ChannelCredentials, RegExp][] = [
    ['by name', 'istiod.istio-system.svc', { roots: pki.roots }, /^hi$/],
    ['by address', '127.0.0.1', { roots: pki.roots }, /^hi$/],
    ['with an intermediate as the root', '127.0.0.1', { roots: pki.intermediate }, /^hi$/],
    ['among other roots', '127.0.0.1', { roots: bundle(others.roots, pki.roots) }, /^hi$/],
    ['another name', 'istiod.other.svc', { roots: pki.roots }, /^14 .*does not match certificate's altnames/],
    ['another address', '127.0.0.2', { roots: pki.roots }, /^14 .*127\.0\.0\.2 is not in the cert's list/],
    ['another root', '127.0.0.1', { roots: others.roots }, /^14 .*(certificate|issuer)/],
    ['roots of the system', '127.0.0.1', { roots: undefined }, /^14 .*(certificate|issuer)/],
  ];
  for (const [name, serverName, credentials, expected] of table) {
    const channel = channelTo(t, server.port, { tls: { serverName, credentials: async () => credentials } });
    assert.match(await call(channel), expected, name);
    channel.close();
  }
  const certificate = { chain: own.cert, key: own.key };
  const mutual = channelTo(t, server.port, {
    tls: { serverName: '127.0.0.1', credentials: async () => ({ roots: pki.roots, certificate }) },
  });
  assert.equal(await call(mutual), 'hi');
  assert.equal(presented.at(-1), 'URI:spiffe://cluster.local/ns/a/sa/b');
  assert.ok(presented.slice(0, -1).every((names) => names === undefined));
});

test('TLS: a server without HTTP/2, one that is in clear, and roots that cannot be read', async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'pki'));
  const { cert, key } = await pki.issue({ ips: [LOCALHOST] });
  const secure = { serverName: '127.0.0.1', credentials: async () => ({ roots: pki.roots }) };
  const old = new EchoServer();
  await old.listen(t, tls.createServer({ cert, key }, old.accept));
  assert.match(await call(channelTo(t, old.port, { tls: secure })), /^14 .*the server does not speak HTTP\/2/);
  const clear = new EchoServer();
  await clear.listen(t);
  assert.match(await call(channelTo(t, clear.port, { tls: secure })), /^14 cannot connect/);
  const credentials = () => Promise.reject(new Error('no roots'));
  const broken = channelTo(t, clear.port, { tls: { serverName: 'x', credentials } });
  assert.match(await call(broken), /^14 cannot connect to .*: no roots/);
});

test('an attempt that takes too long is given up', async (t) => {
  const silent = net.createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const clock = new ManualClock();
  const channel = channelTo(t, (silent.address() as AddressInfo).port, {
    clock,
    connectTimeoutMs: 100,
    tls: { serverName: 'x', credentials: async () => ({ roots: undefined }) },
  });
  const open = call(channel);
  await until('it tries', () => clock.pending === 1 || undefined);
  clock.advance(100);
  assert.match(await open, /the connection timed out/);
});
