import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../base/errors.ts';
import { openssl } from '../openssl.test.ts';
import { encodeName, formatName, type NameAttribute, parseName } from './names.ts';

test('subjects as people write them', () => {
  const table: [string, NameAttribute[]][] = [
    ['', []],
    ['/', []],
    [
      '/O=Cargo Inc./CN=gateway',
      [
        ['O', 'Cargo Inc.'],
        ['CN', 'gateway'],
      ],
    ],
    [
      'O=Cargo Inc., CN=gateway',
      [
        ['O', 'Cargo Inc.'],
        ['CN', 'gateway'],
      ],
    ],
    [
      'o=a,cn=b=c',
      [
        ['O', 'a'],
        ['CN', 'b=c'],
      ],
    ],
    [
      '/O=a\\/b/CN=c',
      [
        ['O', 'a/b'],
        ['CN', 'c'],
      ],
    ],
    [
      'O=a\\, b,CN=c',
      [
        ['O', 'a, b'],
        ['CN', 'c'],
      ],
    ],
    ['CN=https://x/y', [['CN', 'https://x/y']]],
  ];
  for (const [text, attributes] of table) assert.deepEqual(parseName(text), attributes, text);
});

test('subjects that cannot be', () => {
  const table: [string, RegExp][] = [
    ['/ organization', /a part "organization" that is not TYPE=VALUE/],
    ['XX=1', /not TYPE=VALUE/],
    ['CN=', /empty CN/],
    [`CN=${'a'.repeat(65)}`, /longer than the 64/],
    ['C=USA', /longer than the 2/],
  ];
  for (const [text, problem] of table)
    assert.throws(
      () => parseName(text),
      (e: unknown) => e instanceof UserError && problem.test(e.message),
      text,
    );
});

test('openssl reads a name with every attribute type and non-ASCII text', () => {
  const name = encodeName(parseName('C=DE,O=Müller \\, Söhne,OU=x,DC=example,emailAddress=a@b,serialNumber=7,CN=y'));
  const out = openssl(['asn1parse', '-inform', 'DER'], name);
  for (const type of ['PRINTABLESTRING   :DE', 'UTF8STRING', 'IA5STRING         :example', 'IA5STRING         :a@b'])
    assert.ok(out.includes(type), `${type}\n${out}`);
  assert.equal(formatName(name), 'C=DE, O=Müller \\, Söhne, OU=x, DC=example, emailAddress=a@b, serialNumber=7, CN=y');
});

test('other encodings are readable, and control characters cannot disturb a terminal', () => {
  const bmp = Buffer.from('300d310b3009060355040a1e020061', 'hex');
  assert.equal(formatName(bmp), 'O=a');
  assert.equal(formatName(encodeName([['CN', 'a\u001b[31m\nb']])), 'CN=a\\x1b[31m\\x0ab');
});
