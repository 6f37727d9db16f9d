import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64Url, parseJwt } from './jwt.ts';
import { JwtStatus } from './status.ts';

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const token = (header: unknown, payload: unknown, signature = 'c2ln') =>
  `${encode(header)}.${encode(payload)}.${signature}`;
const GOOD = { alg: 'RS256', kid: 'k' };

test('what a token says', () => {
  const jwt = parseJwt(token(GOOD, { iss: 'i', sub: 's', aud: ['a', 'b'], nbf: 1.9, exp: 7, own: { x: 1 } }));
  assert.ok(!('code' in jwt));
  const { alg, kid, iss, sub, audiences, nbf, exp, payload, signature } = jwt;
  assert.deepEqual(
    { alg, kid, iss, sub, audiences, nbf, exp },
    {
      alg: 'RS256',
      kid: 'k',
      iss: 'i',
      sub: 's',
      audiences: ['a', 'b'],
      nbf: 1,
      exp: 7,
    },
  );
  assert.deepEqual(payload.own, { x: 1 });
  assert.equal(signature.toString(), 'sig');
  const bare = parseJwt(token({ alg: 'EdDSA' }, { aud: 'a' }));
  assert.ok(!('code' in bare));
  assert.deepEqual([bare.kid, bare.iss, bare.audiences, bare.exp], ['', '', ['a'], 0]);
});

test('what is wrong with a token', () => {
  const table: [string, JwtStatus][] = [
    ['', JwtStatus.BadFormat],
    ['a.b', JwtStatus.BadFormat],
    ['a.b.c.d', JwtStatus.BadFormat],
    ['a..c', JwtStatus.BadFormat],
    ['*.e30.c2ln', JwtStatus.HeaderBadBase64],
    [token('no json', {}), JwtStatus.HeaderBadJson],
    [token('[]', {}), JwtStatus.HeaderBadJson],
    [token({}, {}), JwtStatus.HeaderBadAlg],
    [token({ alg: 1 }, {}), JwtStatus.HeaderBadAlg],
    [token({ alg: 'none' }, {}), JwtStatus.HeaderNotImplementedAlg],
    [token({ alg: 'RS257' }, {}), JwtStatus.HeaderNotImplementedAlg],
    [token({ alg: 'RS256', kid: 1 }, {}), JwtStatus.HeaderBadKid],
    [`${encode(GOOD)}.*.c2ln`, JwtStatus.PayloadBadBase64],
    [token(GOOD, 'no json'), JwtStatus.PayloadBadJson],
    [token(GOOD, 'null'), JwtStatus.PayloadBadJson],
    [token(GOOD, { iss: 1 }), JwtStatus.IssNotString],
    [token(GOOD, { sub: {} }), JwtStatus.SubNotString],
    [token(GOOD, { iat: 'x' }), JwtStatus.IatNotInteger],
    [token(GOOD, { iat: -1 }), JwtStatus.IatOutOfRange],
    [token(GOOD, { nbf: null }), JwtStatus.NbfNotInteger],
    [token(GOOD, { nbf: 2 ** 64 }), JwtStatus.NbfOutOfRange],
    [token(GOOD, { exp: '1' }), JwtStatus.ExpNotInteger],
    [token(GOOD, { exp: -5 }), JwtStatus.ExpOutOfRange],
    [token(GOOD, { jti: 1 }), JwtStatus.JtiNotString],
    [token(GOOD, { aud: 1 }), JwtStatus.AudNotString],
    [token(GOOD, { aud: ['a', 1] }), JwtStatus.AudNotString],
    [token(GOOD, {}, '*'), JwtStatus.SignatureBadBase64],
  ];
  for (const [text, want] of table) assert.equal(parseJwt(text), want, text);
});

test('base64url, strictly', () => {
  const table: [string, string | undefined][] = [
    ['', ''],
    ['YQ', 'a'],
    ['YQ==', 'a'],
    ['YWI=', 'ab'],
    ['YQ=', undefined],
    ['Y', undefined],
    ['Y+/=', undefined],
    ['YW I', undefined],
  ];
  for (const [text, want] of table) assert.equal(decodeBase64Url(text)?.toString(), want, text);
});
