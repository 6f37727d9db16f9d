import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatWorkloadIdentity,
  parseSpiffeId,
  parseWorkloadIdentity,
  spiffeIdProblem,
  TrustDomains,
  trustDomainProblem,
} from './spiffe.ts';

test('valid SPIFFE IDs', () => {
  const table: [string, string, string][] = [
    ['spiffe://cluster.local/ns/foo/sa/bar', 'cluster.local', '/ns/foo/sa/bar'],
    ['spiffe://td', 'td', ''],
    ['spiffe://a_b-c.9/X.Y_z-0', 'a_b-c.9', '/X.Y_z-0'],
    ['spiffe://td/...', 'td', '/...'],
    [`spiffe://${'a'.repeat(255)}/x`, 'a'.repeat(255), '/x'],
  ];
  for (const [uri, trustDomain, path] of table) assert.deepEqual(parseSpiffeId(uri), { trustDomain, path }, uri);
});

test('invalid SPIFFE IDs', () => {
  const table: [string, RegExp][] = [
    ['', /does not begin/],
    ['http://td/x', /does not begin/],
    ['SPIFFE://td/x', /does not begin/],
    ['spiffe:/td/x', /does not begin/],
    ['spiffe://', /domain is empty/],
    ['spiffe:///x', /domain is empty/],
    ['spiffe://TD/x', /trust domain "TD"/],
    ['spiffe://td:80/x', /trust domain "td:80"/],
    ['spiffe://user@td/x', /trust domain "user@td"/],
    ['spiffe://td?q', /trust domain/],
    ['spiffe://td#f', /trust domain/],
    ['spiffe://t%64/x', /trust domain/],
    ['spiffe://td\u00e9/x', /trust domain/],
    [`spiffe://${'a'.repeat(256)}/x`, /longer than 255/],
    ['spiffe://td/', /ends with a slash/],
    ['spiffe://td/a/', /ends with a slash/],
    ['spiffe://td//a', /empty segment/],
    ['spiffe://td/./a', /relative/],
    ['spiffe://td/a/..', /relative/],
    ['spiffe://td/a?b', /path segment "a\?b"/],
    ['spiffe://td/a#b', /path segment/],
    ['spiffe://td/a%20b', /path segment/],
    ['spiffe://td/a b', /path segment/],
    ['spiffe://td/a\n', /path segment/],
    ['spiffe://td/\u0000', /path segment/],
    [`spiffe://td/${'a'.repeat(2048)}`, /longer than 2048/],
  ];
  for (const [uri, problem] of table) {
    assert.match(spiffeIdProblem(uri) ?? '', problem, uri);
    assert.equal(parseSpiffeId(uri), undefined, uri);
  }
  assert.match(trustDomainProblem('Upper') ?? '', /other than/);
  assert.equal(trustDomainProblem('cluster.local'), undefined);
});

test('workload identities there and back', () => {
  const identity = { trustDomain: 'cluster.local', namespace: 'foo', serviceAccount: 'bar.baz' };
  const uri = 'spiffe://cluster.local/ns/foo/sa/bar.baz';
  assert.deepEqual(parseWorkloadIdentity(uri), identity);
  assert.equal(formatWorkloadIdentity(identity), uri);
});

test('other SPIFFE IDs are no workload identities', () => {
  for (const path of ['', '/vm', '/ns/foo', '/ns/foo/sa', '/NS/foo/sa/bar', '/ns/foo/xx/bar', '/ns/foo/sa/bar/baz'])
    assert.equal(parseWorkloadIdentity(`spiffe://td${path}`), undefined, path);
});

test('parts that would change the structure of the URI are refused', () => {
  const good = { trustDomain: 'td', namespace: 'ns', serviceAccount: 'sa' };
  for (const bad of ['', 'a/b', '..', 'a b', 'a%2fb', 'a?b', 'x/sa/y']) {
    if (bad !== '..') assert.equal(formatWorkloadIdentity({ ...good, trustDomain: bad }), undefined, `domain ${bad}`);
    assert.equal(formatWorkloadIdentity({ ...good, namespace: bad }), undefined, `namespace ${bad}`);
    assert.equal(formatWorkloadIdentity({ ...good, serviceAccount: bad }), undefined, `account ${bad}`);
  }
});

test('aliases stand for the trust domain, and for nothing else', () => {
  const domains = new TrustDomains('new', ['old', 'older']);
  const id = (trustDomain: string, serviceAccount = 'b') => ({ trustDomain, namespace: 'a', serviceAccount });
  assert.ok(domains.has('new') && domains.has('older') && !domains.has('other'));
  assert.ok(domains.same(id('old'), id('new')));
  assert.ok(domains.same(id('other'), id('other')));
  assert.ok(!domains.same(id('other'), id('new')));
  assert.ok(!domains.same(id('new', 'x'), id('new')));
});
