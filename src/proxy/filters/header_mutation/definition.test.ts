import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '../../../api/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { FilterBuildContext } from '../../http/filter.ts';
import { headerMutation } from './definition.ts';

const set = (value: string): JsonObject => ({
  append: { header: { key: 'x-a', value }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' },
});
const context = {} as FilterBuildContext;

function run(own: JsonObject, routes: readonly JsonObject[] = []): string | undefined {
  const errors = new ConfigErrors();
  const factory = headerMutation.compile(fromJson(HeaderMutationSchema, own), context, errors);
  const callbacks = new StubCallbacks();
  callbacks.configs = routes.map((json) =>
    headerMutation.compileRoute!(fromJson(HeaderMutationPerRouteSchema, json), context as never, errors),
  );
  assert.equal(errors.toString(), '');
  const headers = Headers.request('GET', '/', 'a', 'x-b', '1');
  factory.create(callbacks)!.requestHeaders!(headers, true);
  return [...headers]
    .filter(([name]) => name.startsWith('x-'))
    .map((pair) => pair.join('='))
    .join(' ');
}

test('in the order of configuration', () => {
  assert.equal(run({ mutations: { requestMutations: [set('1'), { remove: 'x-b' }] } }), 'x-a=1');
  assert.equal(run({ mutations: { requestMutations: [set('1'), { remove: 'x-a' }] } }), 'x-b=1');
});

test('which of the routes comes last', () => {
  const routes = ['host', 'route'].map((value) => ({ mutations: { requestMutations: [set(value)] } }));
  assert.equal(run({}, routes), 'x-b=1 x-a=host');
  assert.equal(run({ mostSpecificHeaderMutationsWins: true }, routes), 'x-b=1 x-a=route');
});

test('what cannot be changed is refused with its place', () => {
  const errors = new ConfigErrors();
  const mutations = { requestMutations: [{ remove: 'x-b' }, { remove: ':path' }], responseMutations: [{}] };
  headerMutation.compile(fromJson(HeaderMutationSchema, { mutations }), context, errors);
  assert.match(errors.toString(), /mutations\.request_mutations\[1\].*may not be removed/);
  assert.match(errors.toString(), /mutations\.response_mutations\[0\]: remove, append or remove_on_match is needed/);
});
