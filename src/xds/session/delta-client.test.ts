import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeltaClient } from './delta-client.ts';
import type { DeltaDiscoveryResponse, ReceivedResource } from './messages.ts';
import { Resource } from './resource-types.ts';

/** `a@1` is a resource `a` of version 1. */
function resource(typeUrl: string, text: string): ReceivedResource {
  const [name, version] = text.split('@');
  return { name, version, typeUrl, bytes: Buffer.from(version), hasPayload: true, hasTtl: false };
}

interface Asked {
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
  readonly knows?: Record<string, string>;
  readonly nonce?: string;
  readonly error?: string;
}

type Step =
  | 'open'
  | 'close'
  | { readonly wants: readonly string[]; readonly all?: boolean }
  | { readonly asks: Asked | null }
  | {
      readonly gets: readonly string[];
      readonly gone?: readonly string[];
      readonly nonce: string;
      readonly changed?: readonly string[];
      readonly removed?: readonly string[];
      readonly missing?: readonly string[];
    }
  | { readonly settles: readonly string[] }
  | { readonly has: readonly string[] };

function play(typeUrl: string, steps: readonly Step[]): DeltaClient {
  const client = new DeltaClient(typeUrl);
  steps.forEach((step, index) => {
    const at = `step ${index + 1}`;
    if (step === 'open') client.opened();
    else if (step === 'close') client.closed();
    else if ('wants' in step) client.want({ wildcard: step.all ?? false, names: new Set(step.wants) });
    else if ('settles' in step) client.settle(step.settles.map((name) => ({ name, reason: 'bad' })));
    else if ('has' in step) {
      const known = [...client.resources.values()].map((r) => `${r.name}@${r.version}`);
      assert.deepEqual(known.sort(), [...step.has].sort(), at);
    } else if ('asks' in step) {
      const r = client.request();
      const asked = r && {
        ...(r.subscribe.length ? { add: r.subscribe } : {}),
        ...(r.unsubscribe.length ? { drop: r.unsubscribe } : {}),
        ...(r.initialResourceVersions.size ? { knows: Object.fromEntries(r.initialResourceVersions) } : {}),
        ...(r.responseNonce ? { nonce: r.responseNonce } : {}),
        ...(r.errorDetail ? { error: r.errorDetail.message } : {}),
      };
      assert.deepEqual(asked ?? null, step.asks, at);
    } else {
      const response: DeltaDiscoveryResponse = {
        typeUrl,
        systemVersionInfo: 'debug',
        nonce: step.nonce,
        resources: step.gets.map((text) => resource(typeUrl, text)),
        removed: step.gone ?? [],
        controlPlane: '',
      };
      const update = client.receive(response);
      const changed = update.changed.map((r) => `${r.name}@${r.version}`);
      assert.deepEqual(changed, step.changed ?? step.gets, at);
      assert.deepEqual(update.removed, step.removed ?? [], at);
      assert.deepEqual(update.missing, step.missing ?? [], at);
    }
  });
  return client;
}

test('the session of the protocol documentation: two updates, a NACK, a name on demand', () => {
  play(Resource.Endpoint, [
    { wants: ['wa', 'wb'] },
    { asks: null },
    'open',
    { asks: { add: ['wa', 'wb'] } },
    { asks: null },
    { gets: ['wa@1', 'wb@1'], nonce: 'A' },
    { asks: null },
    { settles: [] },
    { asks: { nonce: 'A' } },
    { asks: null },
    { gets: ['wa@2', 'wb@2'], nonce: 'B' },
    { settles: ['wb'] },
    { asks: { nonce: 'B', error: 'wb: bad' } },
    { has: ['wa@2', 'wb@1'] },
    { wants: ['wa', 'wb', 'wc'] },
    { asks: { add: ['wc'] } },
    { gets: ['wc@1'], nonce: 'C' },
    { settles: [] },
    { asks: { nonce: 'C' } },
  ]);
});

test('a new stream: everything that is wanted, and the versions of what is good', () => {
  play(Resource.Endpoint, [
    { wants: ['a', 'b', 'c'] },
    'open',
    { asks: { add: ['a', 'b', 'c'] } },
    { gets: ['a@1', 'b@1'], nonce: 'A', gone: ['c'], missing: ['c'] },
    { settles: ['b'] },
    'close',
    { wants: ['a', 'b', 'd'] },
    'open',
    { asks: { add: ['a', 'b', 'd'], knows: { a: '1' } } },
    { gets: ['b@2'], nonce: 'B' },
    { settles: [] },
    { asks: { nonce: 'B' } },
  ]);
});

