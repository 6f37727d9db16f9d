import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { newHost } from '../../../../test/support/hosts.ts';
import { Headers } from '../../../wire/headers.ts';
import { type StatefulSessionConfig, StatefulSessionFilter } from './filter.ts';
import { cookieSession, headerSession } from './session.ts';

let now = 1000;
const cookie = (ttl = 0, path = '/') => cookieSession({ name: 'c', path, ttl, now: () => now });

/** What a client is told after a first answer. */
function tell(session: ReturnType<typeof cookie>, address = '10.0.0.1:80'): string {
  const response = Headers.response(200);
  session.write(response, address);
  return response.get('set-cookie') ?? response.get('x-session') ?? '';
}

const request = (...list: string[]) => Headers.request('GET', '/a', 'h', ...list);
const withCookie = (setCookie: string) => request('cookie', setCookie.split(';')[0]);

test('a cookie brings back what it was told', () => {
  const session = cookie(60, '/a');
  const told = tell(session);
  assert.match(told, /^c="[^"]+"; Max-Age=60; Path=\/a; HttpOnly$/);
  assert.equal(session.read(withCookie(told)), '10.0.0.1:80');
  now += 61;
  assert.equal(session.read(withCookie(told)), undefined, 'it is out of date');
});

test('a cookie that nobody made is none', () => {
  assert.equal(cookie().read(request('cookie', 'c=!!!')), undefined);
  assert.equal(cookie().read(request('cookie', 'other=x')), undefined);
});

for (const [path, requested, covered] of [
  ['/a', '/a', true],
  ['/a', '/a/b?x', true],
  ['/a', '/ab', false],
  ['/a/', '/a/b', true],
  ['', '/', true],
] as const) {
  test(`a cookie of ${path || 'no path'} ${covered ? 'covers' : 'does not cover'} ${requested}`, () => {
    assert.equal(cookie(0, path).covers(requested), covered);
  });
}

test('a header brings back what it was told', () => {
  const session = headerSession('x-session');
  assert.equal(session.read(request('x-session', tell(session))), '10.0.0.1:80');
});

function run(config: StatefulSessionConfig, headers: Headers, ofRoute?: StatefulSessionConfig) {
  const callbacks = new StubCallbacks();
  if (ofRoute !== undefined) callbacks.configs = [ofRoute];
  const filter = new StatefulSessionFilter(config, callbacks);
  filter.requestHeaders(headers);
  callbacks.info.upstreamHost = newHost(80);
  const response = Headers.response(200);
  filter.responseHeaders(response);
  return { override: callbacks.info.overrideHost, told: response.has('x-session') };
}

const session = headerSession('x-session');

test('a client is told once where it is', () => {
  assert.deepEqual(run({ session, strict: false }, request()), { override: undefined, told: true });
  assert.deepEqual(run({ session, strict: true }, request('x-session', tell(session))), {
    override: { address: '10.0.0.1:80', strict: true },
    told: false,
  });
});

test('a client whose host is gone is told where it is now', () => {
  const headers = request('x-session', tell(session, '10.0.0.2:80'));
  assert.equal(run({ session, strict: false }, headers).told, true);
});

test('a route decides instead of the filter', () => {
  const none = { session: undefined, strict: false };
  assert.equal(run({ session, strict: false }, request(), none).told, false);
  assert.equal(run(none, request(), { session, strict: false }).told, true);
});
