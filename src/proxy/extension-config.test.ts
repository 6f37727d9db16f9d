import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { stubWorker } from '../../test/support/compile-filter.ts';
import { StubCallbacks } from '../../test/support/filter-callbacks.ts';
import { ExtensionConfigSourceSchema } from '../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { TypedExtensionConfigSchema } from '../api/gen/envoy/config/core/v3/extension_pb.ts';
import { registry } from '../api/registry.ts';
import type { Rejection, SubscriptionSink } from '../xds/client/config-source.ts';
import { ConfigErrors } from './config/errors.ts';
import { ExtensionConfigs, type ExtensionKind } from './extension-config.ts';
import { discoveredHttpFilter } from './http/discovered-filter.ts';
import type { HttpFilterFactory } from './http/filter.ts';

const CORS = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

/** Filters of one source whose updates the test sends. */
function extensions() {
  let sink: SubscriptionSink | undefined;
  const names: string[][] = [];
  const source = {
    subscribe(_type: string, given: readonly string[], to: SubscriptionSink) {
      names.push([...given]);
      sink = to;
      return { setNames: (next: readonly string[]) => names.push([...next]), close() {} };
    },
  };
  const worker = stubWorker({
    flushQueue: { run: (work: () => void) => work() } as never,
    configSource: () => source as never,
  });
  const configs = new ExtensionConfigs(worker);
  const made: string[] = [];
  const compile = (any: Any): HttpFilterFactory => {
    const name = `${any.typeUrl.split('.').at(-1)} ${made.length}`;
    made.push(name);
    return { create: () => ({ name }) as never, dispose: () => made.push(`${name} is gone`) };
  };
  const ready: string[] = [];
  const filter = (
    name: string,
    more: object = {},
    errors = new ConfigErrors(),
    kind: ExtensionKind = 'http_filter',
  ) => {
    const json = { config_source: { ads: {} }, type_urls: [CORS], ...more };
    const source = fromJson(ExtensionConfigSourceSchema, json, { registry });
    const waitFor = (target: { whenReady(callback: () => void): void }) => target.whenReady(() => ready.push(name));
    const extension = configs.discover<HttpFilterFactory>({ kind, name, source, compile, waitFor }, errors);
    return extension && discoveredHttpFilter(extension);
  };
  const send = (name: string, type: string): readonly Rejection[] => {
    const config = fromJson(TypedExtensionConfigSchema, { name, typed_config: { '@type': type } }, { registry });
    let rejections: readonly Rejection[] = [];
    const bytes = toBinary(TypedExtensionConfigSchema, config);
    sink!.onUpdate([{ name, version: '1', typeUrl: '', bytes }], [], (given) => (rejections = given));
    return rejections;
  };
  const remove = (name: string) => sink!.onUpdate([], [name], () => {});
  return { configs, filter, send, remove, made, ready, names, missing: (name: string) => sink!.onMissing([name]) };
}

const nameOf = (factory: HttpFilterFactory | undefined) => {
  const callbacks = new StubCallbacks();
  const filter = factory?.create(callbacks) as { name?: string; requestHeaders?(h: never, end: boolean): unknown };
  if (filter.name !== undefined) return filter.name;
  filter.requestHeaders?.(callbacks.requestHeaders as never, true);
  return callbacks.calls.at(-1);
};

test('a configuration takes the place of the one before, which goes', async () => {
  const { filter, send, made, ready, names, configs } = extensions();
  const factory = filter('a');
  await Promise.resolve();
  assert.deepEqual(names, [['a']]);
  assert.equal(nameOf(factory), 'reply 500 ');
  assert.deepEqual(send('a', CORS), []);
  assert.deepEqual(ready, ['a']);
  assert.equal(nameOf(factory), 'Cors 0');
  send('a', CORS);
  assert.deepEqual(made, ['Cors 0', 'Cors 1', 'Cors 0 is gone']);
  assert.deepEqual(
    [...configs.all()].map(({ proto }) => proto.name),
    ['a'],
  );
  factory?.dispose?.();
  await Promise.resolve();
  assert.deepEqual(names, [['a'], []]);
});

test('a configuration of another type is refused, and the last good one stays', async () => {
  const { filter, send, ready } = extensions();
  const factory = filter('a');
  await Promise.resolve();
  send('a', CORS);
  const [{ reason }] = send('a', FAULT);
  assert.match(reason, /HTTPFault is not one of the type_urls/);
  assert.equal(nameOf(factory), 'Cors 0');
  assert.deepEqual(ready, ['a']);
});

test('the default holds when nothing comes', async () => {
  const { filter, missing, ready } = extensions();
  const factory = filter('a', { default_config: { '@type': CORS } });
  await Promise.resolve();
  assert.deepEqual(ready, []);
  missing('a');
  assert.deepEqual(ready, ['a']);
  assert.equal(nameOf(factory), 'Cors 0');
});

test('a default that does not wait is there at once', () => {
  const { filter, ready } = extensions();
  const more = { default_config: { '@type': CORS }, apply_default_config_without_warming: true };
  assert.equal(nameOf(filter('a', more)), 'Cors 0');
  assert.deepEqual(ready, []);
});

test('a filter of another kind shares the name, and what has come under it', async () => {
  const { filter, send, names, made } = extensions();
  filter('a');
  await Promise.resolve();
  send('a', CORS);
  const other = filter('a', {}, new ConfigErrors(), 'network_filter');
  assert.equal(nameOf(other), 'Cors 1');
  await Promise.resolve();
  assert.deepEqual(names, [['a'], ['a']]);
  send('a', CORS);
  assert.deepEqual(made.slice(2), ['Cors 2', 'Cors 0 is gone', 'Cors 4', 'Cors 1 is gone']);
});

test('the default holds again when the source has removed a configuration', async () => {
  const { filter, send, remove, made } = extensions();
  const factory = filter('a', { default_config: { '@type': CORS } });
  const bare = filter('b');
  await Promise.resolve();
  for (const name of ['a', 'b']) send(name, CORS);
  assert.deepEqual([nameOf(factory), nameOf(bare)], ['Cors 1', 'Cors 2']);
  for (const name of ['a', 'b']) remove(name);
  assert.deepEqual([nameOf(factory), nameOf(bare)], ['Cors 0', 'reply 500 ']);
  factory?.dispose?.();
  assert.deepEqual(made.slice(3), ['Cors 1 is gone', 'Cors 2 is gone', 'Cors 0 is gone']);
});

test('who comes after it was known that there is nothing does not wait', async () => {
  const { filter, missing, ready } = extensions();
  filter('a');
  await Promise.resolve();
  missing('a');
  filter('a');
  assert.deepEqual(ready, ['a', 'a']);
});

for (const [more, message] of [
  [{ type_urls: [] }, /type_urls: must not be empty/],
  [{ apply_default_config_without_warming: true }, /default_config: is needed/],
  [{ config_source: { path: '/x' } }, /config_source.path: must be an existing file/],
] as const) {
  test(`refused: ${message.source}`, () => {
    const errors = new ConfigErrors();
    assert.equal(extensions().filter('a', more, errors), undefined);
    assert.match(errors.toString(), message);
  });
}
