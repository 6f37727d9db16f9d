import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scratch, until } from '../../../test/support/reference.ts';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type {
  ConfigSource,
  RawResource,
  Rejection,
  SubscribeOptions,
  SubscriptionSink,
} from '../../xds/client/config-source.ts';
import { Resource } from '../../xds/session/resource-types.ts';
import { RecordingSource } from './recording-source.ts';
import { ConfigurationStore, type Resources } from './store.ts';

const { Cluster: CDS, Endpoint: EDS, Listener: LDS } = Resource;
const OWNER = { node: 'sidecar~1', discovery: 'istiod:15012' };

const resource = (typeUrl: string, item: string): RawResource => {
  const [name, version] = item.split('@');
  return { name, version, typeUrl, bytes: Buffer.from(item) };
};

const kept = (byType: Record<string, string[]>): Resources =>
  new Map(
    Object.entries(byType).map(([typeUrl, items]) => {
      const list = items.map((item) => resource(typeUrl, item));
      return [typeUrl, new Map(list.map((r) => [r.name, r]))];
    }),
  );

const shown = (resources: Resources | undefined) =>
  resources &&
  Object.fromEntries(
    [...resources].map(([type, byName]) => [type, [...byName.values()].map((r) => Buffer.from(r.bytes).toString())]),
  );

/** A control plane that does what the test says. */
class Stream implements ConfigSource {
  readonly subscriptions: {
    typeUrl: string;
    names: readonly string[] | undefined;
    sink: SubscriptionSink;
    options: SubscribeOptions;
    open: boolean;
  }[] = [];
  readonly settled: string[] = [];

  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions = {},
  ) {
    const subscription = { typeUrl, names, sink, options, open: true };
    this.subscriptions.push(subscription);
    return {
      setNames: (wanted: readonly string[]) => void (subscription.names = wanted),
      close: () => void (subscription.open = false),
    };
  }

  #of(typeUrl: string) {
    return this.subscriptions.find((s) => s.typeUrl === typeUrl && s.open)!;
  }

  send(typeUrl: string, ...items: string[]): void {
    const resources = items.filter((i) => !i.startsWith('-')).map((item) => resource(typeUrl, item));
    const removed = items.filter((i) => i.startsWith('-')).map((item) => item.slice(1));
    this.#of(typeUrl).sink.onUpdate(resources, removed, (rejections) =>
      this.settled.push(rejections.map((r) => `${r.name}: ${r.reason}`).join() || 'ack'),
    );
  }

  missing(typeUrl: string, ...names: string[]): void {
    this.#of(typeUrl).sink.onMissing(names);
  }

  fail(): void {
    for (const { options } of this.subscriptions) options.stats?.failure();
  }
}

class Recorder implements SubscriptionSink {
  readonly got: string[] = [];
  readonly held: ((r: readonly Rejection[]) => void)[] = [];
  hold = false;
  rejects: Rejection[] = [];

  onUpdate(resources: readonly RawResource[], removed: readonly string[], settle: (r: readonly Rejection[]) => void) {
    this.got.push([...resources.map((r) => `${r.name}@${r.version}`), ...removed.map((n) => `-${n}`)].join(' '));
    if (this.hold) this.held.push(settle);
    else settle(this.rejects);
  }

  onMissing(names: readonly string[]): void {
    this.got.push(`missing ${names}`);
  }

  take(): string[] {
    return this.got.splice(0);
  }
}

function setUp(more: { kept?: Resources; store?: ConfigurationStore } = {}) {
  const clock = new ManualClock();
  const stream = new Stream();
  const lines: string[] = [];
  const log = { ...silentLogger, info: (m: string) => lines.push(m), warn: (m: string) => lines.push(m) };
  const source = new RecordingSource({ source: stream, store: more.store, kept: more.kept, log, clock });
  return { clock, stream, lines, source };
}

const settled = () => new Promise(setImmediate);

test('a stream passes through, and what is taken is counted', () => {
  const { stream, source, lines } = setUp();
  const [cds, lds] = [new Recorder(), new Recorder()];
  const subscription = source.subscribe(CDS, undefined, cds, { initialFetchTimeoutMs: 7 });
  source.subscribe(LDS, undefined, lds);
  assert.equal(stream.subscriptions[0].options.initialFetchTimeoutMs, 7);
  stream.send(CDS, 'a@1', 'b@1');
  lds.rejects = [{ name: 'l', reason: 'bad' }];
  stream.send(LDS, 'l@1');
  stream.missing(LDS);
  assert.deepEqual([cds.take(), lds.take()], [['a@1 b@1'], ['l@1', 'missing ']]);
  assert.deepEqual(stream.settled, ['ack', 'l: bad']);
  assert.deepEqual(source.counts, { cdsSuccess: 1, cdsRejected: 0, ldsSuccess: 0, ldsRejected: 1 });
  subscription.close();
  assert.equal(stream.subscriptions[0].open, false);
  assert.deepEqual(lines, []);
});

