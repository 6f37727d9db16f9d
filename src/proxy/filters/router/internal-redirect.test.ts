import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../../wire/headers.ts';
import type { Route } from '../../router/route.ts';
import { followRedirect } from './internal-redirect.ts';

const POLICY = { maxRedirects: 1, statuses: new Set([302]), allowCrossScheme: false };
const FORWARDS = { action: { kind: 'route' } } as Route;
const ANSWERS = { action: { kind: 'direct' } } as Route;

interface Case {
  readonly name: string;
  readonly location: string | undefined;
  readonly secure?: true;
  readonly cross?: true;
  readonly route?: Route | undefined;
  /** `AUTHORITY PATH ORIGINAL` of a request that was redirected. */
  readonly becomes?: string;
}

const CASES: readonly Case[] = [
  { name: 'another host', location: 'http://c.d/e?f', becomes: 'c.d /e?f http://a.b/x' },
  { name: 'without a path', location: 'http://c.d', becomes: 'c.d / http://a.b/x' },
  { name: 'the fragment is left out', location: 'http://c.d/e#f', becomes: 'c.d /e http://a.b/x' },
  { name: 'the same scheme of TLS', location: 'https://c.d/', secure: true, becomes: 'c.d / https://a.b/x' },
  { name: 'no Location', location: undefined },
  { name: 'a query without a path', location: 'http://c.d?e' },
  { name: 'a fragment without a path', location: 'http://c.d#e' },
  { name: 'a relative one', location: '/e' },
  { name: 'another scheme', location: 'https://c.d/' },
  {
    name: 'another scheme, where that is allowed',
    location: 'https://c.d/',
    cross: true,
    becomes: 'c.d / http://a.b/x',
  },
  { name: 'no scheme of HTTP', location: 'ftp://c.d/', cross: true },
  { name: 'no route', location: 'http://c.d/', route: undefined },
  { name: 'a route that answers by itself', location: 'http://c.d/', route: ANSWERS },
];

for (const one of CASES) {
  test(one.name, () => {
    const { location, secure, cross, becomes } = one;
    const request = Headers.request('GET', '/x', 'a.b');
    const response = Headers.response(302);
    if (location !== undefined) response.set('location', location);
    let cleared = 0;
    const callbacks = {
      connection: { tls: secure && {} } as never,
      route: 'route' in one ? one.route : FORWARDS,
      clearRouteCache: () => void cleared++,
    };
    const found = followRedirect({ ...POLICY, allowCrossScheme: cross ?? false }, response, request, callbacks);
    const now = `${request.authority} ${request.path}`;
    if (becomes === undefined) {
      assert.equal(found, undefined);
      assert.deepEqual([now, request.has('x-envoy-original-url')], ['a.b /x', false]);
      // What was found for another address is not to be used for this one.
      assert.equal(cleared, 'route' in one ? 2 : 0);
    } else {
      assert.equal(found?.route, FORWARDS);
      assert.equal(`${now} ${request.get('x-envoy-original-url')}`, becomes);
      assert.equal(cleared, 1);
    }
  });
}
