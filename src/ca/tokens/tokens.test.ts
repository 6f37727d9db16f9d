import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { TestPki } from '../../../test/support/pki.ts';
import { ManualClock } from '../../base/clock.ts';
import { TrustDomains } from '../../base/spiffe.ts';
import { openSelfSigned } from '../authority/directory.ts';
import { modeOf, scratch } from '../openssl.test.ts';
import { Certificate } from '../x509/certificate.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';
import { createRequest } from '../x509/request.ts';
import { AuthenticationError, bearerToken } from './authenticator.ts';
import { CertificateAuthenticator } from './certificate-authenticator.ts';
import { parseSubject } from './service-account.ts';
import { KUBERNETES_ALGORITHMS, localKeys, remoteKeys, TokenAuthenticator } from './token-authenticator.ts';
import { TokenIssuer } from './token-issuer.ts';

const HOUR = 3_600_000;
const ISSUER = 'https://mesh.local';
const trustDomain = 'cluster.local';

const refused = (problem: RegExp) => (e: unknown) => e instanceof AuthenticationError && problem.test(e.message);

test('subjects of service accounts', () => {
  assert.deepEqual(parseSubject('system:serviceaccount:foo:bar.baz'), { namespace: 'foo', serviceAccount: 'bar.baz' });
  const bad = [
    '',
    'foo',
    'system:serviceaccount:',
    'system:serviceaccount:foo',
    'system:serviceaccount:foo:',
    'system:serviceaccount::bar',
    'system:serviceaccount:foo:bar:baz',
    'system:serviceaccount:fo o:bar',
    'system:serviceaccount:foo:ba/r',
    'system:serviceaccount:foo:../x',
    'system:serviceaccount:foo:a..b',
    'system:serviceaccount:Foo:bar',
    `system:serviceaccount:${'a'.repeat(64)}:bar`,
  ];
  for (const subject of bad) assert.equal(parseSubject(subject), undefined, subject);
});

test('the scheme of a bearer token is compared exactly, as istiod does', () => {
  assert.equal(bearerToken('Bearer abc'), 'abc');
  for (const header of [undefined, '', 'abc', 'bearer abc', 'Basic abc', 'Bearer', 'Bearer ', 'Istio abc'])
    assert.equal(bearerToken(header), undefined, String(header));
});

async function localMesh(dir: string) {
  const clock = new ManualClock();
  const issuer = await TokenIssuer.open(path.join(dir, 'tokens'), { issuer: ISSUER, clock });
  const authenticator = new TokenAuthenticator({
    issuer: { issuer: ISSUER, keys: localKeys(issuer.jwks()) },
    trustDomain,
    clock,
  });
  return { clock, issuer, authenticator };
}

test('a token of the local mesh proves a service account until it expires', async (t) => {
  const { clock, issuer, authenticator } = await localMesh(scratch(t));
  const bearer = await issuer.issue({
    namespace: 'foo',
    serviceAccount: 'bar',
    pod: { name: 'p', uid: 'u' },
    ttlMs: HOUR,
  });
  const [header, payload] = bearer
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  assert.equal(header.alg, 'ES256');
  const { iat, jti, ...claims } = payload;
  assert.deepEqual(claims, {
    'kubernetes.io': { namespace: 'foo', pod: { name: 'p', uid: 'u' }, serviceaccount: { name: 'bar' } },
    iss: ISSUER,
    sub: 'system:serviceaccount:foo:bar',
    aud: ['istio-ca'],
    nbf: iat,
    exp: iat + 3600,
  });
  assert.match(jti, /^[0-9a-f-]{36}$/);
  const caller = {
    identity: { trustDomain, namespace: 'foo', serviceAccount: 'bar' },
    via: 'token',
    expiresAt: clock.now() + HOUR,
  };
  assert.deepEqual(await authenticator.authenticate({ bearer }), caller);
  assert.equal(await authenticator.authenticate({}), null);
  clock.advance(HOUR + 9000);
  assert.ok(await authenticator.authenticate({ bearer }), 'within the tolerance for clocks that differ');
  clock.advance(1000);
  await assert.rejects(authenticator.authenticate({ bearer }), refused(/"exp" claim timestamp check failed/));
  clock.advance(-HOUR - 30_000);
  await assert.rejects(authenticator.authenticate({ bearer }), refused(/"nbf" claim timestamp check failed/));
});

