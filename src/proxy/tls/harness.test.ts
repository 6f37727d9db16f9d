import assert from 'node:assert/strict';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { create, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { registry } from '../../api/registry.ts';
import { silentLogger } from '../../base/log.ts';
import { ClientHelloReader } from '../../wire/clienthello/clienthello.ts';
import type { ConfigSource, Rejection, SubscriptionSink } from '../../xds/client/config-source.ts';
import { ConfigErrors } from '../config/errors.ts';
import type { CloseReason, Connection } from '../net/connection.ts';
import { FlushQueue } from '../net/flush-queue.ts';
import { SocketConnection } from '../net/socket-connection.ts';
import { TimerWheel } from '../timers.ts';
import { downstreamTransport } from './downstream.ts';
import type { Made } from './pki.test.ts';
import { SECRET_TYPE_URL, SecretManager } from './secrets.ts';
import { newTransportStats, type TransportStats } from './stats.ts';
import type {
  DownstreamTransport,
  TlsFailure,
  TlsOutcome,
  UpstreamTlsOverride,
  UpstreamTransport,
} from './transport.ts';
import { upstreamTransport } from './upstream.ts';

/** An SDS server in the same process: tests push secrets and see what is refused. */
export class FakeSds implements ConfigSource {
  readonly sinks = new Map<string, SubscriptionSink>();
  opened = 0;
  closed = 0;
  #version = 0;

  subscribe(typeUrl: string, names: readonly string[] | undefined, sink: SubscriptionSink) {
    assert.equal(typeUrl, SECRET_TYPE_URL);
    assert.equal(names?.length, 1);
    this.opened++;
    const key = `${names![0]} ${this.opened}`;
    this.sinks.set(key, sink);
    return {
      setNames() {},
      close: () => {
        this.closed++;
        this.sinks.delete(key);
      },
    };
  }

  /** Sends a secret to all who asked for its name, and returns what they refuse. */
  push(name: string, json: JsonObject): Rejection[] {
    const secret = fromJson(SecretSchema, { name, ...json }, { registry });
    return this.pushBytes(name, toBinary(SecretSchema, secret));
  }

  pushBytes(name: string, bytes: Uint8Array): Rejection[] {
    const all: Rejection[] = [];
    const version = String(++this.#version);
    for (const [key, sink] of this.sinks) {
      if (key.split(' ')[0] !== name) continue;
      sink.onUpdate([{ name, version, typeUrl: SECRET_TYPE_URL, bytes }], [], (rejections) => all.push(...rejections));
    }
    return all;
  }
}

export const keyPairJson = (made: Made): JsonObject => ({
  certificate_chain: { inline_string: made.pem },
  private_key: { inline_string: made.keyPem },
});

/** A secret by name over SDS, as a reference to it. */
export const sds = (name: string): JsonObject => ({ name, sds_config: { ads: {}, resource_api_version: 'V3' } });

export interface Bench {
  readonly sds: FakeSds;
  readonly secrets: SecretManager;
  readonly timers: TimerWheel;
  /** Wall clock of the secrets and of admission, moved by tests. */
  clock: { skewMs: number };
}

/** What transports of one worker are made with. */
export function bench(t: TestContext, ticketSecret?: Uint8Array): Bench {
  const fake = new FakeSds();
  const clock = { skewMs: 0 };
  const timers = new TimerWheel();
  timers.wallClock = () => Date.now() + clock.skewMs;
  const unknownFields = { note: () => undefined };
  const context = { configSource: () => fake, timers, log: silentLogger, unknownFields };
  const secrets = new SecretManager({ context, ticketSecret });
  t.after(() => secrets.close());
  return { sds: fake, secrets, timers, clock };
}

export function downstream(
  b: Bench,
  json: JsonObject,
  stats: TransportStats = newTransportStats(),
): DownstreamTransport {
  const errors = new ConfigErrors();
  const proto = fromJson(DownstreamTlsContextSchema, json, { registry });
  const transport = downstreamTransport(proto, b.secrets, stats, errors);
  assert.equal(errors.toString(), '');
  return transport!;
}

export function upstream(b: Bench, json: JsonObject, stats: TransportStats = newTransportStats()): UpstreamTransport {
  const errors = new ConfigErrors();
  const proto = fromJson(UpstreamTlsContextSchema, json, { registry });
  const transport = upstreamTransport(proto, b.secrets, stats, errors);
  assert.equal(errors.toString(), '');
  return transport!;
}

/** What is refused of a configuration. */
export function downstreamErrors(b: Bench, json: JsonObject): string {
  const errors = new ConfigErrors();
  downstreamTransport(fromJson(DownstreamTlsContextSchema, json, { registry }), b.secrets, newTransportStats(), errors);
  return errors.toString();
}

export function upstreamErrors(b: Bench, json: JsonObject): string {
  const errors = new ConfigErrors();
  upstreamTransport(fromJson(UpstreamTlsContextSchema, json, { registry }), b.secrets, newTransportStats(), errors);
  return errors.toString();
}

/** A connection as the owner of a listener or pool has it, with everything that came over it. */
export class Owned {
  readonly connection: Connection;
  received = '';
  ended = false;
  closed: CloseReason | undefined = undefined;

  constructor(b: Bench, { socket, info }: Exclude<TlsOutcome, { failure: TlsFailure }>, reply?: string) {
    const here = { address: '127.0.0.1', port: 0, family: 4 } as const;
    const context = { flushQueue: new FlushQueue(), timers: b.timers };
    this.connection = new SocketConnection(
      socket,
      context,
      { bufferLimit: 1 << 20 },
      { local: here, remote: here },
      info,
    );
    this.connection.setHandler({
      onData: (bytes, start, end) => {
        this.received += bytes.toString('latin1', start, end);
        if (reply !== undefined) this.connection.writeLatin1(reply);
      },
      onEnd: () => {
        this.ended = true;
        this.connection.end();
      },
      onBackpressure: () => {},
      onClose: (reason) => {
        this.closed = reason;
      },
    });
    this.connection.start();
  }
}

/** A listener with a transport; it answers `pong` to whatever an admitted client says. */
export interface Listening {
  readonly port: number;
  readonly admitted: Owned[];
  readonly failures: TlsFailure[];
}

export async function listen(t: TestContext, b: Bench, transport: DownstreamTransport): Promise<Listening> {
  const admitted: Owned[] = [];
  const failures: TlsFailure[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const reader = new ClientHelloReader();
    const seen: Buffer[] = [];
    const onData = (chunk: Buffer) => {
      seen.push(chunk);
      const result = reader.receive(chunk, 0, chunk.length);
      if (result.kind === 'need-more') return;
      socket.removeListener('data', onData);
      socket.pause();
      if (result.kind !== 'hello') {
        socket.destroy();
        return;
      }
      socket.unshift(Buffer.concat(seen));
      transport.accept(socket, result.hello, (outcome) => {
        if ('failure' in outcome) failures.push(outcome.failure);
        else admitted.push(new Owned(b, outcome, 'pong'));
      });
    };
    socket.on('data', onData);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, admitted, failures };
}

/** What a client of Node's saw of a handshake and one exchange. */
export interface Seen {
  /** What the server answered, or `alert NAME`, or `closed`. */
  readonly result: string;
  readonly protocol: string;
  readonly alpn: string | false;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
  readonly peer: string;
}

export function visit(port: number, options: tls.ConnectionOptions, say = 'ping'): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    let received = '';
    let failure = '';
    let session: Buffer | undefined;
    let seen: Partial<Seen> = {};
    socket.on('secureConnect', () => {
      const peer = socket.getPeerX509Certificate()?.subject ?? '';
      const { alpnProtocol: alpn } = socket;
      seen = { protocol: socket.getProtocol() ?? '', alpn: alpn ?? false, resumed: socket.isSessionReused(), peer };
      if (say !== '') socket.write(say);
    });
    socket.on('session', (s) => {
      session = s;
    });
    socket.on('data', (chunk: Buffer) => {
      received += chunk;
      socket.end();
    });
    socket.on('error', (error: Error & { code?: string }) => {
      const alert = /SSL alert number (\d+)/.exec(error.message)?.[1];
      failure ||= alert ? `alert ${alert}` : (error.code ?? error.message);
    });
    socket.on('close', () => {
      const result = received || failure || 'closed';
      resolve({ result, protocol: '', alpn: false, resumed: false, peer: '', ...seen, session });
    });
  });
}

