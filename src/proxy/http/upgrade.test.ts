import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import type { Route } from '../router/route.ts';
import type { NamedFilter } from './config.ts';
import { upgradeFilters, upgradeType } from './upgrade.ts';

const headers = (method: string, ...fields: string[]) => {
  const request = Headers.request(method, '/', 'a.b');
  for (let i = 0; i < fields.length; i += 2) request.add(fields[i], fields[i + 1]);
  return request;
};

test('what a request asks to be upgraded to', () => {
  const cases: [string | undefined, Headers, boolean?][] = [
    [undefined, headers('GET')],
    ['websocket', headers('GET', 'connection', 'Upgrade', 'upgrade', 'WebSocket')],
    ['websocket', headers('GET', 'connection', 'keep-alive,  upgrade', 'upgrade', 'websocket')],
    ['websocket', headers('GET', 'connection', 'close', 'connection', 'upgrade', 'upgrade', 'websocket')],
    // The connection does not name it.
    [undefined, headers('GET', 'upgrade', 'websocket')],
    [undefined, headers('GET', 'connection', 'upgraded', 'upgrade', 'websocket')],
    // Nothing can follow a request that has ended.
    [undefined, headers('GET', 'connection', 'upgrade', 'upgrade', 'websocket'), true],
    ['connect', headers('CONNECT'), true],
  ];
  for (const [wanted, request, end = false] of cases) assert.equal(upgradeType(request, end), wanted);
  const extended = headers('CONNECT');
  extended.protocol = 'WebSocket';
  assert.equal(upgradeType(extended, false), 'websocket');
});

test('which filters an upgrade goes through', () => {
  const chain: readonly NamedFilter[] = [];
  const own: readonly NamedFilter[] = [];
  const config = (enabled?: boolean, filters?: readonly NamedFilter[]) => ({
    filters: chain,
    upgrades: new Map(enabled === undefined ? [] : [['websocket', { enabled, filters }]]),
  });
  const route = (enabled?: boolean): Pick<Route, 'action'> => ({
    action: {
      kind: 'route',
      upgrades: new Map(enabled === undefined ? [] : [['websocket', { enabled, terminateConnect: false }]]),
    } as never,
  });
  const of = (...[listener, to]: [ReturnType<typeof config>, Pick<Route, 'action'>?]) =>
    upgradeFilters('websocket', listener, to);
  assert.equal(of(config(), undefined), chain, 'without a route it is for the router to answer');
  assert.equal(of(config(), route()), undefined, 'nobody allows it');
  assert.equal(of(config(true), route()), chain, 'the listener does');
  assert.equal(of(config(true, own), route()), own, 'and has filters for it');
  assert.equal(of(config(true), route(false)), undefined, 'the route does not');
  assert.equal(of(config(false), route(true)), chain, 'the route does, though the listener does not');
  assert.equal(of(config(true), { action: { kind: 'direct', status: 200, body: '' } }), chain, 'another kind of route');
});
