import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { InternalRedirectPolicySchema } from '../../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { registry } from '../../../api/registry.ts';
import { Headers } from '../../../wire/headers.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import { internalRedirectPolicy } from '../../router/internal-redirect.ts';
import type { Route } from '../../router/route.ts';
import { becomesGet, followRedirect } from './internal-redirect.ts';
import { RouterStats } from './stats.ts';

const PREFIX = 'type.googleapis.com/envoy.extensions.internal_redirect';
const predicate = (type: string, fields: JsonObject = {}): JsonObject => ({
  predicates: [{ name: 'p', typedConfig: { '@type': `${PREFIX}.${type}`, ...fields } }],
});

function follow(location: string, policy: JsonObject = {}, routeName: string | null = 'target', times = 1) {
  const errors = new ConfigErrors();
  const compiled = internalRedirectPolicy(fromJson(InternalRedirectPolicySchema, policy, { registry }), errors);
  assert.deepEqual(errors.list, []);
  const stats = new RouterStats();
  const connection = stubConnection();
  const info = new StreamInfo(connection, 0, 0);
  const callbacks = {
    connection,
    info,
    route: routeName === null ? undefined : ({ name: routeName } as Route),
    clearRouteCache() {},
  };
  let request = Headers.request('POST', '/a?b', 'here.test', 'x-absent', '1');
  let followed = false;
  for (let i = 0; i < times; i++) {
    request = Headers.request('POST', '/a?b', 'here.test', 'x-absent', '1');
    followed = followRedirect(
      compiled,
      Headers.response(302, 'location', location, 'x-copy', '2'),
      request,
      callbacks,
      stats,
    );
  }
  const refused = Object.entries(stats).find(([name, value]) => name.startsWith('passthrough') && value > 0);
  return { followed, request: [...request].flat().join(' '), refused: refused?.[0].slice(30) };
}

test('where a redirect leads', () => {
  for (const [location, authority, path] of [
    ['http://there.test/c?d#e', 'there.test', '/c?d'],
    ['HTTP://user:word@there.test:81', 'there.test:81', '/'],
    ['http://there.test?q', 'there.test', '/?q'],
  ]) {
    assert.match(follow(location).request, new RegExp(`:path ${path.replace('?', '\\?')} :authority ${authority} `));
  }
  const { request } = follow('http://there.test/', { responseHeadersToCopy: ['X-Copy', 'x-absent'] });
  assert.match(request, /x-copy 2 x-envoy-original-url http:\/\/here\.test\/a\?b$/);
  assert.doesNotMatch(request, /x-absent/);
});

test('what is not followed', () => {
  const same = follow('/no').request;
  for (const [location, policy, refused, route] of [
    ['', {}, 'bad_location'],
    ['/relative', {}, 'bad_location'],
    ['https://there.test/', {}, 'unsafe_scheme'],
    ['ftp://there.test/', { allowCrossSchemeRedirect: true }, 'unsafe_scheme'],
    ['http://there.test/', { maxInternalRedirects: 0 }, 'too_many_redirects'],
    ['http://there.test/', { responseHeadersToCopy: ['x-absent', 'x-copy'] }, 'no_route', 'none'],
    ['http://there.test/', predicate('allow_listed_routes.v3.AllowListedRoutesConfig'), 'predicate'],
    [
      'https://there.test/',
      { allowCrossSchemeRedirect: true, ...predicate('safe_cross_scheme.v3.SafeCrossSchemeConfig') },
      'predicate',
    ],
  ] as [string, JsonObject, string, string?][]) {
    const result = follow(location, policy, route === 'none' ? null : 'target');
    assert.deepEqual(result, { followed: false, request: same, refused }, location);
  }
});

test('routes that were redirected to before', () => {
  const policy = { maxInternalRedirects: 9, ...predicate('previous_routes.v3.PreviousRoutesConfig') };
  assert.equal(follow('http://a/', policy, 'target', 1).followed, true);
  assert.equal(follow('http://a/', policy, 'target', 2).refused, 'predicate');
});

test('after a 303', () => {
  for (const [method, status, becomes] of [
    ['POST', 303, true],
    ['HEAD', 303, false],
    ['POST', 307, false],
  ] as const) {
    const request = Headers.request(method, '/', 'a', 'content-length', '3');
    assert.equal(becomesGet(status, request), becomes);
    assert.equal(request.has('content-length'), !becomes);
  }
});
