import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, TypeUrl } from '../../translate/cell.ts';
import type { Translation } from '../../translate/translation.ts';
import { ProxyView } from './proxy-view.ts';

const cell = (type: TypeUrl, name: string): Cell => ({
  type,
  name,
  bytes: Buffer.from(name),
  version: name,
  origin: [],
});
const a = cell(TypeUrl.Cluster, 'a');
const b = cell(TypeUrl.Cluster, 'b');
const noDefect = (error: unknown): void => assert.fail(String(error));
const noSecrets = { get: () => undefined };

function translation(clusters: readonly Cell[], get: Translation['get'] = () => undefined): Translation {
  return { number: 1, all: (type) => (type === TypeUrl.Cluster ? [...clusters] : []), get };
}

test('a list of the same cells stays the same list', () => {
  const first = new ProxyView(translation([a, b]), noSecrets, undefined, noDefect);
  const list = first.all(TypeUrl.Cluster);
  const second = new ProxyView(translation([a, b]), noSecrets, first, noDefect);
  assert.equal(second.all(TypeUrl.Cluster), list);
  const third = new ProxyView(translation([a]), noSecrets, second, noDefect);
  assert.deepEqual(third.all(TypeUrl.Cluster), [a]);
});

test('clusters can be asked for by name, and a type that is not served has nothing', () => {
  const view = new ProxyView(translation([a, b]), noSecrets, undefined, noDefect);
  assert.equal(view.get(TypeUrl.Cluster, 'b'), b);
  assert.equal(view.get(TypeUrl.Cluster, 'c'), undefined);
  assert.deepEqual(view.all('type.googleapis.com/envoy.service.runtime.v3.Runtime'), []);
  assert.equal(view.get('type.googleapis.com/envoy.service.runtime.v3.Runtime', 'a'), undefined);
});

test('secrets come from where secrets are', () => {
  const secret = cell(TypeUrl.Secret, 'kubernetes://tls');
  const other = cell(TypeUrl.Secret, 'other');
  const view = new ProxyView(
    translation([], (_, name) => (name === 'other' ? other : undefined)),
    { get: (name) => (name === secret.name ? secret : undefined) },
    undefined,
    noDefect,
  );
  assert.equal(view.get(TypeUrl.Secret, secret.name), secret);
  assert.equal(view.get(TypeUrl.Secret, 'other'), other);
});

test('what cannot be translated stays as it was before', () => {
  const defects: unknown[] = [];
  const route = cell(TypeUrl.Route, 'r');
  const first = new ProxyView(
    translation([a, b], () => route),
    noSecrets,
    undefined,
    noDefect,
  );
  first.all(TypeUrl.Cluster);
  const broken: Cell = {
    ...b,
    get version(): string {
      throw new Error('cannot encode b');
    },
  };
  const fails = () => {
    throw new Error('cannot translate');
  };
  const onDefect = (error: unknown) => defects.push((error as Error).message);
  const second = new ProxyView(translation([a, broken], fails), noSecrets, first, onDefect);
  assert.deepEqual(second.all(TypeUrl.Cluster), [a, b]);
  assert.equal(second.get(TypeUrl.Route, 'r'), route);
  assert.ok(defects.includes('cannot encode b') && defects.includes('cannot translate'));
  const third = new ProxyView({ number: 3, all: fails, get: fails }, noSecrets, second, onDefect);
  assert.deepEqual(third.all(TypeUrl.Cluster), [a, b]);
});