test('a token of a pod ends with the pod, where somebody knows', async (t) => {
  const { issuer, clock } = await localMesh(scratch(t));
  let gone = false;
  const seen: unknown[] = [];
  const authenticator = new TokenAuthenticator({
    issuer: { issuer: ISSUER, keys: localKeys(issuer.jwks()) },
    trustDomain,
    clock,
    podProblem: (pod) => {
      seen.push(pod);
      return gone ? 'it has gone' : undefined;
    },
  });
  const account = { namespace: 'foo', serviceAccount: 'bar' };
  const bearer = await issuer.issue({ ...account, pod: { name: 'p', uid: 'u' } });
  assert.ok(await authenticator.authenticate({ bearer }));
  const issuedAt = Math.floor(clock.now() / 1000) * 1000;
  assert.deepEqual(seen, [{ namespace: 'foo', name: 'p', uid: 'u', issuedAt }]);
  gone = true;
  await assert.rejects(authenticator.authenticate({ bearer }), refused(/^it has gone$/));
  assert.ok(await authenticator.authenticate({ bearer: await issuer.issue(account) }), 'of no pod');
});

test('the key is made once, kept private, and outlives the process', async (t) => {
  const dir = scratch(t);
  const { issuer, clock } = await localMesh(dir);
  const file = path.join(dir, 'tokens', 'token-key.pem');
  assert.equal(modeOf(file), '600');
  assert.equal(modeOf(path.dirname(file)), '700');
  assert.equal(issuer.jwks().keys[0].d, undefined);
  const again = await TokenIssuer.open(path.dirname(file), { issuer: ISSUER, clock });
  assert.deepEqual(again.jwks(), issuer.jwks());
  await assert.rejects(
    issuer.issue({ namespace: 'a/b', serviceAccount: 'x' }),
    /UserError: "a\/b\/x" is not a valid namespace/,
  );
  fs.rmSync(file);
  fs.writeFileSync(path.join(dir, 'tokens', 'other'), '');
  await assert.rejects(
    TokenIssuer.open(path.dirname(file), { issuer: ISSUER }),
    /UserError: .* has files but no token-key\.pem/,
  );
});

test('tokens that prove nothing', async (t) => {
  const { clock, issuer, authenticator } = await localMesh(scratch(t));
  const stranger = await TokenIssuer.open(path.join(scratch(t), 'x'), { issuer: ISSUER, clock });
  const other = await TokenIssuer.open(path.join(scratch(t), 'y'), { issuer: 'https://other', clock });
  const account = { namespace: 'foo', serviceAccount: 'bar' };
  const good = await issuer.issue(account);
  const [head, body, signature] = good.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload;
  const secret = new TextEncoder().encode(JSON.stringify(issuer.jwks().keys[0]));
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:foo:admin' })).toString(
    'base64url',
  );
  const table: [string, string, RegExp][] = [
    ['not a token', 'abc', /failed to verify/],
    ['empty parts', '..', /failed to verify/],
    ['too large', 'a'.repeat(20000), /larger than 16384/],
    ['another audience', await issuer.issue({ ...account, audiences: ['api'] }), /unexpected "aud"/],
    ['another key', await stranger.issue(account), /no applicable key/],
    ['another issuer', await other.issue(account), /no applicable key|"iss"/],
    ['changed claims', `${head}.${forged}.${signature}`, /signature verification failed/],
    ['cut signature', good.slice(0, -4), /failed to verify/],
    ['no algorithm', new UnsecuredJWT(claims).encode(), /failed to verify/],
    ['HMAC with the public key', await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret), /"alg"/],
  ];
  for (const [name, bearer, problem] of table)
    await assert.rejects(authenticator.authenticate({ bearer }), refused(problem), name);
  assert.throws(
    () =>
      new TokenAuthenticator({
        issuer: { issuer: ISSUER, keys: localKeys(issuer.jwks()), algorithms: ['HS256'] },
        trustDomain,
      }),
  );
});

