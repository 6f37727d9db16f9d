import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiscoveryRequest, ServedResource } from './messages.ts';
import { Resource } from './resource-types.ts';
import type { TypeView } from './server-session.ts';
import { SotwServer } from './sotw-server.ts';

/** `{ a: 1 }` is a resource `a` at version 1. */
function view(content: Record<string, number>, hidden: Record<string, number> = {}): TypeView {
  const make = ([name, version]: [string, number]): ServedResource => ({
    name,
    version: `v${version}`,
    bytes: new Uint8Array([version]),
  });
  const all = Object.entries(content).map(make);
  const byName = new Map([...all, ...Object.entries(hidden).map(make)].map((r) => [r.name, r]));
  return { all: () => all, get: (name) => byName.get(name) };
}

type Step =
  | { readonly asks: readonly string[]; readonly nonce?: string; readonly version?: string; readonly verdict?: string }
  | { readonly nacks: string; readonly asks?: readonly string[] }
  /** The server has `has`, and may send `sends` (resource and version, in order), or nothing. */
  | {
      readonly has: TypeView;
      readonly keep?: boolean;
      readonly only?: readonly string[];
      readonly sends: readonly string[] | null;
      readonly nonce?: string;
    }
  | { readonly renews: readonly string[] };

function play(typeUrl: string, steps: readonly Step[]): SotwServer {
  const server = new SotwServer(typeUrl);
  let names: readonly string[] = [];
  let count = 0;
  steps.forEach((step, index) => {
    const at = `step ${index + 1}`;
    if ('renews' in step) server.renew(step.renews);
    else if ('has' in step) {
      const answer = server.respond(step.has, {
        nonce: step.nonce ?? `n${++count}`,
        version: '',
        removals: !step.keep,
        only: step.only && ((name) => step.only!.includes(name)),
      });
      const sent = answer?.response.resources.map((r) => `${r.name}@${r.version.slice(1)}`);
      assert.deepEqual(sent ?? null, step.sends, at);
    } else {
      const nacked = 'nacks' in step;
      names = step.asks ?? names;
      const request: DiscoveryRequest = {
        typeUrl,
        versionInfo: nacked ? '' : (step.version ?? ''),
        resourceNames: names,
        responseNonce: nacked ? step.nacks : (step.nonce ?? ''),
        ...(nacked ? { errorDetail: { code: 13, message: 'bad' } } : {}),
      };
      const verdict = server.receive(request).verdict;
      assert.equal(verdict, nacked ? 'nack' : (step.verdict ?? 'none'), at);
    }
  });
  return server;
}

test('clusters: everything in every response, nothing while nothing changed', () => {
  const first = view({ a: 1, b: 1 });
  play(Resource.Cluster, [
    { has: first, sends: null },
    { asks: [] },
    { has: first, sends: ['a@1', 'b@1'], nonce: 'x' },
    { has: view({ a: 2 }), sends: null },
    { asks: [], nonce: 'x', verdict: 'ack' },
    { has: first, sends: null },
    { has: view({ a: 1, b: 1 }), sends: null },
    { has: view({ a: 1, b: 2 }), sends: ['a@1', 'b@2'], nonce: 'y' },
    { asks: [], nonce: 'y', verdict: 'ack' },
    { has: view({}), sends: [], nonce: 'z' },
    { asks: [], nonce: 'z', verdict: 'ack' },
    { has: view({}), sends: null },
  ]);
});

test('a first answer is sent even if there is nothing', () => {
  play(Resource.Listener, [{ asks: [] }, { has: view({}), sends: [] }]);
  play(Resource.Secret, [{ asks: ['a'] }, { has: view({}), sends: [] }]);
  play(Resource.Secret, [{ asks: [] }, { has: view({ a: 1 }), sends: null }]);
});

test('resources that are gone are kept until removals are allowed', () => {
  play(Resource.Cluster, [
    { asks: [] },
    { has: view({ a: 1, b: 1 }), sends: ['a@1', 'b@1'], nonce: 'x' },
    { asks: [], nonce: 'x', verdict: 'ack' },
    { has: view({ b: 1 }), keep: true, sends: null },
    { has: view({ b: 1, c: 1 }), keep: true, sends: ['b@1', 'c@1', 'a@1'], nonce: 'y' },
    { asks: [], nonce: 'y', verdict: 'ack' },
    { has: view({ b: 1, c: 1 }), keep: true, sends: null },
    { has: view({ b: 1, c: 1 }), sends: ['b@1', 'c@1'], nonce: 'z' },
    { asks: [], nonce: 'z', verdict: 'ack' },
    { has: view({ b: 1, c: 1 }), keep: true, sends: null },
  ]);
});

test('the wildcard rules of the protocol, in their order', () => {
  const has = view({ A: 1, B: 1 }, { C: 1 });
  const server = play(Resource.Cluster, [
    { asks: [] },
    { has, sends: ['A@1', 'B@1'], nonce: '1' },
    { asks: ['*', 'C'], nonce: '1', verdict: 'ack' },
    { has, sends: ['A@1', 'B@1', 'C@1'], nonce: '2' },
    { asks: ['A'], nonce: '2', verdict: 'ack' },
    { has, sends: ['A@1'], nonce: '3' },
    { asks: [], nonce: '3', verdict: 'ack' },
    { has: view({ A: 2, B: 2 }), sends: [] },
  ]);
  assert.equal(server.wildcard, false);
  assert.equal(server.names.size, 0);
});

