import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeltaServer } from './delta-server.ts';
import type { DeltaDiscoveryRequest, ServedResource } from './messages.ts';
import { Resource } from './resource-types.ts';
import type { TypeView } from './server-session.ts';

/** `{ a: 1 }` is a resource `a` at version 1. */
function view(content: Record<string, number>, hidden: Record<string, number> = {}): TypeView {
  const make = ([name, version]: [string, number]): ServedResource => ({
    name,
    version: String(version),
    bytes: new Uint8Array([version]),
  });
  const all = Object.entries(content).map(make);
  const byName = new Map([...all, ...Object.entries(hidden).map(make)].map((r) => [r.name, r]));
  return { all: () => all, get: (name) => byName.get(name) };
}

type Step =
  | {
      readonly subscribes?: readonly string[];
      readonly unsubscribes?: readonly string[];
      readonly knows?: Record<string, number>;
      readonly nonce?: string;
      readonly nack?: boolean;
      readonly verdict?: string;
    }
  /** The server has `has`, and may send `sends`: resource and version, or `-name` for a removed one. */
  | {
      readonly has: TypeView;
      readonly keep?: boolean;
      readonly only?: readonly string[];
      readonly sends: readonly string[] | null;
      readonly nonce?: string;
    }
  | { readonly renews: readonly string[] };

function play(typeUrl: string, steps: readonly Step[]): DeltaServer {
  const server = new DeltaServer(typeUrl);
  let count = 0;
  steps.forEach((step, index) => {
    const at = `step ${index + 1}`;
    if ('renews' in step) server.renew(step.renews);
    else if ('has' in step) {
      const answer = server.respond(step.has, {
        nonce: step.nonce ?? `n${++count}`,
        version: 'debug',
        removals: !step.keep,
        only: step.only && ((name) => step.only!.includes(name)),
      });
      const sent = answer && [
        ...answer.response.resources.map((r) => `${r.name}@${r.version}`),
        ...answer.response.removed.map((name) => `-${name}`),
      ];
      assert.deepEqual(sent ?? null, step.sends, at);
    } else {
      const known = Object.entries(step.knows ?? {}).map(([name, version]): [string, string] => [
        name,
        String(version),
      ]);
      const request: DeltaDiscoveryRequest = {
        typeUrl,
        subscribe: step.subscribes ?? [],
        unsubscribe: step.unsubscribes ?? [],
        initialResourceVersions: new Map(known),
        responseNonce: step.nonce ?? '',
        ...(step.nack ? { errorDetail: { code: 13, message: 'bad' } } : {}),
      };
      const expected = step.verdict ?? (step.nack ? 'nack' : step.nonce ? 'ack' : 'none');
      assert.equal(server.receive(request).verdict, expected, at);
    }
  });
  return server;
}

test('the session of the protocol documentation: two updates, a NACK, a name on demand', () => {
  play(Resource.Cluster, [
    { subscribes: ['wa', 'wb'] },
    { has: view({ wa: 1, wb: 1, wc: 1 }), sends: ['wa@1', 'wb@1'], nonce: 'A' },
    { nonce: 'A' },
    { has: view({ wa: 2, wb: 1, wc: 1 }), sends: ['wa@2'], nonce: 'B' },
    { nonce: 'B', nack: true },
    { has: view({ wa: 2, wb: 1, wc: 1 }), sends: null },
    { subscribes: ['wc'] },
    { has: view({ wa: 2, wb: 1, wc: 1 }), sends: ['wc@1'], nonce: 'C' },
    { nonce: 'C' },
    { has: view({ wa: 3, wb: 1, wc: 1 }), sends: ['wa@3'] },
  ]);
});

test('a subscription to everything', () => {
  for (const subscribes of [[], ['*']]) {
    const first = view({ a: 1, b: 1 });
    play(Resource.Cluster, [
      { has: first, sends: null },
      { subscribes },
      { has: first, sends: ['a@1', 'b@1'], nonce: 'x' },
      { has: view({ a: 9 }), sends: null },
      { nonce: 'x' },
      { has: first, sends: null },
      { has: view({ a: 1, b: 1 }), sends: null },
      { has: view({ b: 2, c: 1 }), sends: ['b@2', 'c@1', '-a'], nonce: 'y' },
      { nonce: 'y' },
      { has: view({}), sends: ['-b', '-c'] },
    ]);
  }
});

test('a first answer is sent even if there is nothing', () => {
  play(Resource.Listener, [
    {},
    { has: view({}), sends: [], nonce: 'x' },
    { nonce: 'x' },
    { has: view({}), sends: null },
  ]);
  play(Resource.Secret, [{}, { has: view({ a: 1 }), sends: null }]);
});

test('the wildcard rules of the protocol, in their order', () => {
  const server = play(Resource.Cluster, [
    {},
    { has: view({ B: 1 }, { A: 1 }), sends: ['B@1'], nonce: '1' },
    { nonce: '1', subscribes: ['A'] },
    { has: view({ B: 1 }, { A: 1 }), sends: ['A@1'], nonce: '2' },
    { nonce: '2', unsubscribes: ['*'] },
    { has: view({ B: 2 }, { A: 2 }), sends: ['A@2'], nonce: '3' },
    { nonce: '3', unsubscribes: ['A'] },
    { has: view({ A: 3, B: 3 }), sends: null },
  ]);
  assert.equal(server.wildcard, false);
  assert.equal(server.names.size, 0);
});

