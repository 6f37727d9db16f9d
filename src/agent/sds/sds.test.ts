import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { TestPki } from '../../../test/support/pki.ts';
import { scratch, until } from '../../../test/support/reference.ts';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { ManualClock, systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { StateHolder, type WorkloadCertificate, type WorkloadSource } from '../../ca/client/state.ts';
import { GrpcClientCall } from '../../wire/grpc/client.ts';
import type { GrpcTransport } from '../../wire/grpc/transport.ts';
import { Http2ClientCodec } from '../../wire/http2/client.ts';
import type { ConfigSource, RawResource, Rejection, SubscriptionSink } from '../../xds/client/config-source.ts';
import { SingleTypeClient } from '../../xds/client/single-type-client.ts';
import { Resource } from '../../xds/session/resource-types.ts';
import { GrpcListener } from '../grpc-listener.ts';
import { CodecSocket } from '../net/codec-socket.ts';
import { AgentMetrics } from '../status/metrics.ts';
import { InProcessSecrets } from './in-process.ts';
import { Secrets } from './secrets.ts';
import { secretDiscoveryMethods } from './server.ts';

const ROOTS = '-----BEGIN CERTIFICATE-----\nroots\n-----END CERTIFICATE-----\n';
const certificate = (n: number): WorkloadCertificate => ({
  key: `key ${n}`,
  chain: `chain ${n}`,
  identity: 'spiffe://cluster.local/ns/a/sa/b',
  serial: String(n),
  notBefore: 0,
  notAfter: 1,
});

function setUp(more: { moreRoots?: string[]; clock?: ManualClock } = {}) {
  const holder = new StateHolder();
  const source: WorkloadSource = {
    get state() {
      return holder.state;
    },
    subscribe: (listener) => holder.subscribe(listener),
    close() {},
  };
  const metrics = new AgentMetrics();
  const lines: string[] = [];
  const log = { ...silentLogger, warn: (m: string) => lines.push(m), error: (m: string) => lines.push(m) };
  const secrets = new Secrets({ source, moreRoots: [], places: (p) => [p], metrics, log, ...more });
  return { holder, secrets, metrics, lines, log };
}

/** Writes down what it gets as `name=text`, and settles at once unless told to hold. */
class Recorder implements SubscriptionSink {
  readonly got: string[] = [];
  readonly versions: string[] = [];
  readonly held: ((r: readonly Rejection[]) => void)[] = [];
  hold = false;

  onUpdate(resources: readonly RawResource[], removed: readonly string[], settle: (r: readonly Rejection[]) => void) {
    for (const { name, version, bytes } of resources) {
      const { type } = fromBinary(SecretSchema, bytes);
      const source =
        type.case === 'tlsCertificate'
          ? type.value.certificateChain
          : type.case === 'validationContext'
            ? type.value.trustedCa
            : undefined;
      const text = source?.specifier.case === 'inlineBytes' ? Buffer.from(source.specifier.value).toString() : '?';
      this.got.push(`${name}=${text.trim().split('\n').join('|')}`);
      this.versions.push(version);
    }
    for (const name of removed) this.got.push(`-${name}`);
    if (this.hold) this.held.push(settle);
    else settle([]);
  }

  onMissing(names: readonly string[]): void {
    this.got.push(`missing ${names}`);
  }

  take(): string[] {
    return this.got.splice(0);
  }
}

const settled = () => new Promise(setImmediate);

test('secrets of the workload, in the same process', async () => {
  const { holder, secrets, log } = setUp({ moreRoots: ['more\n'] });
  const source = new InProcessSecrets(secrets, log, new ManualClock());
  const sink = new Recorder();
  const subscription = source.subscribe(Resource.Secret, ['default', 'ROOTCA'], sink);
  await settled();
  assert.deepEqual([sink.take(), secrets.missing], [[], ['default', 'ROOTCA']]);
  holder.update({ certificate: certificate(1), roots: 'roots' });
  assert.deepEqual(sink.got, [], 'not from within the update');
  await settled();
  assert.deepEqual(sink.take(), ['default=chain 1', 'ROOTCA=roots|more']);
  assert.deepEqual(secrets.missing, []);
  holder.update({ lastError: { message: 'x', at: 0 } });
  await settled();
  assert.deepEqual(sink.take(), [], 'nothing has changed');
  holder.update({ certificate: certificate(2) });
  await settled();
  assert.deepEqual(sink.take(), ['default=chain 2']);
  holder.update({ certificate: undefined });
  await settled();
  assert.deepEqual(sink.take(), [], 'an expired certificate is not taken away');
  const late = new Recorder();
  source.subscribe(Resource.Secret, ['ROOTCA'], late);
  await settled();
  assert.deepEqual(late.take(), ['ROOTCA=roots|more']);
  subscription.setNames(['ROOTCA']);
  holder.update({ certificate: certificate(3), roots: 'new' });
  await settled();
  assert.deepEqual(sink.take(), ['ROOTCA=new|more']);
  subscription.close();
  holder.update({ roots: 'newer' });
  await settled();
  assert.deepEqual([sink.take(), late.take()], [[], ['ROOTCA=new|more', 'ROOTCA=newer|more']]);
  assert.equal(secrets.isFollowed('default'), false);
  assert.throws(() => source.subscribe(Resource.Cluster, undefined, sink), TypeError);
});

test('an update waits until the one before is settled, and the newest is what comes', async () => {
  const { holder, secrets, log, lines } = setUp();
  const sink = new Recorder();
  sink.hold = true;
  new InProcessSecrets(secrets, log).subscribe(Resource.Secret, ['default'], sink);
  holder.update({ certificate: certificate(1) });
  await settled();
  for (const n of [2, 3]) {
    holder.update({ certificate: certificate(n) });
    await settled();
  }
  assert.deepEqual(sink.take(), ['default=chain 1']);
  sink.held[0]([{ name: 'default', reason: 'bad' }]);
  sink.held[0]([]);
  await settled();
  assert.deepEqual(sink.take(), ['default=chain 3']);
  assert.deepEqual(lines, ['the proxy refused the secret default: bad']);
});

test('what does not come in time is missing, and may still come', async () => {
  const clock = new ManualClock();
  const { holder, secrets, log } = setUp({ clock });
  const source = new InProcessSecrets(secrets, log, clock);
  const [sink, patient] = [new Recorder(), new Recorder()];
  source.subscribe(Resource.Secret, ['default', 'ROOTCA'], sink);
  source.subscribe(Resource.Secret, ['default'], patient, { initialFetchTimeoutMs: 0 });
  holder.update({ roots: ROOTS });
  await settled();
  sink.take();
  clock.advance(15_000);
  assert.deepEqual([sink.take(), patient.take()], [['missing default'], []]);
  holder.update({ certificate: certificate(1) });
  await settled();
  assert.deepEqual([sink.take(), patient.take()], [['default=chain 1'], ['default=chain 1']]);
});

test('secrets from files are followed while they are asked for', async (t) => {
  const clock = new ManualClock(Date.now());
  const { secrets, log, lines, metrics } = setUp({ clock });
  const dir = scratch(t);
  const pki = await TestPki.make(path.join(dir, 'pki'));
  const file = path.join(dir, 'ca.pem');
  const sink = new Recorder();
  const source = new InProcessSecrets(secrets, log, clock);
  const subscription = source.subscribe(Resource.Secret, [`file-root:${file}`, 'kubernetes://x'], sink, {
    initialFetchTimeoutMs: 0,
  });
  await until('the file is missed', () => metrics.get('num_file_secret_failures_total') === 1 || undefined);
  fs.writeFileSync(file, pki.roots);
  await until('the file is there', async () => {
    clock.advance(2000);
    await settled();
    return sink.got.length > 0 || undefined;
  });
  assert.deepEqual(sink.take(), [`file-root:${file}=${pki.roots.trim().split('\n').join('|')}`]);
  assert.match(lines[0], /asks for the secret kubernetes:\/\/x, which an agent does not have/);
  assert.match(lines[1], /ca\.pem is missing/);
  subscription.close();
  assert.equal(clock.pending, 0);
});

/** gRPC over one Unix socket. */
function transportTo(file: string): GrpcTransport & { close(): void } {
  const socket = net.connect(file);
  const io = new CodecSocket(socket);
  const codec = new Http2ClientCodec(io, { onConnectionError() {}, onDrain() {}, onStreamAvailable() {} });
  io.attach(codec);
  return {
    call(method, metadata, handler) {
      const call = new GrpcClientCall({ path: method, authority: 'sds', scheme: 'http', metadata }, handler);
      // Who is closed is asked again all the same: a client that lost its stream tries until it is told to stop.
      if (codec.canOpen) call.start((stream) => codec.newStream(stream));
      else queueMicrotask(() => handler.onEnd({ code: 14, message: 'closed' }, undefined));
      return call;
    },
    close: () => socket.destroy(),
  };
}

const NODE = Buffer.from([0x0a, 0x01, 0x78]);

for (const delta of [false, true]) {
  test(`secrets over a socket (${delta ? 'delta' : 'state of the world'})`, async (t) => {
    const { holder, secrets, log, lines } = setUp();
    const file = path.join(scratch(t), 'uds', 'socket');
    const listener = await GrpcListener.open(file, secretDiscoveryMethods(secrets, log));
    t.after(() => listener.close());
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700);
    const transport = transportTo(file);
    t.after(() => transport.close());
    const client: ConfigSource & { close(): void } = new SingleTypeClient({
      transport,
      clock: systemClock,
      node: NODE,
      delta,
    });
    t.after(() => client.close());
    const sink = new Recorder();
    const subscription = client.subscribe(Resource.Secret, ['default'], sink, { initialFetchTimeoutMs: 0 });
    await until('it is asked for', () => secrets.isFollowed('default') || undefined);
    holder.update({ certificate: certificate(1), roots: 'roots' });
    await until('it comes', () => sink.got.length === 1 || undefined);
    subscription.setNames(['default', 'ROOTCA']);
    await until('the roots come', () => sink.got.includes('ROOTCA=roots') || undefined);
    holder.update({ certificate: certificate(2) });
    await until('it is renewed', () => sink.got.includes('default=chain 2') || undefined);
    sink.hold = true;
    holder.update({ certificate: certificate(3) });
    await until('it comes again', () => sink.held.length === 1 || undefined);
    sink.held[0]([{ name: 'default', reason: 'no' }]);
    await until('the refusal is told', () => lines.length === 1 || undefined);
    assert.match(lines[0], /the proxy refused the secrets default: .*no/);
    assert.deepEqual(
      sink.got.filter((item) => item.startsWith('default')),
      ['default=chain 1', 'default=chain 2', 'default=chain 3'],
    );
    assert.equal(new Set(sink.versions).size, 4, 'versions tell contents apart');
    subscription.close();
    if (delta) await until('nobody asks', () => !secrets.isFollowed('default') || undefined);
    transport.close();
    await until('nobody is there', () => !secrets.isFollowed('ROOTCA') || undefined);
  });
}