test('the wildcard is implied when it is asked for first and alone', () => {
  play(Resource.Cluster, [
    { wants: [], all: true },
    'open',
    { asks: {} },
    { asks: null },
    { gets: ['a@1'], nonce: 'A' },
    { settles: [] },
    { asks: { nonce: 'A' } },
    { wants: ['x'], all: true },
    { asks: { add: ['x'] } },
    'close',
    'open',
    { asks: { add: ['*', 'x'], knows: { a: '1' } } },
    { wants: ['x'] },
    { asks: { drop: ['*'] } },
    { has: [] },
    { wants: [] },
    { asks: { drop: ['x'] } },
    'close',
    'open',
    { asks: null },
    { wants: [], all: true },
    { asks: {} },
  ]);
});

test('what a wildcard covers is the server\u2019s to say, also for a name that is given up', () => {
  play(Resource.Cluster, [
    { wants: ['in', 'out'], all: true },
    'open',
    { asks: { add: ['*', 'in', 'out'] } },
    { gets: ['in@1', 'out@1', 'more@1'], nonce: 'A' },
    { settles: [] },
    { wants: [], all: true },
    { asks: { drop: ['in', 'out'], nonce: 'A' } },
    { has: ['in@1', 'out@1', 'more@1'] },
    { gets: ['in@1'], gone: ['out'], removed: ['out'], nonce: 'B' },
    { settles: [] },
    { has: ['in@1', 'more@1'] },
  ]);
});

test('removed, missing, and removed without having been there', () => {
  play(Resource.Route, [
    { wants: ['a', 'b'] },
    'open',
    { asks: { add: ['a', 'b'] } },
    { gets: ['a@1'], gone: ['b', 'b', 'never'], nonce: 'A', missing: ['b'] },
    { settles: [] },
    { asks: { nonce: 'A' } },
    { gets: ['b@1'], gone: ['a'], removed: ['a'], nonce: 'B' },
    { settles: [] },
    { has: ['b@1'] },
    { gets: ['b@2'], gone: ['b'], nonce: 'C' },
    { settles: [] },
    { has: ['b@2'] },
  ]);
});

test('subscriptions that change while an update is applied leave with its answer', () => {
  play(Resource.Endpoint, [
    { wants: ['a'] },
    'open',
    { asks: { add: ['a'] } },
    { gets: ['a@1'], nonce: 'A' },
    { wants: ['b'] },
    { asks: null },
    { settles: [] },
    { asks: { add: ['b'], drop: ['a'], nonce: 'A' } },
    { has: [] },
    { gets: ['a@2', 'b@1'], nonce: 'B', changed: ['b@1'] },
  ]);
});

test('a name that comes back before the server heard of its going is still there', () => {
  play(Resource.Endpoint, [
    { wants: ['a', 'b'] },
    'open',
    { asks: { add: ['a', 'b'] } },
    { gets: ['a@1', 'b@1'], nonce: 'A' },
    { settles: [] },
    { asks: { nonce: 'A' } },
    { wants: ['a'] },
    { gets: ['b@2'], nonce: 'B' },
    { settles: [] },
    { wants: ['a', 'b'] },
    { asks: { nonce: 'B' } },
    { has: ['a@1', 'b@2'] },
    { wants: ['a'] },
    { asks: { drop: ['b'] } },
    { wants: ['a', 'b'] },
    { asks: { add: ['b'] } },
  ]);
});

test('an update that settles after its stream is gone is kept, and answered nowhere', () => {
  play(Resource.Endpoint, [
    { wants: ['a'] },
    'open',
    { asks: { add: ['a'] } },
    { gets: ['a@1'], nonce: 'A' },
    'close',
    'open',
    { asks: { add: ['a'] } },
    { settles: [] },
    { asks: null },
    { has: ['a@1'] },
    { gets: ['a@1'], nonce: 'B' },
    { settles: [] },
    { asks: { nonce: 'B' } },
  ]);
});

test('what cannot be taken out of a response is refused by itself, and a long refusal is cut', () => {
  const typeUrl = Resource.Listener;
  const client = new DeltaClient(typeUrl);
  client.want({ wildcard: true, names: new Set() });
  client.opened();
  client.request();
  const other = resource(Resource.Cluster, 'other@1');
  const resources = [resource(typeUrl, 'twice@1'), resource(typeUrl, 'twice@1'), other];
  const update = client.receive({
    typeUrl,
    systemVersionInfo: '',
    nonce: 'A',
    resources,
    removed: [],
    controlPlane: '',
  });
  assert.deepEqual(update.changed, []);
  client.settle([{ name: 'long', reason: 'x'.repeat(5000) }]);
  const detail = client.request()?.errorDetail;
  assert.equal(detail?.code, 13);
  assert.match(detail?.message ?? '', /^Error adding\/updating listener\(s\) other: its type/);
  assert.equal(detail?.message.length, 4096);
});
