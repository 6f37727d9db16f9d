import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { CertificateValidationContextSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { registry } from '../../api/registry.ts';
import { ConfigErrors } from '../config/errors.ts';
import { anyNameMatcher, dnsMatcher, sanMatchers } from './san-matcher.ts';
import type { SanType } from './subject-alt-names.ts';

function matches(context: JsonObject, type: SanType, value: string, oid?: string): boolean {
  const errors = new ConfigErrors();
  const matchers = sanMatchers(fromJson(CertificateValidationContextSchema, context, { registry }), errors);
  assert.equal(errors.toString(), '');
  return matchers.some((matcher) => matcher.matches({ type, value, oid }));
}

const typed = (san_type: string, matcher: JsonObject, more: JsonObject = {}): JsonObject => ({
  match_typed_subject_alt_names: [{ san_type, matcher, ...more }],
});
const untyped = (...matchers: JsonObject[]): JsonObject => ({ match_subject_alt_names: matchers });

test('matchers by type and pattern', () => {
  const id = 'spiffe://cluster.local/ns/a/sa/b';
  const table: [JsonObject, SanType, string, boolean][] = [
    [typed('URI', { exact: id }), 'uri', id, true],
    [typed('URI', { exact: id }), 'dns', id, false],
    [typed('URI', { exact: id }), 'uri', `${id}c`, false],
    [typed('URI', { exact: id }), 'uri', id.toUpperCase(), false],
    [typed('URI', { exact: id, ignore_case: true }), 'uri', id.toUpperCase(), true],
    [typed('URI', { prefix: 'spiffe://cluster.local/' }), 'uri', id, true],
    [typed('URI', { prefix: 'spiffe://cluster.local/' }), 'uri', 'spiffe://cluster.local.evil/', false],
    [typed('URI', { suffix: '/sa/b' }), 'uri', id, true],
    [typed('URI', { contains: '/ns/a/' }), 'uri', id, true],
    [typed('URI', { safe_regex: { regex: 'spiffe://[^/]+/ns/a/sa/.*' } }), 'uri', id, true],
    // Expressions match the whole name.
    [typed('URI', { safe_regex: { regex: 'cluster.local' } }), 'uri', id, false],
    [typed('EMAIL', { exact: 'a@b.c' }), 'email', 'a@b.c', true],
    [typed('IP_ADDRESS', { exact: '10.0.0.1' }), 'ip', '10.0.0.1', true],
    [typed('DNS', { suffix: '.test' }), 'dns', 'a.test', true],
    [untyped({ exact: id }), 'uri', id, true],
    [untyped({ exact: '10.0.0.1' }), 'ip', '10.0.0.1', true],
    [untyped({ exact: 'x' }), 'other', 'x', false],
    [untyped({ prefix: 'no' }, { prefix: 'spiffe://' }), 'uri', id, true],
    // Typed matchers put the untyped ones out of force.
    [{ ...typed('DNS', { exact: 'x' }), ...untyped({ exact: id }) }, 'uri', id, false],
  ];
  for (const [context, type, value, expected] of table) {
    assert.equal(matches(context, type, value), expected, `${JSON.stringify(context)} ${type} ${value}`);
  }
  const upn = typed('OTHER_NAME', { exact: 'me' }, { oid: '1.3.6.1.4.1.311.20.2.3' });
  assert.equal(matches(upn, 'other', 'me', '1.3.6.1.4.1.311.20.2.3'), true);
  assert.equal(matches(upn, 'other', 'me', '1.2.3'), false);
});

test('DNS names: wildcards stand in the certificate, for a part of its first label', () => {
  const table: [certificate: string, host: string, expected: boolean][] = [
    ['a.test', 'a.test', true],
    ['A.Test', 'a.tEST', true],
    ['*.test', 'a.test', true],
    ['*.test', 'a.b.test', false],
    ['*.test', '.test', true],
    ['*.test', 'test', false],
    ['f*o.test', 'foo.test', true],
    ['f*o.test', 'fo.test', true],
    ['f*o.test', 'f.test', false],
    ['f*o.test', 'fox.test', false],
    ['**.test', 'a.test', false],
    ['*.*.test', 'a.b.test', false],
    ['xn--*.test', 'xn--a.test', false],
    ['a.*', 'a.test', false],
    ['*', 'a', false],
    ['a.test', '*.test', false],
  ];
  for (const [certificate, host, expected] of table) {
    const name = { type: 'dns', value: certificate } as const;
    assert.equal(dnsMatcher(host).matches(name), expected, `${certificate} ${host}`);
    assert.equal(matches(typed('DNS', { exact: host }), 'dns', certificate), expected, `${certificate} ${host}`);
    assert.equal(matches(untyped({ exact: host }), 'dns', certificate), expected, `${certificate} ${host}`);
    assert.equal(anyNameMatcher(host).matches(name), expected);
  }
  assert.equal(dnsMatcher('a.test').matches({ type: 'uri', value: 'a.test' }), false);
  assert.equal(anyNameMatcher('spiffe://a/b').matches({ type: 'uri', value: 'spiffe://a/b' }), true);
});

test('what they say they expect', () => {
  const proto = fromJson(
    CertificateValidationContextSchema,
    { ...untyped({ prefix: 'spiffe://a/' }, { exact: 'b' }) },
    { registry },
  );
  const [one, two] = sanMatchers(proto, new ConfigErrors());
  assert.deepEqual([one.description, two.description], ['any name with prefix spiffe://a/', 'any name b']);
});