test('types that are followed by name: what was asked for, then what changes', () => {
  play(Resource.Endpoint, [
    { asks: ['a', 'b'] },
    { has: view({ a: 1, b: 1, c: 1 }), sends: ['a@1', 'b@1'], nonce: 'x' },
    { asks: ['a', 'b'], nonce: 'x', verdict: 'ack' },
    { has: view({ a: 1, b: 2, c: 2 }), sends: ['b@2'], nonce: 'y' },
    { asks: ['a', 'b'], nonce: 'y', verdict: 'ack' },
    { asks: ['a', 'b', 'c'], nonce: 'y' },
    { has: view({ a: 1, b: 2, c: 2 }), sends: ['c@2'], nonce: 'z' },
    { asks: ['a', 'c'], nonce: 'z', verdict: 'ack' },
    { has: view({ a: 1, b: 3, c: 2 }), sends: null },
    { asks: ['a', 'b', 'c'], nonce: 'z' },
    { has: view({ a: 1, b: 3, c: 2 }), sends: ['b@3'] },
  ]);
});

test('a name that does not exist is remembered and sent when it does', () => {
  play(Resource.Route, [
    { asks: ['a'] },
    { has: view({}), sends: [], nonce: 'x' },
    { asks: ['a'], nonce: 'x', verdict: 'ack' },
    { has: view({}), sends: null },
    { has: view({ a: 1 }), sends: ['a@1'], nonce: 'y' },
    { asks: ['a'], nonce: 'y', verdict: 'ack' },
    { has: view({}), sends: null },
    { has: view({ a: 1 }), sends: ['a@1'] },
  ]);
});

test('stale requests count for nothing: the answer to the last response repeats their names', () => {
  play(Resource.Endpoint, [
    { asks: ['a'] },
    { has: view({ a: 1 }), sends: ['a@1'], nonce: 'x' },
    { asks: ['a', 'b'], nonce: '', verdict: 'stale' },
    { asks: ['a', 'b'], nonce: 'x', verdict: 'ack' },
    { has: view({ a: 2, b: 1 }), sends: ['a@2', 'b@1'], nonce: 'y' },
    { asks: ['a'], nonce: 'x', verdict: 'stale' },
    { has: view({ a: 3, b: 1 }), sends: null },
    { asks: ['a', 'b'], nonce: 'y', verdict: 'ack' },
    { has: view({ a: 3, b: 1 }), sends: ['a@3'] },
  ]);
});

test('a NACK is told by its error, and what was refused is not sent again until it changes', () => {
  const server = play(Resource.Endpoint, [
    { asks: ['a'] },
    { has: view({ a: 1, b: 1 }), sends: ['a@1'], nonce: 'x' },
    { asks: ['a'], nonce: 'x', verdict: 'ack' },
    { asks: ['a', 'b'], nonce: 'x' },
    { has: view({ a: 1, b: 1 }), sends: ['b@1'], nonce: 'y' },
    { nacks: 'y' },
    { has: view({ a: 1, b: 1 }), sends: null },
    { has: view({ a: 2, b: 1 }), sends: ['a@2'], nonce: 'z' },
    { asks: ['a', 'b'], nonce: 'z', verdict: 'ack' },
    { has: view({ a: 2, b: 2 }), sends: ['b@2'] },
  ]);
  assert.equal(server.ackedNonce, 'z');
});

test('a client that returns with the same version of everything is sent nothing', () => {
  const has = view({ a: 1, b: 2 });
  const first = play(Resource.Cluster, [
    { asks: [] },
    { has, sends: ['a@1', 'b@2'], nonce: 'x' },
    { asks: [], nonce: 'x', verdict: 'ack' },
  ]);
  const version = first.ackedVersion;
  assert.match(version, /^[\w-]{16}$/);
  const again = play(Resource.Cluster, [
    { asks: [], version },
    { has: view({ b: 2, a: 1 }), sends: null },
    { has: view({ b: 3, a: 1 }), sends: ['b@3', 'a@1'] },
  ]);
  assert.equal(again.ackedVersion, version);
  play(Resource.Cluster, [
    { asks: [], version },
    { has: view({ a: 1 }), sends: ['a@1'] },
  ]);
  play(Resource.Cluster, [
    { asks: ['*', 'a'], version },
    { has, sends: ['a@1', 'b@2'] },
  ]);
  play(Resource.Endpoint, [
    { asks: ['a', 'b'], version },
    { has, sends: ['a@1', 'b@2'] },
  ]);
});

test('names can be renewed, and unasked-for updates restricted', () => {
  play(Resource.Endpoint, [
    { asks: ['a', 'b', 'c'] },
    { has: view({ a: 1, b: 1, c: 1 }), sends: ['a@1', 'b@1', 'c@1'], nonce: 'x' },
    { asks: ['a', 'b', 'c'], nonce: 'x', verdict: 'ack' },
    { has: view({ a: 2, b: 2, c: 1 }), only: ['b'], sends: ['b@2'], nonce: 'y' },
    { asks: ['a', 'b', 'c'], nonce: 'y', verdict: 'ack' },
    { renews: ['c', 'd'] },
    { has: view({ a: 2, b: 2, c: 1 }), sends: ['a@2', 'c@1'] },
  ]);
});

test('what a response adds and changes is told', () => {
  const server = new SotwServer(Resource.Cluster);
  const request = { typeUrl: Resource.Cluster, versionInfo: '', resourceNames: [], responseNonce: '' };
  server.receive(request);
  const options = { version: '', removals: true };
  const first = server.respond(view({ a: 1, b: 1 }), { ...options, nonce: 'x' });
  assert.deepEqual([first?.added, first?.changed], [['a', 'b'], []]);
  const { settled } = server.receive({ ...request, responseNonce: 'x' });
  assert.deepEqual(settled?.names, ['a', 'b']);
  const second = server.respond(view({ b: 2, c: 1 }), { ...options, nonce: 'y' });
  assert.deepEqual([second?.added, second?.changed], [['c'], ['b']]);
});