test('secrets by the names of files, over a socket; what an agent does not have never comes', async (t) => {
  const dir = scratch(t);
  const pki = await TestPki.make(path.join(dir, 'pki'));
  const [first, second] = [await pki.issue({ dnsNames: ['a'] }), await pki.issue({ dnsNames: ['a'] })];
  const [cert, key, ca] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => path.join(dir, name)) as [
    string,
    string,
    string,
  ];
  const put = (file: string, text: string) => {
    fs.writeFileSync(`${file}.new`, text);
    fs.renameSync(`${file}.new`, file);
  };
  put(cert, first.cert);
  put(key, first.key);
  put(ca, pki.roots);
  const clock = new ManualClock(Date.now());
  const { secrets, log, lines } = setUp({ clock });
  const file = path.join(dir, 'socket');
  const listener = await GrpcListener.open(file, secretDiscoveryMethods(secrets, log));
  t.after(() => listener.close());
  const transport = transportTo(file);
  t.after(() => transport.close());
  const client = new SingleTypeClient({ transport, clock: systemClock, node: NODE, delta: false });
  t.after(() => client.close());
  const pair = `file-cert:${cert}~${key}`;
  const roots = `file-root:${ca}`;
  const none = ['kubernetes://web', 'kubernetes-gateway://a/web', `file-cert:${cert}`, 'file-root:', 'nonsense'];
  const sink = new Recorder();
  client.subscribe(Resource.Secret, [pair, roots, ...none], sink, { initialFetchTimeoutMs: 0 });
  const shown = (name: string, pem: string) => `${name}=${pem.trim().split('\n').join('|')}`;
  await until('both come', () => sink.got.length === 2 || undefined);
  assert.deepEqual(sink.take().sort(), [shown(pair, first.cert), shown(roots, pki.roots)]);
  // One of the two alone is no pair: nothing comes until the other is there.
  put(key, second.key);
  await until('half of it is told of', () => {
    clock.advance(2000);
    return lines.some((line) => line.includes('does not belong') || line.includes(pair)) || undefined;
  });
  assert.deepEqual(sink.take(), []);
  put(cert, second.cert);
  await until('the new pair comes', () => {
    clock.advance(2000);
    return sink.got.length > 0 || undefined;
  });
  assert.deepEqual(sink.take(), [shown(pair, second.cert)]);
  for (const name of none)
    assert.ok(
      lines.some((line) => line.includes(name)),
      name,
    );
});

test('a socket that another process left is replaced, one that it serves is not', async (t) => {
  const dir = scratch(t);
  const file = path.join(dir, 'socket');
  fs.writeFileSync(file, '');
  const listener = await GrpcListener.open(file, new Map());
  await assert.rejects(GrpcListener.open(file, new Map()), /UserError: .*socket cannot be served: another process/);
  listener.close();
  const long = path.join(dir, 'x'.repeat(120), 'socket');
  await assert.rejects(GrpcListener.open(long, new Map()), /too long for a socket \(103 bytes\): .*--dir/);
});
