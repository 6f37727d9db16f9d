import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkCel } from './cel.ts';
import { checkHeaderValue, jwtClaims } from './headers.ts';
import {
  checkDnsName,
  checkIpOrCidr,
  checkWildcardName,
  coversHost,
  hasPartialWildcard,
  hostsOverlap,
} from './hosts.ts';
import { checkLabelKey } from './names.ts';
import { checkPathTemplate } from './path-templates.ts';
import { parseProtocol } from './ports.ts';
import { checkRegex } from './scalars.ts';

/** Runs a check over texts that it accepts and texts that it refuses. */
function accepts(
  name: string,
  check: (text: string) => string | undefined,
  good: readonly string[],
  bad: readonly string[],
): void {
  describe(name, () => {
    for (const text of good)
      test(`accepts ${JSON.stringify(text.slice(0, 60))}`, () => assert.equal(check(text), undefined));
    for (const text of bad)
      test(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => assert.notEqual(check(text), undefined));
  });
}

accepts(
  'a DNS name',
  checkDnsName,
  ['a', 'a.b', 'A-1.b', 'a.', 'x'.repeat(63), '1a.b'],
  ['', '.', 'a..b', 'a_b', '-a', 'a-', '*', '*.a', 'a.1', '1', `${'a'.repeat(64)}.b`, `${'a.'.repeat(128)}a`],
);
accepts(
  'a name with a wildcard',
  checkWildcardName,
  ['*', '*.com', '*.', '*-a.b', '*a.b', 'a'],
  ['', '*.*.com', 'a.*.b', '*-', '*.1', '10.0.0.1', 'a*.b'],
);
accepts(
  'an address or block',
  checkIpOrCidr,
  ['10.0.0.1', '10.1.2.3/8', '::1', '::1/64', 'fe80::1%eth0', '0.0.0.0/0'],
  [
    '',
    '1.2.3',
    '1.2.3.04',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'fe80::1%eth0/64',
    'a/8',
  ],
);
accepts(
  'the key of a label',
  checkLabelKey,
  ['a', 'a.b_c-d', 'example.com/a', 'A.B/c'],
  ['', '/a', 'a/', 'a/b/c', 'a_b/c', '_a', 'a b', 'x'.repeat(64), `${'a'.repeat(254)}/b`],
);
accepts(
  'an expression',
  checkRegex,
  ['.*', 'a(b|c)+', '\\d{3}', '(?i)a', '[[:alpha:]]', '(?P<n>a)'],
  ['', '(', '[a', '*', 'a**', '(?=a)', '\\1', 'x'.repeat(1025), 'a{2000}'],
);
accepts(
  'a path or template',
  checkPathTemplate,
  ['/a', '/a*', '*', '/{*}', '/a/{*}/b/{**}', '/{*}/{*}'],
  ['/{a}', '/{**}/{**}', '/{**}/{*}', '/a{*}', '/{*}/b*', '/{}', '/a}'],
);
accepts(
  'the value of a header',
  checkHeaderValue,
  [
    '',
    'plain',
    '100%%',
    '%START_TIME%',
    'a %REQ(x)% b',
    '%REQ( x )%',
    '%A(["b", "c"])%',
    '%A( [ "b" ] ) %',
    '%A(b"])%',
    '%DYNAMIC_METADATA(a:b)%',
    '%A(b\\))%',
    'tab\tok',
  ],
  [
    '%',
    'a%',
    '%%%',
    'abc%123',
    '%A',
    '%A(',
    '%A(b',
    '%A(b)',
    '%A(b) x%',
    '%A([b])%',
    '%A(b"c"])%',
    '%A(\\))%',
    '%A(")"])%',
    '%A(["b" "c"])%',
    '%A(["b",])%',
    '%A(["b"]x)%',
    '%A(\\',
    'a\nb',
    'a\u0000',
  ],
);
accepts(
  'a CEL expression',
  checkCel,
  [
    'a',
    'response.code >= 400',
    'a && !b || c',
    'a ? b : c ? d : e',
    '-1',
    '!!a',
    '"x" in y',
    '[1, 2,]',
    '{"a": 1, b: [2]}',
    'Type{f: 1}',
    '.a.b',
    'a.b(c)[0].d',
    'has(a.b)',
    'a.exists(x, x > 1)',
    'a.map(x, x > 1, x)',
    "'''multi\nline'''",
    'r"\\d"',
    'b"\\xff"',
    '"\\u00e9"',
    '0x1F',
    '1.5e3',
    '.5',
    '18446744073709551615u',
    '-9223372036854775808',
    'a // comment',
    'a.package',
  ],
  [
    '',
    ' ',
    'a &&',
    'a b',
    '(a',
    'a)',
    'a..b',
    'a.1',
    'f(a,)',
    'a = b',
    '1.',
    '"a',
    '"\\q"',
    '"a\nb"',
    'a ? b',
    '@',
    'in',
    'while',
    'has(a)',
    'a.exists(1, 2)',
    '9223372036854775808',
    '18446744073709551616u',
    '1{}',
    'f().g{}',
    '`a`',
    `${'('.repeat(300)}a${')'.repeat(300)}`,
  ],
);

test('hosts that have a name in common, and hosts that cover others', () => {
  const table: readonly (readonly [string, string, boolean, boolean])[] = [
    ['a.com', 'a.com', true, true],
    ['a.com', 'b.com', false, false],
    ['*.com', 'a.com', true, true],
    ['a.com', '*.com', true, false],
    ['*.a.com', 'a.com', false, false],
    ['*', '*.com', true, true],
    ['*.com', '*.a.com', true, true],
    ['*.a.com', '*.com', true, false],
    ['*.a.com', '*.b.com', false, false],
  ];
  for (const [a, b, overlap, covers] of table) {
    assert.equal(hostsOverlap(a, b), overlap, `${a} ${b}`);
    assert.equal(coversHost(a, b), covers, `${a} ${b}`);
  }
  assert.deepEqual(['*', '*.a', '*a.b', 'a'].map(hasPartialWildcard), [false, false, true, false]);
});

test('claims by which a route matches', () => {
  assert.deepEqual(jwtClaims('@request.auth.claims.a.b'), ['a', 'b']);
  assert.deepEqual(jwtClaims('@Request.Auth.Claims[a.b][c]'), ['a.b', 'c']);
  assert.equal(jwtClaims('@request.auth.claims'), undefined);
  assert.equal(jwtClaims('x-header'), undefined);
});

test('protocols are read in any case', () => {
  assert.equal(parseProtocol('grpc-web'), 'GRPC-Web');
  assert.equal(parseProtocol('HTTPS'), 'HTTPS');
  assert.equal(parseProtocol(''), undefined);
  assert.equal(parseProtocol(undefined), undefined);
});
