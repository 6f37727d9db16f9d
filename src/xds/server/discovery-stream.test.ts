import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { GrpcStatus } from '../../wire/grpc/transport.ts';
import {
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDiscoveryRequest,
} from '../session/codec.ts';
import type { ServedResource } from '../session/messages.ts';
import { Resource } from '../session/resource-types.ts';
import { DiscoveryStream, type Questions } from './discovery-stream.ts';
import type { ResourceView } from './resource-view.ts';
import { delta, sotw } from './variant.ts';

const TYPES = {
  CDS: Resource.Cluster,
  EDS: Resource.Endpoint,
  LDS: Resource.Listener,
  RDS: Resource.Route,
  SDS: Resource.Secret,
  NDS: 'type.googleapis.com/istio.networking.nds.v1.NameTable',
} as const;
type Short = keyof typeof TYPES;
const shortOf = (typeUrl: string) => Object.entries(TYPES).find(([, url]) => url === typeUrl)?.[0] ?? typeUrl;

/** `{ CDS: 'a@1 b@2' }` is a state with two clusters. */
function view(number: number, content: Partial<Record<Short, string>>): ResourceView {
  const types = new Map<string, Map<string, ServedResource>>();
  for (const [short, items] of Object.entries(content)) {
    const resources = new Map<string, ServedResource>();
    for (const item of items.split(' ').filter(Boolean)) {
      const [name, version] = item.split('@');
      const bytes = Buffer.from([0x0a, name.length, ...Buffer.from(name), 0x10, Number(version)]);
      resources.set(name, { name, version, bytes });
    }
    types.set(TYPES[short as Short], resources);
  }
  const lists = new Map([...types].map(([typeUrl, resources]) => [typeUrl, [...resources.values()]]));
  return {
    number,
    all: (typeUrl) => lists.get(typeUrl) ?? [],
    get: (typeUrl, name) => types.get(typeUrl)?.get(name),
  };
}

/** A client that does what the test tells it, over messages that really are encoded. */
class Client {
  readonly clock = new ManualClock();
  /** What the server sent: `CDS a@1 -b`, in order. */
  sent: string[] = [];
  readonly events: string[] = [];
  ended: GrpcStatus | undefined;
  readonly stream;
  readonly #delta: boolean;
  readonly #nonces = new Map<Short, string>();
  readonly #names = new Map<Short, string[]>();
  #first = true;

  constructor(isDelta: boolean, initial?: ResourceView, questions?: Questions) {
    this.#delta = isDelta;
    const options = {
      clock: this.clock,
      defaultType: '',
      controlPlane: 'test',
      ackTimeoutMs: 5000,
      send: (message: Uint8Array) => this.#record(message),
      end: (status: GrpcStatus) => (this.ended = status),
      questions,
      observer: {
        onNode: () => initial && this.stream.push(initial),
        onSent: () => {},
        onAck: () => {},
        onNack: (nack: { typeUrl: string; snapshot: number; names: readonly string[]; message: string }) =>
          this.events.push(`NACK ${shortOf(nack.typeUrl)} ${nack.snapshot} [${nack.names}] ${nack.message}`),
        onStale: (typeUrl: string) => this.events.push(`stale ${shortOf(typeUrl)}`),
        onPushEnd: () => {},
        onSettled: (snapshot: number) => this.events.push(`settled ${snapshot}`),
      },
    };
    this.stream = isDelta
      ? new DiscoveryStream({ ...options, variant: delta })
      : new DiscoveryStream({ ...options, variant: sotw });
  }

