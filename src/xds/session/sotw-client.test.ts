import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiscoveryResponse, ReceivedResource } from './messages.ts';
import { Resource } from './resource-types.ts';
import { SotwClient } from './sotw-client.ts';

/** `a@1` is a resource `a` whose payload says 1. */
function resource(typeUrl: string, text: string): ReceivedResource {
  const [name, payload] = text.split('@');
  return { name, version: '', typeUrl, bytes: Buffer.from(payload), hasPayload: true, hasTtl: false };
}

type Step =
  | 'open'
  | 'close'
  | { readonly wants: readonly string[]; readonly all?: boolean }
  /** The request that is due: version, nonce, names, and the text of a NACK; null if none is. */
  | { readonly asks: readonly [string, string, readonly string[], string?] | null }
  | {
      readonly gets: readonly string[];
      readonly version: string;
      readonly nonce: string;
      readonly changed?: readonly string[];
      readonly removed?: readonly string[];
    }
  | { readonly settles: readonly string[] }
  | { readonly has: readonly string[] };

function play(typeUrl: string, steps: readonly Step[]): SotwClient {
  const client = new SotwClient(typeUrl);
  steps.forEach((step, index) => {
    const at = `step ${index + 1}`;
    if (step === 'open') client.opened();
    else if (step === 'close') client.closed();
    else if ('wants' in step) client.want({ wildcard: step.all ?? false, names: new Set(step.wants) });
    else if ('settles' in step) client.settle(step.settles.map((name) => ({ name, reason: 'bad' })));
    else if ('has' in step) {
      const known = [...client.resources.values()].map((r) => `${r.name}@${Buffer.from(r.bytes)}`);
      assert.deepEqual(known.sort(), [...step.has].sort(), at);
    } else if ('asks' in step) {
      const r = client.request();
      const error = r?.errorDetail ? [r.errorDetail.message] : [];
      assert.deepEqual(r ? [r.versionInfo, r.responseNonce, r.resourceNames, ...error] : null, step.asks, at);
    } else {
      const resources = step.gets.map((text) => resource(typeUrl, text));
      const { version, nonce } = step;
      const response: DiscoveryResponse = { typeUrl, versionInfo: version, nonce, resources, controlPlane: '' };
      const update = client.receive(response);
      const changed = update.changed.map((r) => `${r.name}@${Buffer.from(r.bytes)}`);
      assert.deepEqual(changed, step.changed ?? step.gets, at);
      assert.deepEqual(update.removed, step.removed ?? [], at);
    }
  });
  return client;
}

test('ACK, NACK and ACK again, as the protocol draws them', () => {
  play(Resource.Endpoint, [
    { wants: ['foo'] },
    { asks: null },
    'open',
    { asks: ['', '', ['foo']] },
    { asks: null },
    { gets: ['foo@1'], version: 'X', nonce: 'A' },
    { asks: null },
    { settles: [] },
    { asks: ['X', 'A', ['foo']] },
    { gets: ['foo@2'], version: 'Y', nonce: 'B' },
    { settles: ['foo'] },
    { asks: ['X', 'B', ['foo'], 'foo: bad'] },
    { asks: null },
    { has: ['foo@1'] },
    { gets: ['foo@3'], version: 'Z', nonce: 'C' },
    { settles: [] },
    { asks: ['Z', 'C', ['foo']] },
    { has: ['foo@3'] },
  ]);
});

test('a NACK of an accepted version: a new name turned out bad', () => {
  play(Resource.Endpoint, [
    { wants: ['foo'] },
    'open',
    { asks: ['', '', ['foo']] },
    { gets: ['foo@1'], version: 'X', nonce: 'A' },
    { settles: [] },
    { asks: ['X', 'A', ['foo']] },
    { wants: ['foo', 'bar'] },
    { asks: ['X', 'A', ['foo', 'bar']] },
    { gets: ['bar@1'], version: 'X', nonce: 'B' },
    { settles: ['bar'] },
    { asks: ['X', 'B', ['foo', 'bar'], 'bar: bad'] },
    { has: ['foo@1'] },
  ]);
});

test('names that change while an update is applied leave with its answer', () => {
  play(Resource.Endpoint, [
    { wants: ['a'] },
    'open',
    { asks: ['', '', ['a']] },
    { gets: ['a@1'], version: '1', nonce: 'A' },
    { wants: ['a', 'b'] },
    { asks: null },
    { settles: [] },
    { asks: ['1', 'A', ['a', 'b']] },
    { wants: ['b', 'a'] },
    { asks: null },
  ]);
});

test('everything: only what changed is handed on, what is absent was removed', () => {
  play(Resource.Cluster, [
    { wants: [], all: true },
    'open',
    { asks: ['', '', []] },
    { gets: ['a@1', 'b@1'], version: '1', nonce: 'A' },
    { settles: [] },
    { asks: ['1', 'A', []] },
    { gets: ['b@1', 'c@1'], version: '2', nonce: 'B', changed: ['c@1'], removed: ['a'] },
    { settles: [] },
    { has: ['b@1', 'c@1'] },
    { asks: ['2', 'B', []] },
    { gets: ['b@2', 'c@2'], version: '3', nonce: 'C' },
    { settles: ['b'] },
    { has: ['b@1', 'c@2'] },
    { asks: ['2', 'C', [], 'Error adding/updating cluster(s) b: bad'] },
    { gets: ['c@2'], version: '4', nonce: 'D', changed: [], removed: ['b'] },
    { settles: [] },
    { asks: ['4', 'D', []] },
  ]);
});