test("a cluster's tokens, with keys that the issuer publishes", async (t) => {
  const clock = new ManualClock();
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  let keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }];
  let fetched = 0;
  let padding = '';
  const server = http.createServer((_, response) => {
    fetched++;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys, padding }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const uri = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/openid/v1/jwks`);
  const trusting = () =>
    new TokenAuthenticator({
      issuer: {
        issuer: 'https://kubernetes.default.svc',
        keys: remoteKeys(uri),
        audiences: ['istio-ca', 'other'],
        algorithms: KUBERNETES_ALGORITHMS,
      },
      trustDomain,
      clock,
    });
  const now = Math.floor(clock.now() / 1000);
  const token = (change: JWTPayload, kid = 'one') =>
    new SignJWT({
      iss: 'https://kubernetes.default.svc',
      sub: 'system:serviceaccount:foo:bar',
      aud: ['istio-ca'],
      exp: now + 600,
      'kubernetes.io': { namespace: 'foo', serviceaccount: { name: 'bar', uid: 'u' } },
      ...change,
    })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(privateKey);
  const authenticator = trusting();
  assert.deepEqual((await authenticator.authenticate({ bearer: await token({}) }))?.identity, {
    trustDomain,
    namespace: 'foo',
    serviceAccount: 'bar',
  });
  assert.ok(await authenticator.authenticate({ bearer: await token({ aud: 'other' }) }));
  assert.ok(await authenticator.authenticate({ bearer: await token({ 'kubernetes.io': undefined }) }));
  assert.equal(fetched, 1);
  const table: [JWTPayload, RegExp][] = [
    [{ sub: 'system:serviceaccount:foo' }, /subject of the token is not/],
    [{ sub: undefined }, /missing required "sub"/],
    [{ exp: undefined }, /missing required "exp"/],
    [{ 'kubernetes.io': { namespace: 'kube-system', serviceaccount: { name: 'bar' } } }, /name another account/],
    [{ 'kubernetes.io': { namespace: 'foo', serviceaccount: null } }, /name another account/],
    [{ 'kubernetes.io': null }, /name another account/],
  ];
  for (const [change, problem] of table)
    await assert.rejects(
      token(change).then((bearer) => authenticator.authenticate({ bearer })),
      refused(problem),
      String(problem),
    );

  keys = [];
  await assert.rejects(
    token({}).then((bearer) => trusting().authenticate({ bearer })),
    refused(/no applicable key/),
  );
  padding = 'x'.repeat(2 << 20);
  await assert.rejects(
    token({}).then((bearer) => trusting().authenticate({ bearer })),
    refused(/key set is larger than/),
  );
});

test('a workload certificate proves its identity while it is valid', async (t) => {
  const clock = new ManualClock(Date.now());
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, clock });
  const strange = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, clock });
  t.after(() => [authority, strange].forEach((a) => a.close()));
  const authenticator = new CertificateAuthenticator({
    roots: () => authority.roots(),
    trustDomains: new TrustDomains(trustDomain, ['old.domain']),
    isRevoked: ({ serial }) => revoked.has(serial),
    clock,
  });
  const revoked = new Set<string>();
  const csr = await createRequest(await generatePrivateKey('ecdsa-p256'), {});
  const certificate = async (identity?: string, dnsNames?: string[], from = authority) => {
    const { chain } = await from.sign(csr, { identity, dnsNames, ttlMs: HOUR });
    return { peerCertificates: chain.map((pem) => parsePem(pem, 'it')[0].der) };
  };
  const id = 'spiffe://cluster.local/ns/foo/sa/bar';
  const good = await certificate(id);
  const expiresAt = Math.floor((clock.now() + HOUR) / 1000) * 1000;
  assert.deepEqual(await authenticator.authenticate(good), {
    identity: { trustDomain, namespace: 'foo', serviceAccount: 'bar' },
    via: 'certificate',
    expiresAt,
  });
  const alias = await authenticator.authenticate(await certificate('spiffe://old.domain/ns/foo/sa/bar'));
  assert.equal(alias?.identity.trustDomain, 'old.domain');
  assert.equal(await authenticator.authenticate({}), null);
  assert.equal(await authenticator.authenticate({ peerCertificates: [] }), null);
  const root = parsePem(authority.roots(), 'it')[0].der;
  const table: [string, { peerCertificates: Uint8Array[] }, RegExp][] = [
    ['another root', await certificate(id, undefined, strange), /is not signed by|not among/],
    [
      'another trust domain',
      await certificate('spiffe://other/ns/foo/sa/bar'),
      /trust domain "other" is not one of this mesh/,
    ],
    ['no workload', await certificate('spiffe://cluster.local/vm'), /does not carry one spiffe/],
    ['no SPIFFE ID', await certificate(undefined, ['istiod']), /does not carry one spiffe/],
    ['an authority', { peerCertificates: [root] }, /that of an authority/],
    ['garbage', { peerCertificates: [Buffer.from('x')] }, /cannot be read/],
    ['too many', { peerCertificates: Array(17).fill(root) }, /more than 16/],
  ];
  for (const [name, credentials, problem] of table)
    await assert.rejects(authenticator.authenticate(credentials), refused(problem), name);
  revoked.add(new Certificate(good.peerCertificates[0]!).serial);
  await assert.rejects(authenticator.authenticate(good), refused(/is revoked$/));
  revoked.clear();
  clock.advance(HOUR + 1000);
  await assert.rejects(authenticator.authenticate(good), refused(/expired on/));
});

test('an intermediate that is known is judged anew for each who presents it', async (t) => {
  const clock = new ManualClock(Date.now());
  const [pki, other] = [await TestPki.make(path.join(scratch(t), 'a')), await TestPki.make(path.join(scratch(t), 'b'))];
  let { roots } = pki;
  const revoked = new Set<string>();
  const authenticator = new CertificateAuthenticator({
    roots: () => roots,
    trustDomains: new TrustDomains(trustDomain),
    isRevoked: ({ serial }) => revoked.has(serial),
    clock,
  });
  const credentials = async (name: string, from = pki) => {
    const { cert } = await from.issue({ uris: [`spiffe://cluster.local/ns/foo/sa/${name}`] });
    return { peerCertificates: parsePem(cert, 'it').map(({ der }) => der) };
  };
  const [first, second] = [await credentials('a'), await credentials('b')];
  assert.equal(first.peerCertificates.length, 2);
  for (const each of [first, second, first]) assert.ok(await authenticator.authenticate(each));
  await assert.rejects(authenticator.authenticate(await credentials('a', other)), AuthenticationError);
  const [leaf] = second.peerCertificates;
  const forged = Uint8Array.from(leaf!);
  forged[forged.length - 1]! ^= 1;
  const peerCertificates = [forged, ...second.peerCertificates.slice(1)];
  await assert.rejects(authenticator.authenticate({ peerCertificates }), AuthenticationError);

  const intermediate = new Certificate(first.peerCertificates[1]!);
  revoked.add(intermediate.serial);
  await assert.rejects(authenticator.authenticate(first), refused(/is revoked$/));
  revoked.clear();
  roots = other.roots;
  await assert.rejects(authenticator.authenticate(first), refused(/is not signed by|not among/));
  roots = pki.roots;
  assert.ok(await authenticator.authenticate(first));
  clock.advance(2 * HOUR);
  await assert.rejects(authenticator.authenticate(first), refused(/expired on/));
});