  #record(message: Uint8Array): void {
    const r = this.#delta ? decodeDeltaDiscoveryResponse(message) : decodeDiscoveryResponse(message);
    const short = shortOf(r.typeUrl) as Short;
    const items = r.resources.map((x) => `${x.name}@${x.bytes[x.bytes.length - 1]}`);
    const removed = 'removed' in r ? r.removed.map((name) => `-${name}`) : [];
    this.#nonces.set(short, r.nonce);
    this.sent.push([short, ...items, ...removed].join(' '));
  }

  /** Subscribes; names are added to those it has. `knows` is the version, or the versions, of a client that returns. */
  ask(short: Short, names = '', knows: string | Record<string, string> = ''): this {
    const added = names.split(' ').filter(Boolean);
    this.#names.set(short, [...(this.#names.get(short) ?? []), ...added]);
    this.#send(short, { added, knows });
    return this;
  }

  ack(...shorts: Short[]): this {
    for (const short of shorts) this.#send(short, { nonce: this.#nonces.get(short) });
    return this;
  }

  nack(short: Short, message: string): this {
    this.#send(short, { nonce: this.#nonces.get(short), message });
    return this;
  }

  #send(
    short: Short,
    what: { added?: string[]; nonce?: string; message?: string; knows?: string | Record<string, string> },
  ): void {
    const common = {
      typeUrl: TYPES[short] ?? short,
      node: this.#first ? Buffer.from([0x0a, 0x00]) : undefined,
      errorDetail: what.message === undefined ? undefined : { code: 13, message: what.message },
    };
    this.#first = false;
    const { knows = '' } = what;
    this.stream.receive(
      this.#delta
        ? encodeDeltaDiscoveryRequest({
            ...common,
            subscribe: what.added ?? [],
            unsubscribe: [],
            initialResourceVersions: new Map(typeof knows === 'string' ? [] : Object.entries(knows)),
            responseNonce: what.nonce ?? '',
          })
        : encodeDiscoveryRequest({
            ...common,
            versionInfo: typeof knows === 'string' ? knows : '',
            resourceNames: this.#names.get(short) ?? [],
            responseNonce: this.#nonces.get(short) ?? '',
          }),
    );
  }

  take(): string[] {
    return this.sent.splice(0);
  }
}

const FIRST = { CDS: 'a@1', EDS: 'a@1', LDS: 'l@1', RDS: 'r@1' };

/** A client that has the first state and settled it. */
function settled(isDelta: boolean, content: Partial<Record<Short, string>> = FIRST): Client {
  const client = new Client(isDelta, view(1, content));
  const names = (short: Short) => (content[short] ?? '').replaceAll(/@\d+/g, '');
  client.ask('CDS').ack('CDS').ask('EDS', names('EDS')).ack('EDS').ask('LDS').ack('LDS').ask('RDS', names('RDS'));
  client.ack('RDS');
  assert.deepEqual(
    client.take().map((text) => text.slice(0, 3)),
    ['CDS', 'EDS', 'LDS', 'RDS'],
  );
  return client;
}