test('types that are followed by name: absence says nothing, and what was not asked for is ignored', () => {
  play(Resource.Route, [
    { wants: ['a', 'b'] },
    'open',
    { asks: ['', '', ['a', 'b']] },
    { gets: ['a@1', 'b@1', 'c@1'], version: '1', nonce: 'A', changed: ['a@1', 'b@1'] },
    { settles: [] },
    { asks: ['1', 'A', ['a', 'b']] },
    { gets: [], version: '2', nonce: 'B' },
    { settles: [] },
    { has: ['a@1', 'b@1'] },
    { asks: ['2', 'B', ['a', 'b']] },
  ]);
});

test('the wildcard is implied until a name was asked for', () => {
  play(Resource.Cluster, [
    { wants: [], all: true },
    'open',
    { asks: ['', '', []] },
    { wants: ['x'], all: true },
    { asks: ['', '', ['*', 'x']] },
    { wants: [], all: true },
    { asks: ['', '', ['*']] },
    { wants: ['x'] },
    { asks: ['', '', ['x']] },
    { wants: [] },
    { asks: ['', '', []] },
    'close',
    'open',
    { asks: null },
    { wants: [], all: true },
    { asks: ['', '', []] },
  ]);
});

test('a new stream: the version is known, the nonce is not', () => {
  play(Resource.Endpoint, [
    { wants: ['a'] },
    'open',
    { asks: ['', '', ['a']] },
    { gets: ['a@1'], version: '1', nonce: 'A' },
    { settles: [] },
    { asks: ['1', 'A', ['a']] },
    'close',
    { wants: ['a', 'b'] },
    { asks: null },
    'open',
    { asks: ['1', '', ['a', 'b']] },
    { gets: ['a@1', 'b@1'], version: '2', nonce: 'B', changed: ['b@1'] },
    { settles: [] },
    { asks: ['2', 'B', ['a', 'b']] },
  ]);
});

test('an update that settles after its stream is gone is kept, and answered nowhere', () => {
  play(Resource.Endpoint, [
    { wants: ['a'] },
    'open',
    { asks: ['', '', ['a']] },
    { gets: ['a@1'], version: '1', nonce: 'A' },
    'close',
    'open',
    { asks: ['', '', ['a']] },
    { settles: ['a'] },
    { asks: null },
    { gets: ['a@2'], version: '2', nonce: 'B' },
    'close',
    { settles: [] },
    { has: ['a@2'] },
    'open',
    { asks: ['2', '', ['a']] },
  ]);
});

test('a name that comes back before the server heard of its going is still there', () => {
  play(Resource.Endpoint, [
    { wants: ['a', 'b'] },
    'open',
    { asks: ['', '', ['a', 'b']] },
    { gets: ['a@1', 'b@1'], version: '1', nonce: 'A' },
    { settles: [] },
    { asks: ['1', 'A', ['a', 'b']] },
    { wants: ['a'] },
    { gets: ['b@2'], version: '2', nonce: 'B' },
    { wants: ['a', 'b'] },
    { settles: [] },
    { has: ['a@1', 'b@2'] },
    { wants: ['a'] },
    { asks: ['2', 'B', ['a']] },
    { has: ['a@1'] },
  ]);
});

test('what cannot be taken out of a response is refused by itself', () => {
  const typeUrl = Resource.Secret;
  const client = new SotwClient(typeUrl);
  client.want({ wildcard: false, names: new Set(['ok', 'twice', 'ttl', 'beat', 'other']) });
  client.opened();
  client.request();
  const update = client.receive({
    typeUrl,
    versionInfo: '1',
    nonce: 'A',
    controlPlane: '',
    resources: [
      resource(typeUrl, 'ok@1'),
      resource(typeUrl, 'twice@1'),
      resource(typeUrl, 'twice@2'),
      { ...resource(typeUrl, 'ttl@1'), hasTtl: true },
      { ...resource(typeUrl, 'beat@'), hasPayload: false, hasTtl: true },
      resource(Resource.Cluster, 'other@1'),
    ],
  });
  assert.deepEqual(
    update.changed.map((r) => r.name),
    ['ok'],
  );
  assert.deepEqual(update.refused.map((r) => r.name).sort(), ['beat', 'other', 'ttl', 'twice']);
  client.settle([]);
  assert.deepEqual([...client.resources.keys()], ['ok']);
  const request = client.request();
  assert.equal(request?.versionInfo, '');
  assert.match(request?.errorDetail?.message ?? '', /twice: the response has it more than once/);
});

test('a small part of a large response is copied, so that it does not hold the rest', () => {
  const typeUrl = Resource.Cluster;
  const client = new SotwClient(typeUrl);
  client.want({ wildcard: true, names: new Set() });
  client.opened();
  const response = (versionInfo: string, payloads: readonly string[]): DiscoveryResponse => {
    const whole = Buffer.from(payloads.join(''));
    let at = 0;
    const resources = payloads.map((text, i) => ({
      ...resource(typeUrl, `${i}@`),
      bytes: whole.subarray(at, (at += text.length)),
    }));
    return { typeUrl, versionInfo, nonce: versionInfo, controlPlane: '', resources };
  };
  const first = response('1', ['aaaa', 'bbbb', 'cccc']);
  client.receive(first);
  client.settle([]);
  assert.ok(client.resources.get('0')?.bytes.buffer === first.resources[0].bytes.buffer);
  const second = response('2', ['aaaa', 'BBBB', 'cccc']);
  client.receive(second);
  client.settle([]);
  const changed = client.resources.get('1');
  assert.equal(Buffer.from(changed?.bytes ?? []).toString(), 'BBBB');
  assert.ok(changed?.bytes.buffer !== second.resources[1].bytes.buffer);
});