export const identity = (made: Made): { cert: string; key: string } => ({ cert: made.pem, key: made.keyPem });

/** Connects with an upstream transport, says something, and returns what came of it. */
export async function call(
  t: TestContext,
  b: Bench,
  transport: UpstreamTransport,
  port: number,
  override: UpstreamTlsOverride = {},
): Promise<TlsFailure | Owned> {
  const raw = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => raw.destroy());
  await new Promise((resolve, reject) => raw.once('connect', resolve).once('error', reject));
  const outcome = await new Promise<TlsOutcome>((resolve) => transport.connect(raw, override, resolve));
  if ('failure' in outcome) return outcome.failure;
  const owned = new Owned(b, outcome);
  owned.connection.writeLatin1('ping');
  return owned;
}

/** Lets the event loop turn until something holds; a test that waits in vain fails by the limit of its runner. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never held: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('the SDS server of the tests hands on what is pushed', () => {
  const fake = new FakeSds();
  let got = 0;
  const sink: SubscriptionSink = {
    onUpdate: (resources, _, settle) => {
      got += resources.length;
      settle([{ name: 'a', reason: 'no' }]);
    },
    onMissing() {},
  };
  fake.subscribe(SECRET_TYPE_URL, ['a'], sink);
  assert.deepEqual(fake.pushBytes('a', toBinary(SecretSchema, create(SecretSchema))), [{ name: 'a', reason: 'no' }]);
  assert.deepEqual(fake.push('b', {}), []);
  assert.equal(got, 1);
});
