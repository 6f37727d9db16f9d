import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema } from '../../api/gen/istio/v1/auth/ca_pb.ts';
import { ManualClock } from '../../base/clock.ts';
import { TrustDomains } from '../../base/spiffe.ts';
import { GrpcCode } from '../../wire/grpc/transport.ts';
import { openSelfSigned } from '../authority/directory.ts';
import { opensslVerify, scratch } from '../openssl.test.ts';
import { AuthenticationError, type Authenticator, type Caller } from '../tokens/authenticator.ts';
import { CertificateAuthenticator } from '../tokens/certificate-authenticator.ts';
import { localKeys, TokenAuthenticator } from '../tokens/token-authenticator.ts';
import { TokenIssuer } from '../tokens/token-issuer.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';
import { createRequest } from '../x509/request.ts';
import type { AuditRecord } from './audit.ts';
import { CertificateService, type CertificateServiceOptions, type Peer } from './certificate-service.ts';
import { GrpcError } from './grpc-error.ts';
import { expiryGauges } from './metrics.ts';
import { RateLimit } from './rate-limit.ts';

const trustDomain = 'cluster.local';
const ID = 'spiffe://cluster.local/ns/foo/sa/bar';
const DAY = 86_400n;

async function mesh(t: TestContext, options: Partial<CertificateServiceOptions> = {}) {
  const clock = new ManualClock(Date.now());
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, clock });
  t.after(() => authority.close());
  const tokens = await TokenIssuer.open(path.join(scratch(t), 'tokens'), { issuer: 'mesh', clock });
  const trustDomains = new TrustDomains(trustDomain, ['old.domain']);
  const audit: AuditRecord[] = [];
  const counts: Record<string, number> = {};
  const service = new CertificateService({
    authority,
    authenticators: [
      new CertificateAuthenticator({ roots: () => authority.roots(), trustDomains, clock }),
      new TokenAuthenticator({ issuer: { issuer: 'mesh', keys: localKeys(tokens.jwks()) }, trustDomain, clock }),
    ],
    trustDomains,
    clock,
    audit: (record) => audit.push(record),
    metrics: {
      increment(counter, labels) {
        const name = counter.replace('citadel_server_', '') + (labels ? `{${labels.error}}` : '');
        counts[name] = (counts[name] ?? 0) + 1;
      },
    },
    ...options,
  });
  const token = await tokens.issue({ namespace: 'foo', serviceAccount: 'bar' });
  const peer: Peer = { address: '127.0.0.7:1234', authorization: `Bearer ${token}` };
  return { clock, authority, service, audit, counts, peer, token };
}

const request = async (uris: string[] = [ID]) => createRequest(await generatePrivateKey('ecdsa-p256'), { uris });

const fails = (code: GrpcCode, message: RegExp) => (e: unknown) =>
  e instanceof GrpcError && e.code === code && message.test(e.message);

test('by token, and then by the certificate that the token bought', async (t) => {
  const { service, audit, counts, peer, authority } = await mesh(t);
  const csr = await request();
  const ask = (who: Peer) =>
    service.createCertificate(create(IstioCertificateRequestSchema, { csr, validityDuration: DAY }), who);
  const { certChain } = await ask(peer);
  assert.equal(certChain.length, 2);
  assert.equal(certChain[1], authority.roots());
  assert.equal(opensslVerify(certChain[0], '', certChain[1]), 'OK');

  const certificates = [parsePem(certChain[0], 'leaf')[0].der];
  const renewed = await ask({ address: '127.0.0.7:5', certificates, authorization: 'Bearer nonsense' });
  assert.equal(opensslVerify(renewed.certChain[0], '', renewed.certChain[1]), 'OK');
  assert.deepEqual(counts, { csr_count: 2, success_cert_issuance_count: 2 });
  assert.deepEqual(
    audit.map((r) => [r.outcome, r.caller, r.via, r.peer]),
    [
      ['issued', ID, 'token', '127.0.0.7:1234'],
      ['issued', ID, 'certificate', '127.0.0.7:5'],
    ],
  );
  assert.ok(
    audit.every((r) => r.outcome === 'issued' && /^[0-9a-f]{32}$/.test(r.serial) && /^[0-9a-f]{64}$/.test(r.publicKey)),
  );
});