test('the last good configuration stands in until the control plane is back, which then has the say', async () => {
  const { stream, source, lines } = setUp({
    kept: kept({ [CDS]: ['a@1', 'b@1'], [LDS]: ['l@1'], [EDS]: ['a@1', 'b@1'] }),
  });
  const [cds, lds, eds] = [new Recorder(), new Recorder(), new Recorder()];
  source.subscribe(CDS, undefined, cds);
  source.subscribe(LDS, undefined, lds);
  await settled();
  assert.deepEqual([cds.take(), lds.take()], [[], []], 'it may be there yet');
  stream.fail();
  await settled();
  assert.deepEqual([cds.take(), lds.take()], [['a@1 b@1'], ['l@1']]);
  assert.equal(source.usesKept, true);
  const endpoints = source.subscribe(EDS, ['a'], eds);
  await settled();
  endpoints.setNames(['a', 'b', 'c']);
  await settled();
  stream.missing(EDS, 'a', 'b', 'c');
  assert.deepEqual(eds.take(), ['a@1', 'b@1', 'missing c'], 'no answer says nothing about what stands in');
  assert.deepEqual(source.counts, { cdsSuccess: 1, cdsRejected: 0, ldsSuccess: 1, ldsRejected: 0 });

  stream.send(CDS, 'b@2', 'c@1');
  assert.deepEqual(cds.take(), ['b@2 c@1 -a'], 'what the first answer does not have is gone');
  assert.equal(source.usesKept, false);
  stream.send(EDS, 'b@2');
  stream.missing(EDS, 'a');
  assert.deepEqual(eds.take(), ['b@2', '-a']);
  stream.send(CDS, 'c@2', '-b');
  assert.deepEqual(cds.take(), ['c@2 -b']);
  assert.deepEqual(lines, [
    'the control plane cannot be reached: starting with the last good configuration of an earlier run',
    'the control plane is back, and its configuration is used again',
  ]);
});

test('a control plane that says nothing is waited for, and one that answered is never stood in for', async () => {
  const first = setUp({ kept: kept({ [CDS]: ['a@1'] }) });
  const cds = new Recorder();
  first.source.subscribe(CDS, undefined, cds);
  first.clock.advance(4999);
  await settled();
  assert.deepEqual(cds.take(), []);
  first.clock.advance(1);
  await settled();
  assert.deepEqual(cds.take(), ['a@1']);

  const second = setUp({ kept: kept({ [CDS]: ['a@1'], [EDS]: ['a@1'] }) });
  second.source.subscribe(CDS, undefined, cds);
  second.stream.send(CDS);
  second.stream.fail();
  second.source.subscribe(EDS, ['a'], cds);
  second.clock.advance(10_000);
  await settled();
  assert.deepEqual(cds.take(), ['']);

  const nothing = setUp();
  nothing.source.subscribe(CDS, undefined, cds);
  nothing.stream.fail();
  await settled();
  assert.deepEqual([cds.take(), nothing.source.usesKept], [[], false]);
});

test('an update waits for the one before, and nobody waits for a subscriber that has gone', async () => {
  const { stream, source } = setUp({ kept: kept({ [CDS]: ['a@1'] }) });
  const cds = new Recorder();
  cds.hold = true;
  const subscription = source.subscribe(CDS, undefined, cds);
  stream.fail();
  await settled();
  stream.send(CDS, 'a@2');
  stream.send(CDS, 'a@3');
  assert.deepEqual(cds.take(), ['a@1']);
  cds.held[0]([]);
  assert.deepEqual([cds.take(), stream.settled], [['a@2'], []]);
  subscription.close();
  assert.deepEqual(stream.settled, ['ack']);
  cds.held[1]([]);
  assert.deepEqual(stream.settled, ['ack', 'ack']);
});

test('a subscriber that throws has rejected', () => {
  const { stream, source } = setUp();
  source.subscribe(CDS, undefined, {
    onUpdate() {
      throw new Error('boom');
    },
    onMissing() {},
  });
  stream.send(CDS, 'a@1');
  assert.deepEqual(stream.settled, ['a: boom']);
});

test('what was taken is written, bursts once, without what nobody follows', async (t) => {
  const file = path.join(scratch(t), 'state', 'config.pb');
  const store = new ConfigurationStore(file, OWNER);
  const { stream, source, clock } = setUp({ store });
  const [cds, eds] = [new Recorder(), new Recorder()];
  source.subscribe(CDS, undefined, cds);
  const endpoints = source.subscribe(EDS, ['a', 'b'], eds);
  stream.send(CDS, 'a@1', 'b@1');
  eds.rejects = [{ name: 'b', reason: 'bad' }];
  stream.send(EDS, 'a@1', 'b@1');
  clock.advance(1000);
  const stored = async (expected: object) => {
    await until('it is written', async () => {
      if (!fs.existsSync(file)) return undefined;
      const found = shown(await store.read());
      return JSON.stringify(found) === JSON.stringify(expected) || undefined;
    });
  };
  await stored({ [CDS]: ['a@1', 'b@1'], [EDS]: ['a@1'] });
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  assert.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700);

  eds.rejects = [];
  stream.send(EDS, 'b@2');
  stream.send(CDS, 'b@2', '-a');
  assert.equal(clock.next, clock.now() + 10_000, 'not more often than every ten seconds');
  endpoints.setNames(['b']);
  await source.close();
  await stored({ [CDS]: ['b@2'], [EDS]: ['b@2'] });
  assert.equal(clock.pending, 0);
});

test('what is kept is of use to its owner only, and not if it is damaged', async (t) => {
  const file = path.join(scratch(t), 'config.pb');
  const store = new ConfigurationStore(file, OWNER);
  assert.equal(await store.read(), undefined);
  await store.write(kept({ [CDS]: ['a@1'] }));
  assert.deepEqual(shown(await store.read()), { [CDS]: ['a@1'] });
  for (const other of [
    { ...OWNER, node: 'sidecar~2' },
    { ...OWNER, discovery: 'other:15012' },
  ])
    assert.equal(await new ConfigurationStore(file, other).read(), undefined);
  const bytes = fs.readFileSync(file);
  fs.writeFileSync(file, bytes.subarray(0, bytes.length - 1));
  await assert.rejects(store.read(), /config\.pb is cut off/);
  fs.writeFileSync(file, Buffer.concat([bytes, Buffer.from([0, 0, 0, 1, 0xff])]));
  await assert.rejects(store.read(), /./);
});