test('a name that is given up under a wildcard is answered: present, or removed', () => {
  play(Resource.Cluster, [
    { subscribes: ['*', 'in', 'out'] },
    { has: view({ in: 1 }, { out: 1 }), sends: ['in@1', 'out@1'], nonce: 'x' },
    { nonce: 'x', unsubscribes: ['in', 'out', 'never'] },
    { has: view({ in: 1 }, { out: 1 }), sends: ['in@1', '-out'], nonce: 'y' },
    { nonce: 'y' },
    { has: view({ in: 1 }, { out: 2 }), sends: null },
  ]);
});

test('a name that is subscribed to again is answered, though nothing changed', () => {
  play(Resource.Endpoint, [
    { subscribes: ['a', 'b'] },
    { has: view({ a: 1, b: 1 }), sends: ['a@1', 'b@1'], nonce: 'x' },
    { nonce: 'x' },
    { subscribes: ['a'] },
    { has: view({ a: 1, b: 1 }), sends: ['a@1'], nonce: 'y' },
    { nonce: 'y', unsubscribes: ['b'] },
    { subscribes: ['b'] },
    { has: view({ a: 1, b: 1 }), sends: ['b@1'] },
  ]);
});

test('a name that does not exist is told as removed, once, and sent when it does', () => {
  play(Resource.Route, [
    { subscribes: ['a', 'b'] },
    { has: view({ b: 1 }), keep: true, sends: ['b@1', '-a'], nonce: 'x' },
    { nonce: 'x' },
    { has: view({ b: 1 }), sends: null },
    { has: view({ a: 1, b: 1 }), sends: ['a@1'], nonce: 'y' },
    { nonce: 'y' },
    { has: view({ b: 1 }), sends: ['-a'], nonce: 'z' },
    { nonce: 'z' },
    { has: view({ b: 1 }), sends: null },
    { subscribes: ['a'] },
    { has: view({ b: 1 }), sends: ['-a'] },
  ]);
});

test('subscriptions count whatever nonce they come with, answers only with the one in flight', () => {
  play(Resource.Endpoint, [
    { subscribes: ['a'] },
    { has: view({ a: 1, b: 1 }), sends: ['a@1'], nonce: 'x' },
    { subscribes: ['b'], nonce: 'old', verdict: 'stale' },
    { has: view({ a: 1, b: 1 }), sends: null },
    { nonce: 'x' },
    { has: view({ a: 1, b: 1 }), sends: ['b@1'], nonce: 'y' },
    { nonce: 'x', verdict: 'stale' },
    { nonce: 'y' },
    { nonce: 'y', verdict: 'stale' },
  ]);
});

test('a client that returns is sent the difference only', () => {
  play(Resource.Cluster, [
    { knows: { a: 1, b: 1, gone: 1 } },
    { has: view({ a: 1, b: 2, c: 1 }), keep: true, sends: ['b@2', 'c@1'], nonce: 'x' },
    { nonce: 'x' },
    { has: view({ a: 1, b: 2, c: 1 }), sends: ['-gone'] },
  ]);
  play(Resource.Endpoint, [
    { subscribes: ['a', 'b', 'c', 'gone'], knows: { a: 1, b: 1, gone: 1 } },
    { has: view({ a: 1, b: 2, c: 1, d: 1 }), sends: ['b@2', 'c@1', '-gone'], nonce: 'x' },
    { nonce: 'x', subscribes: ['a'], knows: { a: 1 } },
    { has: view({ a: 1, b: 2, c: 1 }), sends: ['a@1'] },
  ]);
  play(Resource.Endpoint, [
    { subscribes: ['a'], knows: { a: 1 } },
    { has: view({ a: 1 }), sends: null },
  ]);
  play(Resource.Cluster, [{ knows: { a: 1 } }, { has: view({ a: 1 }), sends: null }, { has: view({}), sends: ['-a'] }]);
});

test('resources that are gone are kept until removals are allowed', () => {
  const after = view({ b: 1 });
  play(Resource.Cluster, [
    {},
    { has: view({ a: 1, b: 1 }), sends: ['a@1', 'b@1'], nonce: 'x' },
    { nonce: 'x' },
    { has: after, keep: true, sends: null },
    { has: after, keep: true, sends: null },
    { has: after, sends: ['-a'], nonce: 'y' },
    { nonce: 'y' },
    { has: after, sends: null },
    { has: view({ a: 1, b: 1 }), sends: ['a@1'] },
  ]);
});

test('names can be renewed, and unasked-for updates restricted', () => {
  play(Resource.Endpoint, [
    { subscribes: ['a', 'b', 'c'] },
    { has: view({ a: 1, b: 1, c: 1 }), sends: ['a@1', 'b@1', 'c@1'], nonce: 'x' },
    { nonce: 'x' },
    { has: view({ a: 2, b: 2 }), only: ['b'], sends: ['b@2'], nonce: 'y' },
    { nonce: 'y' },
    { renews: ['b', 'd'] },
    { has: view({ a: 2, b: 2 }), sends: ['a@2', 'b@2', '-c'] },
  ]);
});

test('what a response adds and changes is told', () => {
  const server = play(Resource.Cluster, [{ knows: { a: 1 } }]);
  const answer = server.respond(view({ a: 2, b: 1 }), { nonce: 'x', version: '', removals: true });
  assert.deepEqual([answer?.added, answer?.changed], [['b'], ['a']]);
  assert.deepEqual(server.inFlight, { nonce: 'x', version: '', names: ['a', 'b'] });
});