test('refusals, with the codes and messages of istiod', async (t) => {
  const { service, audit, counts, peer } = await mesh(t);
  const good = await request();
  const max = 'is greater than the max allowed TTL 2160h0m0s\\)$';
  const table: [
    string,
    { csr?: string; validityDuration?: bigint; metadata?: Record<string, string> },
    Partial<Peer>,
    GrpcCode,
    RegExp,
    string,
  ][] = [
    [
      'no credential',
      {},
      { authorization: undefined },
      GrpcCode.Unauthenticated,
      /^request authenticate failure$/,
      'authentication_failure_count',
    ],
    [
      'bad token',
      {},
      { authorization: 'Bearer abc' },
      GrpcCode.Unauthenticated,
      /^request authenticate failure$/,
      'authentication_failure_count',
    ],
    [
      'lower-case scheme',
      {},
      { authorization: peer.authorization?.replace('B', 'b') },
      GrpcCode.Unauthenticated,
      /^request authenticate failure$/,
      'authentication_failure_count',
    ],
    [
      'bad certificate',
      {},
      { authorization: undefined, certificates: [Buffer.from('x')] },
      GrpcCode.Unauthenticated,
      /^request authenticate failure$/,
      'authentication_failure_count',
    ],
    [
      'impersonation',
      { metadata: { ImpersonatedIdentity: ID } },
      {},
      GrpcCode.Unauthenticated,
      /^request impersonation authentication failure$/,
      'authentication_failure_count',
    ],
    [
      'no request',
      { csr: '' },
      {},
      GrpcCode.InvalidArgument,
      /^CSR signing error \(certificate signing request is not properly encoded\)$/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
    [
      'garbage',
      { csr: 'hello' },
      {},
      GrpcCode.InvalidArgument,
      /^CSR signing error \(certificate signing request is not properly encoded\)$/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
    [
      'one second too long',
      { validityDuration: 90n * DAY + 1n },
      {},
      GrpcCode.InvalidArgument,
      new RegExp(`^CSR signing error \\(requested TTL 2160h0m1s ${max}`),
      'csr_sign_err_count{TTL_ERROR}',
    ],
    [
      'far too long',
      { validityDuration: 2n ** 63n - 1n },
      {},
      GrpcCode.InvalidArgument,
      new RegExp(max),
      'csr_sign_err_count{TTL_ERROR}',
    ],
    [
      'another identity',
      { csr: await request(['spiffe://cluster.local/ns/kube-system/sa/admin']) },
      {},
      GrpcCode.InvalidArgument,
      /^CSR signing error \(the request asks for "spiffe:\/\/cluster\.local\/ns\/kube-system\/sa\/admin", the caller is spiffe:\/\/cluster\.local\/ns\/foo\/sa\/bar\)$/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
    [
      'its own and another',
      { csr: await request([ID, 'spiffe://cluster.local/ns/foo/sa/admin']) },
      {},
      GrpcCode.InvalidArgument,
      /asks for/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
    [
      'another trust domain',
      { csr: await request(['spiffe://other/ns/foo/sa/bar']) },
      {},
      GrpcCode.InvalidArgument,
      /asks for/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
    [
      'another kind of name',
      { csr: await request(['https://example.com']) },
      {},
      GrpcCode.InvalidArgument,
      /asks for/,
      'csr_sign_err_count{CSR_ERROR}',
    ],
  ];
  for (const [name, change, who, code, message, counter] of table) {
    const before = counts[counter] ?? 0;
    const ask = create(IstioCertificateRequestSchema, { csr: good, validityDuration: DAY, ...change });
    await assert.rejects(service.createCertificate(ask, { ...peer, ...who }), fails(code, message), name);
    assert.equal(counts[counter], before + 1, name);
    const last = audit[audit.length - 1];
    assert.ok(last.outcome === 'refused' && last.code === code, name);
  }
  assert.equal(counts.csr_count, table.length);
  assert.equal(audit.length, table.length);
  assert.equal(counts.success_cert_issuance_count, undefined);
  const reasons = audit.map((r) => (r.outcome === 'refused' ? r.reason : ''));
  assert.match(reasons[0], /^ClientCertAuthenticator: no credential; KubeJWTAuthenticator: no credential$/);
  assert.match(reasons[1], /KubeJWTAuthenticator: failed to verify the token/);
  assert.match(reasons[3], /ClientCertAuthenticator: a certificate of the peer cannot be read/);
});

test('a request may ask for nothing, for itself, or for itself under an alias of the trust domain', async (t) => {
  const { service, peer } = await mesh(t);
  for (const uris of [[], [ID], ['spiffe://old.domain/ns/foo/sa/bar']]) {
    const ask = create(IstioCertificateRequestSchema, { csr: await request(uris), validityDuration: 0n });
    assert.equal((await service.createCertificate(ask, peer)).certChain.length, 2);
  }
});

test('nothing secret is in the audit records', async (t) => {
  const { service, audit, peer, token } = await mesh(t);
  const csr = await request();
  const ask = create(IstioCertificateRequestSchema, { csr });
  await service.createCertificate(ask, peer);
  const tampered = `${token.slice(0, -6)}AAAAAA`;
  await assert.rejects(service.createCertificate(ask, { ...peer, authorization: `Bearer ${tampered}` }));
  const text = JSON.stringify(audit);
  for (const secret of [
    token.split('.')[2].slice(0, 20),
    token.split('.')[1].slice(0, 40),
    csr.split('\n')[1],
    'PRIVATE',
  ])
    assert.ok(!text.includes(secret));
});

test('limits per identity and overall', async (t) => {
  const limited = await mesh(t, { perIdentity: { burst: 2, perSecond: 1 } });
  const ask = create(IstioCertificateRequestSchema, { csr: await request([]) });
  const once = () => limited.service.createCertificate(ask, limited.peer);
  await once();
  await once();
  await assert.rejects(
    once(),
    fails(GrpcCode.ResourceExhausted, /too many certificate requests from spiffe:\/\/cluster\.local\/ns\/foo\/sa\/bar/),
  );
  limited.clock.advance(999);
  await assert.rejects(once(), fails(GrpcCode.ResourceExhausted, /too many/));
  limited.clock.advance(1001);
  await once();

  const overall = await mesh(t, { overall: { burst: 1, perSecond: 0 } });
  await overall.service.createCertificate(ask, overall.peer);
  await assert.rejects(
    overall.service.createCertificate(ask, overall.peer),
    fails(GrpcCode.ResourceExhausted, /^too many certificate requests, try/),
  );
});

test('buckets fill up to their burst, and the memory for them is bounded', () => {
  const limit = new RateLimit({ burst: 3, perSecond: 2 }, 3);
  const take = (key: string, now: number, times: number) => Array.from({ length: times }, () => limit.take(key, now));
  assert.deepEqual(take('a', 0, 4), [true, true, true, false]);
  assert.deepEqual(take('a', 500, 2), [true, false]);
  assert.deepEqual(take('a', 400, 1), [false], 'a clock that goes back gives nothing');
  assert.deepEqual(take('a', 60_000, 4), [true, true, true, false]);
  for (const key of ['b', 'c', 'a', 'd']) limit.take(key, 60_000);
  assert.equal(limit.size, 3);
  assert.deepEqual(take('a', 60_000, 1), [false], 'the one used last is not the one forgotten');
});

test('a defect is INTERNAL without details, and the authenticators after the one that knows the peer are not asked', async (t) => {
  const caller: Caller = {
    identity: { trustDomain, namespace: 'foo', serviceAccount: 'bar' },
    via: 'token',
    expiresAt: 0,
  };
  const named = (name: string, authenticate: Authenticator['authenticate']): Authenticator => ({ name, authenticate });
  const unreachable = named('never', () => Promise.reject(new Error('must not be asked')));
  const yes = named('yes', async () => caller);
  const no = named('no', () => Promise.reject(new AuthenticationError('no')));
  const ask = create(IstioCertificateRequestSchema, { csr: await request() });
  const peer = { address: 'x' };
  assert.ok(await (await mesh(t, { authenticators: [no, yes, unreachable] })).service.createCertificate(ask, peer));
  const broken = await mesh(t, { authenticators: [unreachable, yes] });
  await assert.rejects(
    broken.service.createCertificate(ask, peer),
    fails(GrpcCode.Internal, /^CSR signing error \(internal error\)$/),
  );
  const [record] = broken.audit;
  assert.ok(record.outcome === 'refused' && record.reason === 'must not be asked');

  const odd = named('odd', async () => ({ ...caller, identity: { ...caller.identity, serviceAccount: 'a/b' } }));
  const strange = await mesh(t, { authenticators: [odd] });
  await assert.rejects(
    strange.service.createCertificate(ask, peer),
    fails(GrpcCode.Unauthenticated, /^request authenticate failure$/),
  );
  assert.equal(strange.counts.id_extraction_err_count, 1);
});

test('an expired authority is INTERNAL, and its gauges are negative', async (t) => {
  const { service, clock, authority, counts } = await mesh(t, {
    authenticators: [
      {
        name: 'x',
        authenticate: async () => ({
          identity: { trustDomain, namespace: 'foo', serviceAccount: 'bar' },
          via: 'token',
          expiresAt: 0,
        }),
      },
    ],
  });
  const { notAfter } = authority.describe().signer;
  assert.deepEqual(expiryGauges(authority, notAfter - 5000), {
    citadel_server_root_cert_expiry_seconds: 5,
    citadel_server_root_cert_expiry_timestamp: notAfter / 1000,
  });
  clock.advance(notAfter - clock.now() + 1000);
  assert.ok(expiryGauges(authority, clock.now()).citadel_server_root_cert_expiry_seconds! < 0);
  const ask = create(IstioCertificateRequestSchema, { csr: await request() });
  await assert.rejects(
    service.createCertificate(ask, { address: 'x' }),
    fails(GrpcCode.Internal, /^CSR signing error \(the certificate of the CA expired on /),
  );
  assert.equal(counts['csr_sign_err_count{CA_NOT_READY}'], 1);
});
