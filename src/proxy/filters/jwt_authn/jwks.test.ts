import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ecKey, edKey, rsaKey, secretKey, type TestKey, token } from '../../../../test/support/jwt.ts';
import { Jwks } from './jwks.ts';
import { decodeBase64Url, type Jwt, parseJwt } from './jwt.ts';
import { JwtStatus } from './status.ts';
import { VerifiedTokens } from './verified-tokens.ts';

const RSA = rsaKey('r');
const EC = ecKey('e');
const ED = edKey('o');
const HMAC = secretKey('h');
const PAYLOAD = { iss: 'i' };

function parsed(text: string): Jwt {
  const jwt = parseJwt(text);
  assert.ok(!('code' in jwt), JSON.stringify(jwt));
  return jwt;
}

const set = (...keys: unknown[]) => Jwks.parse(JSON.stringify({ keys }));

describe('key sets', () => {
  const table: [string, string, boolean][] = [
    ['no JSON', '{', false],
    ['no object', '[]', false],
    ['no keys', '{}', false],
    ['an empty list', '{"keys":[]}', false],
    ['keys that are no list', '{"keys":{}}', false],
    ['keys that are no objects', '{"keys":[1,null,"a"]}', false],
    ['an unknown type', '{"keys":[{"kty":"weird"}]}', false],
    ['RSA without e', JSON.stringify({ keys: [RSA.jwk({ e: undefined })] }), false],
    ['RSA with the alg of another type', JSON.stringify({ keys: [RSA.jwk({ alg: 'ES256' })] }), false],
    ['EC with another curve than its alg', JSON.stringify({ keys: [EC.jwk({ alg: 'ES384' })] }), false],
    ['EC on an unknown curve', JSON.stringify({ keys: [EC.jwk({ alg: undefined, crv: 'secp256k1' })] }), false],
    ['EC with a point that is none', JSON.stringify({ keys: [EC.jwk({ x: 'AA' })] }), false],
    ['a secret with the alg of another type', JSON.stringify({ keys: [HMAC.jwk({ alg: 'RS256' })] }), false],
    ['an empty secret', JSON.stringify({ keys: [HMAC.jwk({ k: '' })] }), false],
    ['X25519 signs nothing', JSON.stringify({ keys: [ED.jwk({ crv: 'X25519' })] }), false],
    ['one good key among others', JSON.stringify({ keys: [{ kty: 'weird' }, RSA.jwk()] }), true],
    ['certificates that are none', '{"a":"-----BEGIN CERTIFICATE-----"}', false],
  ];
  for (const [name, text, good] of table) test(name, () => assert.equal(Jwks.parse(text) !== undefined, good));

  test('private members of a key are not used', () => {
    const jwk = RSA.privateKey.export({ format: 'jwk' });
    assert.equal(set({ ...jwk, kid: 'r' })?.verify(parsed(token(RSA, PAYLOAD))), JwtStatus.Ok);
  });
});

describe('a token is verified only in the way that its key is for', () => {
  const keys: readonly TestKey[] = [RSA, EC, ED, HMAC];
  for (const key of keys) {
    for (const other of keys) {
      test(`${other.alg} against a key of ${key.alg}`, () => {
        const jwks = set(key.jwk({ kid: undefined, alg: undefined }));
        const status = jwks?.verify(parsed(token(other, PAYLOAD, { kid: undefined })));
        if (key === other) assert.equal(status, JwtStatus.Ok);
        else assert.notEqual(status, JwtStatus.Ok);
      });
    }
  }

  test('a public key is no secret', () => {
    const pem = RSA.jwk();
    const forged = token(secretKey('x'), PAYLOAD, { kid: 'r' });
    assert.equal(set({ ...pem, alg: undefined })?.verify(parsed(forged)), JwtStatus.VerificationFail);
  });

  test('key id and algorithm choose among keys', () => {
    const second = rsaKey('r2');
    const jwks = set(RSA.jwk(), second.jwk())!;
    assert.equal(jwks.verify(parsed(token(second, PAYLOAD))), JwtStatus.Ok);
    assert.equal(jwks.verify(parsed(token(second, PAYLOAD, { kid: 'r' }))), JwtStatus.VerificationFail);
    assert.equal(jwks.verify(parsed(token(second, PAYLOAD, { kid: 'r3' }))), JwtStatus.JwksKidAlgMismatch);
    assert.equal(jwks.verify(parsed(token(second, PAYLOAD, { alg: 'RS512' }))), JwtStatus.JwksKidAlgMismatch);
    assert.equal(jwks.verify(parsed(token(second, PAYLOAD, { kid: undefined }))), JwtStatus.Ok);
  });
});

test('base64url: what is decoded and what is not', () => {
  const table: [string, string | undefined][] = [
    ['', ''],
    ['YQ', 'a'],
    ['YQ==', 'a'],
    ['YWI', 'ab'],
    ['YWI=', 'ab'],
    ['YWJj', 'abc'],
    ['-_8', '\u00fb\u00ff'],
    ['YQ=', undefined],
    ['YWJj=', undefined],
    ['YWJj==', undefined],
    ['Y', undefined],
    ['YWJjZ', undefined],
    ['+/8', undefined],
    ['YW Jj', undefined],
    ['YQ\n', undefined],
    ['YQ==YQ==', undefined],
  ];
  for (const [text, wanted] of table)
    assert.equal(decodeBase64Url(text)?.toString('latin1'), wanted, JSON.stringify(text));
});

describe('tokens that were verified', () => {
  const jwt = parsed(token(HMAC, PAYLOAD));
  const keys = set(HMAC.jwk())!;

  test('are known until newer ones need the room', () => {
    const cache = new VerifiedTokens(2);
    cache.add('a', jwt, keys);
    cache.add('b', jwt, keys);
    assert.equal(cache.get('a', keys), jwt);
    cache.add('c', jwt, keys);
    assert.equal(cache.get('b', keys), undefined);
    assert.equal(cache.get('a', keys), jwt);
    assert.equal(cache.get('c', keys), jwt);
  });

  test('are forgotten with their keys', () => {
    const cache = new VerifiedTokens(2);
    cache.add('a', jwt, keys);
    const newer = set(HMAC.jwk())!;
    assert.equal(cache.get('a', newer), undefined);
    assert.equal(cache.get('a', undefined), undefined);
    cache.add('b', jwt, newer);
    assert.equal(cache.get('a', keys), undefined);
    assert.equal(cache.get('b', newer), jwt);
  });

  test('are not kept if they are long', () => {
    const cache = new VerifiedTokens(2);
    cache.add('x'.repeat(4097), jwt, keys);
    assert.equal(cache.get('x'.repeat(4097), keys), undefined);
  });
});
