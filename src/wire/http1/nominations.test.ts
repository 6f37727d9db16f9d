import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../headers.ts';
import { Nominations, nominations } from './nominations.ts';

const judged = (...fields: [string, string][]) => {
  const headers = Headers.request('GET', '/', 'a');
  for (const [name, value] of fields) headers.add(name, value);
  return nominations(headers);
};
const names = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}`).join(', ');

test('what Connection may name', () => {
  assert.equal(judged(['connection', 'x-a, close']), Nominations.Harmless);
  assert.equal(judged(['connection', ', ,,']), Nominations.Harmless);
  assert.equal(judged(['connection', names(9)]), Nominations.Harmless);
  assert.equal(judged(['connection', 'te'], ['te', 'x'.repeat(255)]), Nominations.Harmless);
  assert.equal(judged(['te', 'x'.repeat(256)]), Nominations.Harmless);
});

test('what it may not', () => {
  assert.equal(judged(['connection', names(10)]), Nominations.Rejected);
  assert.equal(judged(['connection', 'a,b,c,d,e'], ['connection', 'f,g,h,i,close']), Nominations.Rejected);
  assert.equal(judged(['connection', 'close, X-Forwarded-For']), Nominations.Rejected);
  assert.equal(judged(['connection', 'x-forwarded-host']), Nominations.Rejected);
  assert.equal(judged(['connection', ':path']), Nominations.Rejected);
  assert.equal(judged(['connection', 'host, x-forwarded-proto']), Nominations.Rejected);
  assert.equal(judged(['connection', 'te'], ['te', 'x'.repeat(256)]), Nominations.Rejected);
});

test('a host that is to be taken away', () => {
  assert.equal(judged(['connection', 'Host, close']), Nominations.Host);
});