for (const isDelta of [false, true]) {
  const kind = isDelta ? 'delta' : 'state of the world';

  test(`a new client is given each type as it asks for it (${kind})`, () => {
    const client = new Client(isDelta, view(1, FIRST));
    client.ask('CDS');
    assert.deepEqual(client.take(), ['CDS a@1']);
    client.ask('EDS', 'a');
    assert.deepEqual(client.take(), [], 'not before the clusters are acknowledged');
    client.ack('CDS');
    assert.deepEqual(client.take(), ['EDS a@1']);
    client.ack('EDS').ask('LDS');
    assert.deepEqual(client.take(), ['LDS l@1']);
    client.ack('LDS').ask('RDS', 'r');
    assert.deepEqual(client.take(), ['RDS r@1']);
    client.ack('RDS');
    assert.deepEqual(client.events, ['settled 1']);
    assert.equal(client.clock.pending, 0);
  });

  test(`a client that only follows listeners and routes waits for nothing else (${kind})`, () => {
    const client = new Client(isDelta, view(1, FIRST));
    client.ask('LDS').ask('RDS', 'r').ack('LDS', 'RDS');
    assert.deepEqual(client.take(), ['LDS l@1', 'RDS r@1']);
    assert.deepEqual(client.events, ['settled 1']);
  });

  test(`make before break: clusters, endpoints, listeners, routes, then what is gone (${kind})`, () => {
    const client = settled(isDelta, { CDS: 'a@1 old@1', EDS: 'a@1 old@1', LDS: 'l@1 lold@1', RDS: 'r@1' });
    const next = view(2, { CDS: 'a@1 new@1', EDS: 'a@1 new@1', LDS: 'l@1 lnew@1', RDS: 'r@2' });
    client.stream.push(next);
    assert.deepEqual(client.take(), [isDelta ? 'CDS new@1' : 'CDS a@1 new@1 old@1']);
    client.ack('CDS');
    assert.deepEqual(client.take(), [], 'the client has yet to ask for the new endpoints');
    client.ask('EDS', 'new');
    assert.deepEqual(client.take(), ['EDS new@1']);
    client.ack('EDS');
    assert.deepEqual(client.take(), [isDelta ? 'LDS lnew@1 -lold' : 'LDS l@1 lnew@1']);
    client.ack('LDS');
    assert.deepEqual(client.take(), ['RDS r@2']);
    client.ack('RDS');
    assert.deepEqual(client.take(), [isDelta ? 'CDS -old' : 'CDS a@1 new@1']);
    assert.deepEqual(client.events, ['settled 1']);
    client.ack('CDS');
    assert.deepEqual(client.take(), isDelta ? ['EDS -old'] : []);
    if (isDelta) client.ack('EDS');
    assert.deepEqual(client.events, ['settled 1', 'settled 2']);
  });

  test(`only what changed is pushed, and a state without changes is settled at once (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.push(view(2, { ...FIRST, RDS: 'r@2' }));
    assert.deepEqual(client.take(), ['RDS r@2']);
    client.ack('RDS');
    client.stream.push(view(3, { ...FIRST, RDS: 'r@2' }));
    assert.deepEqual(client.take(), []);
    assert.deepEqual(client.events, ['settled 1', 'settled 2', 'settled 3']);
  });

  test(`a newer state that is the same to a client is taken over without a push (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.adopt(view(2, FIRST));
    assert.equal(client.stream.snapshot, 2);
    client.ask('RDS', 'other');
    assert.deepEqual(client.events, ['settled 1', 'settled 2']);
    client.take();
    client.ack('RDS');
    client.stream.push(view(3, { ...FIRST, CDS: 'a@2' }));
    client.stream.adopt(view(4, { ...FIRST, CDS: 'a@2' }));
    client.ack('CDS').ack('EDS');
    assert.deepEqual(client.take(), ['CDS a@2', 'EDS a@1']);
    assert.deepEqual(client.events.slice(2), ['settled 3', 'settled 4']);
  });

  test(`while a push is under way only the newest state is kept (${kind})`, () => {
    const client = settled(isDelta);
    for (const n of [2, 3, 4, 5]) client.stream.push(view(n, { ...FIRST, CDS: `a@${n}`, RDS: `r@${n}` }));
    assert.equal(client.stream.snapshot, 5);
    assert.deepEqual(client.take(), ['CDS a@2']);
    client.ack('CDS');
    assert.deepEqual(client.take(), ['EDS a@1'], 'a changed cluster is warmed with its endpoints');
    client.ack('EDS');
    assert.deepEqual(client.take(), ['RDS r@2'], 'the state that was begun is gone through');
    client.ack('RDS');
    assert.deepEqual(client.take(), ['CDS a@5']);
    client.ack('CDS').ack('EDS').ack('RDS');
    assert.deepEqual(client.take(), ['EDS a@1', 'RDS r@5']);
    assert.deepEqual(client.events, ['settled 1', 'settled 2', 'settled 5']);
  });

  test(`endpoints that depend on no change of cluster go out beside the clusters (${kind})`, () => {
    const content = { CDS: 'a@1 b@1', EDS: 'a@1 b@1', LDS: 'l@1', RDS: 'r@1' };
    const client = settled(isDelta, content);
    client.stream.push(view(2, { ...content, CDS: 'a@2 b@1', EDS: 'a@2 b@2' }));
    assert.deepEqual(client.take(), [isDelta ? 'CDS a@2' : 'CDS a@2 b@1', 'EDS b@2']);
    client.ack('EDS');
    assert.deepEqual(client.take(), [], 'the endpoints of the changed cluster come after it');
    client.ack('CDS');
    assert.deepEqual(client.take(), ['EDS a@2']);
    client.ack('EDS');
    assert.deepEqual(client.events, ['settled 1', 'settled 2']);
  });

  test(`an answer that does not come is waited for once, and nothing more of its type is sent (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.push(view(2, { ...FIRST, CDS: 'a@2', RDS: 'r@2' }));
    assert.deepEqual(client.take(), ['CDS a@2']);
    client.clock.advance(4999);
    assert.deepEqual(client.take(), []);
    client.clock.advance(1);
    assert.deepEqual(client.take(), ['EDS a@1']);
    client.ack('EDS');
    assert.deepEqual(client.take(), ['RDS r@2']);
    client.ack('RDS');
    client.stream.push(view(3, { ...FIRST, CDS: 'a@3', RDS: 'r@3' }));
    assert.deepEqual(client.take(), ['RDS r@3'], 'a second time nothing waits for it');
    client.ack('RDS');
    assert.deepEqual(client.events, ['settled 1']);
    assert.ok(client.stream.status().find((s) => s.typeUrl === Resource.Cluster)?.inFlight);
    client.ack('CDS');
    assert.deepEqual(client.take(), ['CDS a@3']);
    client.ack('CDS');
    assert.deepEqual(client.take(), ['EDS a@1'], 'what it missed is made up for in order');
    client.ack('EDS');
    assert.deepEqual(client.events, ['settled 1', 'settled 3']);
  });

  test(`what is gone stays while a refused route may use it (${kind})`, () => {
    const client = settled(isDelta, { ...FIRST, CDS: 'a@1 old@1' });
    client.stream.push(view(2, { ...FIRST, CDS: 'a@1', RDS: 'r@2' }));
    assert.deepEqual(client.take(), ['RDS r@2']);
    client.nack('RDS', 'bad route');
    assert.deepEqual(client.take(), []);
    assert.deepEqual(client.events, ['settled 1', 'NACK RDS 2 [r] bad route', 'settled 2']);
    client.stream.push(view(3, { ...FIRST, CDS: 'a@1', RDS: 'r@3' }));
    assert.deepEqual(client.take(), ['RDS r@3']);
    client.ack('RDS');
    assert.deepEqual(client.take(), [isDelta ? 'CDS -old' : 'CDS a@1']);
  });

  test(`removals that were withheld are made up for without a new state (${kind})`, () => {
    const client = settled(isDelta, { ...FIRST, CDS: 'a@1 old@1' });
    client.stream.push(view(2, { ...FIRST, CDS: 'a@1', RDS: 'r@2' }));
    client.clock.advance(5000);
    assert.deepEqual(client.take(), ['RDS r@2']);
    client.ack('RDS');
    assert.deepEqual(client.take(), [isDelta ? 'CDS -old' : 'CDS a@1']);
    client.ack('CDS');
    assert.deepEqual(client.events, ['settled 1', 'settled 2']);
  });

  test(`a client that does not follow endpoints is waited for once (${kind})`, () => {
    const content = (n: number) => ({ CDS: `a@1 n${n}@1`, EDS: `a@1 n${n}@1`, RDS: `r@${n}` });
    const client = new Client(isDelta, view(1, content(1)));
    client.ask('CDS').ack('CDS').ask('RDS', 'r');
    assert.deepEqual(client.take(), ['CDS a@1 n1@1']);
    client.clock.advance(100);
    assert.deepEqual(client.take(), ['RDS r@1']);
    client.ack('RDS');
    client.stream.push(view(2, content(2)));
    client.take();
    client.ack('CDS');
    assert.deepEqual(client.take(), ['RDS r@2']);
    assert.equal(client.events[0], 'settled 1');
  });

  test(`a name that is new to a type is answered from the state that brought it (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.push(view(2, { CDS: 'a@1', EDS: 'a@1', LDS: 'l@2', RDS: 'r@2 rnew@1' }));
    assert.deepEqual(client.take(), ['LDS l@2']);
    client.ask('RDS', 'rnew');
    assert.deepEqual(client.take(), ['RDS rnew@1'], 'and what it had keeps until its turn');
    client.ack('RDS', 'LDS');
    assert.deepEqual(client.take(), ['RDS r@2']);
  });

  test(`secrets go with the clusters, and other types after the routes (${kind})`, () => {
    const client = settled(isDelta);
    client.ask('SDS', 's').ask('NDS').ack('NDS', 'SDS');
    client.take();
    client.stream.push(view(2, { ...FIRST, CDS: 'a@2', SDS: 's@1', RDS: 'r@2', NDS: '@1' }));
    assert.deepEqual(client.take().sort(), ['CDS a@2', 'SDS s@1']);
    client.ack('CDS', 'SDS', 'EDS');
    assert.deepEqual(client.take(), ['EDS a@1', 'RDS r@2']);
    client.ack('RDS');
    assert.deepEqual(client.take(), ['NDS @1']);
  });

  test(`everything once more on demand (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.renew();
    assert.deepEqual(client.take(), ['CDS a@1', 'EDS a@1', 'LDS l@1', 'RDS r@1']);
  });

  test(`after close nothing is sent (${kind})`, () => {
    const client = settled(isDelta);
    client.stream.push(view(2, { ...FIRST, CDS: 'a@2' }));
    client.stream.close();
    client.take();
    client.ack('CDS');
    client.stream.push(view(3, { ...FIRST, CDS: 'a@3' }));
    client.clock.advance(10_000);
    assert.deepEqual(client.take(), []);
    assert.equal(client.clock.pending, 0);
  });
}

test('a client that returns is sent what it does not have, in order', () => {
  const before = settled(false);
  const version = before.stream.status().find((s) => s.typeUrl === Resource.Cluster)?.ackedVersion ?? '';
  const again = new Client(false, view(7, { ...FIRST, LDS: 'l@2' }));
  again.ask('CDS', '', version).ask('EDS', 'a').ask('LDS').ask('RDS', 'r');
  assert.deepEqual(again.take(), ['EDS a@1', 'LDS l@2', 'RDS r@1'], 'its clusters are the same');

  const changed = new Client(false, view(7, { ...FIRST, CDS: 'a@2' }));
  changed.ask('CDS', '', version).ask('EDS', 'a').ask('LDS').ask('RDS', 'r');
  assert.deepEqual(changed.take(), ['CDS a@2'], 'everything else waits for the clusters');
  changed.ack('CDS').ack('EDS').ack('LDS').ack('RDS');
  assert.deepEqual(changed.take(), ['EDS a@1', 'LDS l@1', 'RDS r@1']);
  assert.deepEqual(changed.events, ['settled 7']);

  const incremental = new Client(true, view(7, { ...FIRST, LDS: 'l@2' }));
  incremental.ask('CDS', '', { a: '1' }).ask('EDS', 'a', { a: '1' }).ask('LDS', '', { l: '1', gone: '1' });
  incremental.ask('RDS', 'r', { r: '1' });
  assert.deepEqual(incremental.take(), ['LDS l@2 -gone']);
  incremental.ack('LDS');
  assert.deepEqual(incremental.events, ['settled 7']);
});

test('requests before the first state wait for it', () => {
  const client = new Client(true);
  client.ask('CDS').ask('LDS');
  assert.deepEqual(client.take(), []);
  client.stream.push(view(3, FIRST));
  assert.deepEqual(client.take(), ['CDS a@1']);
});

test('stale answers are told', () => {
  const client = settled(true);
  client.ack('CDS');
  assert.deepEqual(client.events, ['settled 1', 'stale CDS']);
});

test('status of a type', () => {
  const client = settled(true);
  client.stream.push(view(2, { ...FIRST, RDS: 'r@2' }));
  const route = () => client.stream.status().find((s) => s.typeUrl === Resource.Route);
  assert.deepEqual(
    [route()?.sentSnapshot, route()?.ackedSnapshot, route()?.wildcard, [...(route()?.names ?? [])]],
    [2, 1, false, ['r']],
  );
  assert.match(route()?.sentNonce ?? '', /^2\./);
  assert.match(route()?.ackedNonce ?? '', /^1\./);
  assert.equal(route()?.sentAt, client.clock.now());
  client.nack('RDS', 'no');
  assert.equal(route()?.nack?.message, 'no');
  assert.equal(route()?.inFlight, undefined);
});

test('questions are answered on the spot, whatever state there is', () => {
  const questions: Questions = {
    handles: (typeUrl) => typeUrl.startsWith('istio.io/debug'),
    answer: (typeUrl, names) =>
      typeUrl.endsWith('/report')
        ? undefined
        : names.length === 1
          ? [{ name: names[0], version: '', bytes: Buffer.from('{}'), payloadType: typeUrl }]
          : { code: 3, message: 'one name' },
  };
  const client = new Client(false, undefined, questions);
  client.ask('istio.io/debug' as Short, 'syncz');
  assert.equal(client.sent.length, 1);
  client.ack('istio.io/debug' as Short);
  assert.equal(client.sent.length, 1);
  client.ask('istio.io/debug/report' as Short, 'x');
  assert.equal(client.sent.length, 1, 'a report wants no answer');
  const other = new Client(true, undefined, questions);
  other.ask('istio.io/debug' as Short);
  assert.deepEqual(other.ended, { code: 3, message: 'one name' });
});

test('what no client would send ends the stream', () => {
  const cases: [(client: Client) => void, RegExp][] = [
    [(c) => c.stream.receive(Buffer.from([0x12, 0xff])), /not a discovery request/],
    [
      (c) =>
        c.stream.receive(
          encodeDiscoveryRequest({ typeUrl: '', versionInfo: '', resourceNames: [], responseNonce: '' }),
        ),
      /type URL is missing/,
    ],
    [
      (c) =>
        c.stream.receive(
          encodeDiscoveryRequest({ typeUrl: 'x', versionInfo: '', resourceNames: [], responseNonce: '' }),
        ),
      /must carry the node/,
    ],
    [
      (c) => {
        for (let i = 0; i < 65; i++) c.ask(`type${i}` as Short);
      },
      /more than 64 resource types/,
    ],
  ];
  for (const [act, message] of cases) {
    const client = new Client(false, view(1, {}));
    act(client);
    assert.match(client.ended?.message ?? '', message);
    client.sent = [];
    client.ask('CDS');
    assert.deepEqual(client.sent, [], 'nothing after the end');
  }
  const many = new Client(true, view(1, {}));
  many.ask('EDS', Array.from({ length: 200_001 }, (_, i) => `n${i}`).join(' '));
  assert.match(many.ended?.message ?? '', /more than 200000 names/);
});
