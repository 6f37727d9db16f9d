import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import type { Route } from '../../router/route.ts';
import { routeAnswer } from './route-answer.ts';
import { RouterStats } from './stats.ts';

function answer(action: object, secure = false) {
  const stats = new RouterStats();
  const edit = (headers: Headers) => headers.set('x-route', 'edited');
  const route = { action, responseEdits: [edit] } as unknown as Route;
  const info = new StreamInfo(stubConnection(), 0, 0);
  const reply = routeAnswer(route, Headers.request('GET', '/p', 'a.b'), info, secure, stats);
  const headers = Headers.response(reply.status);
  reply.edit?.(headers);
  return { stats, reply, headers };
}

test('a redirect', () => {
  const location = (headers: Headers, secure: boolean) => `${secure ? 'https' : 'http'}://c.d${headers.path}`;
  const { stats, reply, headers } = answer({ kind: 'redirect', status: 301, location }, true);
  assert.deepEqual([reply.status, reply.body, reply.details], [301, '', 'direct_response']);
  assert.deepEqual([headers.get('location'), headers.get('x-route')], ['https://c.d/p', 'edited']);
  assert.equal(stats.rq_direct_response, 1);
});

test('a direct response', () => {
  const { stats, reply, headers } = answer({ kind: 'direct', status: 418, body: 'tea' });
  assert.deepEqual([reply.status, reply.body, reply.details], [418, 'tea', 'direct_response']);
  assert.equal(headers.get('x-route'), 'edited');
  assert.equal(stats.rq_direct_response, 1);
});

test('a direct response that says where the request went', () => {
  const location = (status: number) => answer({ kind: 'direct', status, body: '' }).headers.get('location');
  assert.deepEqual([200, 201, 300, 399, 400].map(location), [
    undefined,
    'http://a.b/p',
    'http://a.b/p',
    'http://a.b/p',
    undefined,
  ]);
});

test('a route for filters only is none', () => {
  const { reply } = answer({ kind: 'non-forwarding' });
  assert.deepEqual([reply.status, reply.details, reply.flags], [503, 'cluster_not_found', ResponseFlag.NoClusterFound]);
});
