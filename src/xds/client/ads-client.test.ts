import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { GrpcCall, GrpcCallHandler, GrpcTransport } from '../../wire/grpc/transport.ts';
import {
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from '../session/codec.ts';
import { Resource } from '../session/resource-types.ts';
import { AdsClient } from './ads-client.ts';
import type { RawResource, Rejection, SubscriptionSink } from './config-source.ts';
import { SingleTypeClient } from './single-type-client.ts';

const NODE = Buffer.from([0x0a, 0x01, 0x78]);
const SHORT: Record<string, string> = {
  [Resource.Cluster]: 'CDS',
  [Resource.Endpoint]: 'EDS',
  [Resource.Listener]: 'LDS',
  [Resource.Route]: 'RDS',
  [Resource.Secret]: 'SDS',
};

/** A transport whose other end is the test. Lists what was asked: `CDS v=1 n=A [a,b]`, with `node` where it was sent. */
class Peer implements GrpcTransport {
  calls: { path: string; metadata: readonly (readonly [string, string])[]; handler: GrpcCallHandler; open: boolean }[] =
    [];
  asked: string[] = [];
  refuse = false;

  call(path: string, metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall {
    const call = { path, metadata, handler, open: true };
    this.calls.push(call);
    if (this.refuse) {
      call.open = false;
      handler.onEnd({ code: 14, message: 'refused' }, undefined);
    }
    return {
      send: (bytes) => {
        assert.ok(call.open, 'a message on a call that is over');
        this.asked.push(path.includes('Delta') ? this.#delta(bytes) : this.#sotw(bytes));
      },
      end() {},
      cancel: () => (call.open = false),
      bufferedBytes: 0,
    };
  }

  #sotw(bytes: Uint8Array): string {
    const r = decodeDiscoveryRequest(bytes);
    const error = r.errorDetail ? ` error=${r.errorDetail.message}` : '';
    return `${SHORT[r.typeUrl]} v=${r.versionInfo} n=${r.responseNonce} [${r.resourceNames}]${r.node ? ' node' : ''}${error}`;
  }

  #delta(bytes: Uint8Array): string {
    const r = decodeDeltaDiscoveryRequest(bytes);
    const names = [...r.subscribe.map((n) => `+${n}`), ...r.unsubscribe.map((n) => `-${n}`)];
    const error = r.errorDetail ? ` error=${r.errorDetail.message}` : '';
    const known = [...r.initialResourceVersions].map(([n, v]) => ` ${n}@${v}`).join('');
    return `${SHORT[r.typeUrl]} n=${r.responseNonce} [${names}]${known}${r.node ? ' node' : ''}${error}`;
  }

  get last() {
    return this.calls[this.calls.length - 1];
  }

  /** Sends `name@version` resources and `-name` removals. */
  send(typeUrl: string, nonce: string, ...items: string[]): void {
    const resources = items
      .filter((item) => !item.startsWith('-'))
      .map((item) => {
        const [name, version] = item.split('@');
        const bytes = Buffer.from([0x0a, name.length, ...Buffer.from(name), 0x10, Number(version)]);
        return { name, version, bytes };
      });
    const removed = items.filter((item) => item.startsWith('-')).map((item) => item.slice(1));
    const response = { typeUrl, version: nonce, nonce, resources, removed };
    const encode = this.last.path.includes('Delta') ? encodeDeltaDiscoveryResponse : encodeDiscoveryResponse;
    this.last.handler.onMessage(encode(response, `server of ${nonce}`));
  }

  fail(message = 'gone'): void {
    this.last.open = false;
    this.last.handler.onEnd({ code: 14, message }, undefined);
  }

  /** What was asked since the last look, once all that is going on has happened. */
  async seen(): Promise<string[]> {
    await new Promise(setImmediate);
    return this.asked.splice(0);
  }
}

/** A sink that writes down what it gets, and settles at once unless told to hold. */
class Recorder implements SubscriptionSink {
  got: string[] = [];
  held: ((rejections: readonly Rejection[]) => void)[] = [];
  hold = false;
  rejects: Rejection[] = [];
  meanwhile: () => void = () => {};

  onUpdate(resources: readonly RawResource[], removed: readonly string[], settle: (r: readonly Rejection[]) => void) {
    const items = resources.map((r) => `${r.name}@${r.bytes[r.bytes.length - 1]}`);
    this.got.push([...items, ...removed.map((n) => `-${n}`)].join(' ') || 'nothing');
    this.meanwhile();
    if (this.hold) this.held.push(settle);
    else settle(this.rejects);
  }

  onMissing(names: readonly string[]): void {
    this.got.push(`missing [${names}]`);
  }

  take(): string[] {
    return this.got.splice(0);
  }
}

let peer: Peer;
let clock: ManualClock;

beforeEach(() => {
  peer = new Peer();
  clock = new ManualClock();
});

const ads = (delta: boolean, more: Partial<ConstructorParameters<typeof AdsClient>[0]> = {}) =>
  new AdsClient({ transport: peer, clock, node: NODE, delta, random: () => 0.5, ...more });

test('a bootstrap: everything in order, the node once, ACKs with versions', async () => {
  const client = ads(false);
  const [cds, lds] = [new Recorder(), new Recorder()];
  client.subscribe(Resource.Cluster, undefined, cds);
  client.subscribe(Resource.Listener, undefined, lds);
  assert.deepEqual(await peer.seen(), ['CDS v= n= [] node', 'LDS v= n= []']);
  assert.equal(peer.last.path, '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources');
  peer.send(Resource.Cluster, 'A', 'a@1', 'b@1');
  assert.deepEqual(cds.take(), ['a@1 b@1']);
  assert.deepEqual(await peer.seen(), ['CDS v=A n=A []']);
  peer.send(Resource.Listener, 'B');
  assert.deepEqual(lds.take(), ['nothing']);
  peer.send(Resource.Cluster, 'C', 'b@2');
  assert.deepEqual(cds.take(), ['b@2 -a']);
  assert.deepEqual(await peer.seen(), ['LDS v=B n=B []', 'CDS v=C n=C []']);
});

test('the node on every message, and metadata anew for every stream', async () => {
  let token = 0;
  const client = ads(true, { nodeOnFirstMessageOnly: false, metadata: () => [['authorization', `Bearer ${++token}`]] });
  client.subscribe(Resource.Cluster, undefined, new Recorder());
  client.subscribe(Resource.Listener, undefined, new Recorder());
  assert.deepEqual(await peer.seen(), ['CDS n= [] node', 'LDS n= [] node']);
  peer.fail();
  clock.advance(500);
  assert.deepEqual(
    peer.calls.map((c) => c.metadata),
    [[['authorization', 'Bearer 1']], [['authorization', 'Bearer 2']]],
  );
});

for (const delta of [false, true]) {
  const kind = delta ? 'delta' : 'state of the world';

  test(`endpoints of clusters are asked for in one request, after the clusters are acknowledged (${kind})`, async () => {
    const client = ads(delta);
    const cds = new Recorder();
    const eds = new Recorder();
    cds.hold = true;
    cds.meanwhile = () => {
      for (const name of ['a', 'b', 'c']) client.subscribe(Resource.Endpoint, [name], eds);
    };
    client.subscribe(Resource.Cluster, undefined, cds);
    await peer.seen();
    peer.send(Resource.Cluster, 'A', 'a@1', 'b@1', 'c@1');
    assert.deepEqual(await peer.seen(), [], 'nothing while the clusters are applied');
    cds.held[0]([]);
    assert.deepEqual(
      await peer.seen(),
      delta ? ['CDS n=A []', 'EDS n= [+a,+b,+c]'] : ['CDS v=A n=A []', 'EDS v= n= [a,b,c]'],
    );
    peer.send(Resource.Endpoint, 'B', 'a@1', 'b@1', 'c@1');
    assert.deepEqual(eds.take(), ['a@1', 'b@1', 'c@1']);
  });

  test(`an update waits until the one before is settled (${kind})`, async () => {
    const client = ads(delta);
    const cds = new Recorder();
    cds.hold = true;
    client.subscribe(Resource.Cluster, undefined, cds);
    await peer.seen();
    peer.send(Resource.Cluster, 'A', 'a@1');
    peer.send(Resource.Cluster, 'B', 'a@2');
    peer.send(Resource.Cluster, 'C', 'a@3');
    assert.deepEqual(cds.take(), ['a@1']);
    cds.held[0]([{ name: 'a', reason: 'bad' }]);
    cds.held[0]([]);
    assert.deepEqual(cds.take(), ['a@2']);
    cds.held[1]([]);
    assert.deepEqual(cds.take(), ['a@3']);
    cds.held[2]([]);
    const error = ' error=Error adding/updating cluster(s) a: bad';
    assert.deepEqual(
      await peer.seen(),
      delta
        ? [`CDS n=A []${error}`, 'CDS n=B []', 'CDS n=C []']
        : [`CDS v= n=A []${error}`, 'CDS v=B n=B []', 'CDS v=C n=C []'],
    );
  });

  test(`a lost stream comes back after growing delays, with what is known (${kind})`, async () => {
    const states: boolean[] = [];
    const client = ads(delta, {
      stats: { connected: (c) => states.push(c), identifier() {}, pendingRequests() {} },
    });
    const eds = new Recorder();
    client.subscribe(Resource.Endpoint, ['a', 'b'], eds);
    await peer.seen();
    peer.send(Resource.Endpoint, 'A', 'a@1', 'b@1');
    await peer.seen();
    peer.refuse = true;
    peer.fail();
    const delays: number[] = [];
    for (let i = 0; i < 9; i++) {
      delays.push(clock.next! - clock.now());
      clock.advance(clock.next! - clock.now());
    }
    assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
    peer.refuse = false;
    clock.advance(15000);
    assert.deepEqual(await peer.seen(), delta ? ['EDS n= [+a,+b] a@1 b@1 node'] : ['EDS v=A n= [a,b] node']);
    peer.send(Resource.Endpoint, 'B', 'a@1', 'b@2');
    assert.deepEqual(eds.take(), ['a@1 b@1', delta ? 'a@1 b@2' : 'b@2']);
    peer.fail();
    assert.equal(clock.next! - clock.now(), 250, 'a message makes the next delay a first one');
    const changes = states.filter((state, i) => state !== states[i - 1]);
    assert.deepEqual(changes, [true, false, true, false]);
  });

  test(`later subscribers get what is there, and names are asked for once (${kind})`, async () => {
    const client = ads(delta);
    const [one, two, all] = [new Recorder(), new Recorder(), new Recorder()];
    client.subscribe(Resource.Cluster, undefined, one);
    await peer.seen();
    peer.send(Resource.Cluster, 'A');
    client.subscribe(Resource.Cluster, undefined, all);
    await peer.seen();
    assert.deepEqual([one.take(), all.take()], [['nothing'], ['nothing']]);

    client.subscribe(Resource.Endpoint, ['a'], one);
    await peer.seen();
    peer.send(Resource.Endpoint, 'B', 'a@1');
    await peer.seen();
    const subscription = client.subscribe(Resource.Endpoint, ['a', 'b'], two);
    assert.deepEqual(await peer.seen(), [delta ? 'EDS n= [+b]' : 'EDS v=B n=B [a,b]']);
    assert.deepEqual(two.take(), ['a@1']);
    peer.send(Resource.Endpoint, 'C', 'a@2', 'b@1');
    await peer.seen();
    assert.deepEqual([one.take(), two.take()], [['a@1', 'a@2'], ['a@2 b@1']]);
    subscription.setNames(['b', 'c']);
    assert.deepEqual(await peer.seen(), [delta ? 'EDS n= [+c]' : 'EDS v=C n=C [a,b,c]'], 'a is still followed');
    subscription.close();
    subscription.close();
    subscription.setNames(['z']);
    assert.deepEqual(await peer.seen(), [delta ? 'EDS n= [-b,-c]' : 'EDS v=C n=C [a]']);
    peer.send(Resource.Endpoint, 'D', 'a@3', 'b@2');
    assert.deepEqual([one.take(), two.take()], [['a@3'], []]);
  });

  test(`one subscriber's rejection makes a NACK of all (${kind})`, async () => {
    const counts: string[] = [];
    const stats = (name: string) => ({
      attempt: () => counts.push(`${name} attempt`),
      success: (version: string, time: number) => counts.push(`${name} success ${version} ${time === clock.now()}`),
      rejected: () => counts.push(`${name} rejected`),
      failure: () => counts.push(`${name} failure`),
      initFetchTimeout: () => counts.push(`${name} timeout`),
    });
    const client = ads(delta);
    const [one, two] = [new Recorder(), new Recorder()];
    two.rejects = [{ name: 'b', reason: 'bad' }];
    client.subscribe(Resource.Route, ['a'], one, { stats: stats('one') });
    client.subscribe(Resource.Route, ['b'], two, { stats: stats('two') });
    await peer.seen();
    peer.send(Resource.Route, 'A', 'a@1', 'b@1');
    assert.deepEqual(await peer.seen(), [delta ? 'RDS n=A [] error=b: bad' : 'RDS v= n=A [a,b] error=b: bad']);
    peer.fail();
    assert.deepEqual(counts, [
      'one attempt',
      'two attempt',
      'one attempt',
      'one success A true',
      'two attempt',
      'two rejected',
      'one failure',
      'one attempt',
      'two failure',
      'two attempt',
    ]);
  });

  test(`names that stay away are missing after the timeout, and may still come (${kind})`, async () => {
    const client = ads(delta);
    const [rds, lds, never] = [new Recorder(), new Recorder(), new Recorder()];
    client.subscribe(Resource.Route, ['a', 'b'], rds);
    client.subscribe(Resource.Listener, undefined, lds, { initialFetchTimeoutMs: 1000 });
    client.subscribe(Resource.Route, ['x'], never, { initialFetchTimeoutMs: 0 });
    await peer.seen();
    clock.advance(1000);
    assert.deepEqual(lds.take(), ['missing []']);
    peer.send(Resource.Route, 'A', 'a@1');
    clock.advance(14_000);
    assert.deepEqual(rds.take(), ['a@1', 'missing [b]']);
    peer.send(Resource.Route, 'B', 'b@1', 'x@1');
    peer.send(Resource.Listener, 'C', 'l@1');
    clock.advance(60_000);
    assert.deepEqual([rds.take(), lds.take(), never.take()], [['b@1'], ['l@1'], ['x@1']]);
  });

  test(`an update whose stream dies while it is applied is not answered, and kept (${kind})`, async () => {
    const client = ads(delta);
    const cds = new Recorder();
    cds.hold = true;
    client.subscribe(Resource.Cluster, undefined, cds);
    await peer.seen();
    peer.send(Resource.Cluster, 'A', 'a@1');
    peer.send(Resource.Cluster, 'B', 'a@2');
    peer.fail();
    clock.advance(250);
    assert.deepEqual(await peer.seen(), [delta ? 'CDS n= [] node' : 'CDS v= n= [] node']);
    cds.held[0]([]);
    assert.deepEqual(await peer.seen(), []);
    assert.deepEqual(cds.take(), ['a@1'], 'what waited died with its stream');
    peer.send(Resource.Cluster, 'C', 'a@2');
    cds.held[1]([]);
    assert.deepEqual(await peer.seen(), [delta ? 'CDS n=C []' : 'CDS v=C n=C []']);
  });
}

test('the delta variant tells at once what does not exist', async () => {
  const client = ads(true);
  const rds = new Recorder();
  client.subscribe(Resource.Route, ['a', 'b'], rds);
  await peer.seen();
  peer.send(Resource.Route, 'A', 'a@1', '-b');
  assert.deepEqual(rds.take(), ['missing [b]', 'a@1']);
  peer.send(Resource.Route, 'B', '-a');
  assert.deepEqual(rds.take(), ['-a']);
  assert.deepEqual(await peer.seen(), ['RDS n=A []', 'RDS n=B []']);
});

test('a sink that throws has rejected', async () => {
  const client = ads(true);
  const eds = new Recorder();
  eds.meanwhile = () => {
    throw new Error('boom');
  };
  client.subscribe(Resource.Endpoint, ['a'], eds);
  await peer.seen();
  peer.send(Resource.Endpoint, 'A', 'a@1');
  assert.deepEqual(await peer.seen(), ['EDS n=A [] error=a: boom']);
});

test('nonsense and floods end the stream, which begins again', async () => {
  const client = ads(true);
  const cds = new Recorder();
  client.subscribe(Resource.Cluster, undefined, cds);
  await peer.seen();
  peer.last.handler.onMessage(Buffer.from([0x12, 0xff]));
  assert.equal(peer.last.open, false);
  peer.last.handler.onMessage(Buffer.from([]));
  clock.advance(250);
  assert.equal(peer.calls.length, 2);
  cds.hold = true;
  for (let i = 0; i < 65; i++) peer.send(Resource.Cluster, `n${i}`, 'a@1');
  assert.equal(peer.last.open, true);
  peer.send(Resource.Cluster, 'more', 'a@1');
  assert.equal(peer.last.open, false);
  clock.advance(250);
  assert.equal(peer.calls.length, 3);
});

test('messages of types that nobody follows are ignored', async () => {
  const client = ads(true);
  client.subscribe(Resource.Cluster, undefined, new Recorder());
  await peer.seen();
  peer.send(Resource.Route, 'A', 'a@1');
  assert.deepEqual(await peer.seen(), []);
  assert.equal(peer.last.open, true);
});

test('after close nothing happens any more', async () => {
  const client = ads(true);
  const cds = new Recorder();
  cds.hold = true;
  client.subscribe(Resource.Cluster, undefined, cds);
  await peer.seen();
  peer.send(Resource.Cluster, 'A', 'a@1');
  client.close();
  assert.equal(peer.last.open, false);
  cds.held[0]([]);
  assert.deepEqual(await peer.seen(), []);
  assert.equal(clock.pending, 0);
});

test('secrets over a stream of their own', async () => {
  for (const delta of [false, true]) {
    const client = new SingleTypeClient({ transport: peer, clock, node: NODE, delta });
    const sink = new Recorder();
    client.subscribe(Resource.Secret, ['default', 'ROOTCA'], sink);
    assert.deepEqual(await peer.seen(), [delta ? 'SDS n= [+default,+ROOTCA] node' : 'SDS v= n= [default,ROOTCA] node']);
    const method = delta ? 'DeltaSecrets' : 'StreamSecrets';
    assert.equal(peer.last.path, `/envoy.service.secret.v3.SecretDiscoveryService/${method}`);
    peer.send(Resource.Secret, 'A', 'default@1');
    assert.deepEqual(sink.take(), ['default@1']);
    await peer.seen();
    assert.throws(() => client.subscribe('type.googleapis.com/istio.Nothing', undefined, sink), TypeError);
    client.close();
  }
});

test('every type has a service of its own', async () => {
  for (const [typeUrl, path] of [
    [Resource.Listener, 'listener.v3.ListenerDiscoveryService/StreamListeners'],
    [Resource.Route, 'route.v3.RouteDiscoveryService/StreamRoutes'],
    [Resource.Cluster, 'cluster.v3.ClusterDiscoveryService/StreamClusters'],
    [Resource.Endpoint, 'endpoint.v3.EndpointDiscoveryService/StreamEndpoints'],
    [Resource.ExtensionConfig, 'extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs'],
    [Resource.Runtime, 'runtime.v3.RuntimeDiscoveryService/StreamRuntime'],
  ] as const) {
    const client = new SingleTypeClient({ transport: peer, clock, node: NODE, delta: false });
    client.subscribe(typeUrl, ['a'], new Recorder());
    await peer.seen();
    assert.equal(peer.last.path, `/envoy.service.${path}`);
    client.close();
  }
});
