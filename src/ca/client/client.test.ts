import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '../../api/gen/istio/v1/auth/ca_pb.ts';
import { ManualClock } from '../../base/clock.ts';
import { TrustDomains } from '../../base/spiffe.ts';
import { type GrpcCallHandler, GrpcCode, type GrpcTransport } from '../../wire/grpc/transport.ts';
import { openSelfSigned } from '../authority/directory.ts';
import { openssl, opensslVerify, scratch, until } from '../openssl.test.ts';
import { CertificateService } from '../service/certificate-service.ts';
import type { GrpcError } from '../service/grpc-error.ts';
import { localKeys, TokenAuthenticator } from '../tokens/token-authenticator.ts';
import { TokenIssuer } from '../tokens/token-issuer.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { createRequest } from '../x509/request.ts';
import { CsrClient, CsrError, tokenFromFile } from './csr-client.ts';
import { certificateEnvironment } from './environment.ts';
import { acceptChain, issueCertificate } from './issue.ts';

const trustDomain = 'cluster.local';
const identity = { trustDomain, namespace: 'foo', serviceAccount: 'bar' };
const ID = 'spiffe://cluster.local/ns/foo/sa/bar';
const HOUR = 3_600_000;

/** A transport whose server is a function of the path, the metadata and the one message. */
function transportTo(
  serve: (call: { path: string; metadata: Map<string, string>; message: Uint8Array }, handler: GrpcCallHandler) => void,
) {
  const cancelled: string[] = [];
  const transport: GrpcTransport = {
    call(path, metadata, handler) {
      const sent: Uint8Array[] = [];
      return {
        bufferedBytes: 0,
        send: (message) => sent.push(message),
        end: () => serve({ path, metadata: new Map(metadata), message: sent[0] }, handler),
        cancel: () => cancelled.push(path),
      };
    },
  };
  return { transport, cancelled };
}

async function mesh(t: TestContext) {
  const clock = new ManualClock(Date.now());
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, clock });
  t.after(() => authority.close());
  const tokens = await TokenIssuer.open(path.join(scratch(t), 'tokens'), { issuer: 'mesh', clock });
  const service = new CertificateService({
    authority,
    authenticators: [
      new TokenAuthenticator({ issuer: { issuer: 'mesh', keys: localKeys(tokens.jwks()) }, trustDomain, clock }),
    ],
    trustDomains: new TrustDomains(trustDomain),
    clock,
  });
  const { transport } = transportTo(({ path: called, metadata, message }, handler) => {
    assert.equal(called, '/istio.v1.auth.IstioCertificateService/CreateCertificate');
    service
      .createCertificate(fromBinary(IstioCertificateRequestSchema, message), {
        address: 'test',
        authorization: metadata.get('authorization'),
      })
      .then((response) => {
        handler.onMessage(toBinary(IstioCertificateResponseSchema, response));
        handler.onEnd({ code: GrpcCode.Ok, message: '' }, undefined);
      })
      .catch((error: GrpcError) => handler.onEnd({ code: error.code, message: error.message }, undefined));
  });
  return { clock, authority, tokens, transport };
}

test('a certificate from our own service, for each key type', async (t) => {
  const { clock, authority, tokens, transport } = await mesh(t);
  const file = path.join(scratch(t), 'istio-token');
  const client = new CsrClient({ transport, token: tokenFromFile(file), clock });
  const send = client.request.bind(client);
  await assert.rejects(
    issueCertificate({ send, identity, clock }, HOUR),
    /UserError: The token file .*istio-token is missing/,
  );
  fs.writeFileSync(file, 'not a token');
  await assert.rejects(issueCertificate({ send, identity, clock }, HOUR), /does not hold one token/);
  fs.writeFileSync(file, 'a.b.c');
  await assert.rejects(
    issueCertificate({ send, identity, clock }, HOUR),
    (e: unknown) =>
      e instanceof CsrError && e.code === GrpcCode.Unauthenticated && e.message === 'request authenticate failure',
  );
  fs.writeFileSync(file, `${await tokens.issue(identity)}\n`);
  for (const keyType of ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048'] as const) {
    const { certificate, roots } = await issueCertificate({ send, identity, keyType, clock }, HOUR);
    assert.equal(certificate.identity, ID);
    assert.equal(roots, authority.roots());
    assert.equal(opensslVerify(certificate.chain, '', roots), 'OK');
    assert.match(certificate.key, /^-----BEGIN PRIVATE KEY-----\n/);
    assert.equal(
      openssl(['pkey', '-pubout'], certificate.key),
      openssl(['x509', '-pubkey', '-noout'], certificate.chain),
    );
    assert.equal(certificate.notAfter, Math.floor((clock.now() + HOUR) / 1000) * 1000);
  }
  const other = { ...identity, serviceAccount: 'other' };
  await assert.rejects(
    issueCertificate({ send, identity: other, clock }, HOUR),
    /the request asks for "spiffe:\/\/cluster\.local\/ns\/foo\/sa\/other"/,
  );
  await assert.rejects(
    issueCertificate({ send, identity: { ...identity, namespace: 'a/b' }, clock }, HOUR),
    /cannot be written as a SPIFFE ID/,
  );
});

test('an answer that a peer would not accept is not used', async (t) => {
  const { clock, authority } = await mesh(t);
  const stranger = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain, clock });
  t.after(() => stranger.close());
  const key = await generatePrivateKey('ecdsa-p256');
  const csr = await createRequest(key, { uris: [ID] });
  const otherCsr = await createRequest(await generatePrivateKey('ecdsa-p256'), { uris: [ID] });
  const signed = async (request: string, id?: string, dnsNames?: string[]) =>
    (await authority.sign(request, { identity: id, dnsNames, ttlMs: HOUR })).chain[0];
  const good = await signed(csr, ID);
  const roots = authority.roots();
  const table: [string, string[], RegExp][] = [
    ['nothing', [], /answered with 0 certificates/],
    ['no root', [good], /answered with 1 certificates/],
    ['too much', Array(65).fill(good), /answered with 65 certificates/],
    ['garbage', ['x', roots], /chain from the authority holds no certificate/],
    ['garbage root', [good, 'x'], /trust bundle from the authority holds no certificate/],
    ['another key', [await signed(otherCsr, ID), roots], /is for another key/],
    [
      'another account',
      [await signed(csr, 'spiffe://cluster.local/ns/foo/sa/admin'), roots],
      /is for \["spiffe:\/\/cluster\.local\/ns\/foo\/sa\/admin"\], and not for "spiffe:\/\/cluster\.local\/ns\/foo\/sa\/bar"/,
    ],
    ['another namespace', [await signed(csr, 'spiffe://cluster.local/ns/x/sa/bar'), roots], /and not for/],
    ['no account', [await signed(csr, 'spiffe://cluster.local/elsewhere'), roots], /and not for/],
    ['no identity', [await signed(csr, undefined, ['a']), roots], /is for \[\], and not for/],
    ['another root', [good, stranger.roots()], /does not verify: /],
  ];
  for (const [name, texts, problem] of table)
    assert.throws(
      () => acceptChain(texts, key, identity, clock.now()),
      (e: Error) => e.name === 'UserError' && problem.test(e.message),
      name,
    );
  assert.throws(() => acceptChain([good, roots], key, identity, clock.now() + HOUR + 1000), /expired on/);

  const renamed = [await signed(csr, 'spiffe://new.domain/ns/foo/sa/bar'), roots];
  const { certificate } = acceptChain(renamed, key, identity, clock.now());
  assert.equal(certificate.identity, 'spiffe://new.domain/ns/foo/sa/bar', 'the authority names the trust domain');
  const both = acceptChain([good, roots, stranger.roots() + roots], key, identity, clock.now());
  assert.equal(both.certificate.chain, good, 'roots are not sent in handshakes');
  assert.equal(both.roots, stranger.roots() + roots);
});

test('calls that end badly', async () => {
  const ok = { code: GrpcCode.Ok, message: '' };
  const response = toBinary(
    IstioCertificateResponseSchema,
    create(IstioCertificateResponseSchema, { certChain: ['a', 'b'] }),
  );
  const table: [string, (handler: GrpcCallHandler) => void, number, RegExp][] = [
    [
      'a status',
      (h) => h.onEnd({ code: GrpcCode.Unavailable, message: 'connection refused' }, undefined),
      GrpcCode.Unavailable,
      /^connection refused$/,
    ],
    ['no message', (h) => h.onEnd(ok, undefined), GrpcCode.Internal, /without a response/],
    ['two messages', (h) => [1, 2].forEach(() => h.onMessage(response)), GrpcCode.Internal, /more than one response/],
    ['too large', (h) => h.onMessage(new Uint8Array(2 << 20)), GrpcCode.ResourceExhausted, /larger than/],
    [
      'not protobuf',
      (h) => {
        h.onMessage(Uint8Array.of(0xff, 0xff));
        h.onEnd(ok, undefined);
      },
      GrpcCode.Internal,
      /cannot be decoded/,
    ],
  ];
  for (const [name, serve, code, message] of table) {
    const client = new CsrClient({
      transport: transportTo((_, handler) => serve(handler)).transport,
      clock: new ManualClock(),
    });
    await assert.rejects(
      client.request('csr', HOUR),
      (e: unknown) => e instanceof CsrError && e.code === code && message.test(e.message),
      name,
    );
  }
});

test('a call without an answer is cancelled in time, and one with an answer leaves no timer', async () => {
  const clock = new ManualClock();
  const { transport, cancelled } = transportTo(() => {});
  const silent = new CsrClient({ transport, clock, timeoutMs: 5000 }).request('csr', HOUR);
  silent.catch(() => {});
  await until(() => clock.pending === 1);
  clock.advance(5000);
  await assert.rejects(silent, (e: unknown) => e instanceof CsrError && e.code === GrpcCode.DeadlineExceeded);
  assert.equal(cancelled.length, 1);

  const response = toBinary(
    IstioCertificateResponseSchema,
    create(IstioCertificateResponseSchema, { certChain: ['a', 'b'] }),
  );
  const answering = transportTo(({ metadata, message }, handler) => {
    assert.deepEqual(
      [...metadata],
      [
        ['authorization', 'Bearer t'],
        ['clusterid', 'c1'],
      ],
    );
    const { csr, validityDuration } = fromBinary(IstioCertificateRequestSchema, message);
    assert.deepEqual([csr, validityDuration], ['csr', 90n]);
    handler.onMessage(response);
    handler.onEnd({ code: GrpcCode.Ok, message: '' }, undefined);
  });
  const client = new CsrClient({ transport: answering.transport, clock, token: async () => 't', clusterId: 'c1' });
  assert.deepEqual(await client.request('csr', 90_500), ['a', 'b']);
  assert.equal(clock.pending, 0);
});

test("pilot-agent's environment variables", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(certificateEnvironment({}))), { fileMounted: false });
  assert.deepEqual(
    certificateEnvironment({
      SECRET_TTL: '1h30m0.5s',
      SECRET_GRACE_PERIOD_RATIO: '0.25',
      SECRET_GRACE_PERIOD_RATIO_JITTER: '.05',
      ECC_SIGNATURE_ALGORITHM: 'ECDSA',
      ECC_CURVE: 'P384',
      OUTPUT_CERTS: '/etc/certs',
      PROV_CERT: '/etc/certs',
      FILE_MOUNTED_CERTS: 'true',
    }),
    {
      ttlMs: 5_400_500,
      gracePeriodRatio: 0.25,
      gracePeriodRatioJitter: 0.05,
      keyType: 'ecdsa-p384',
      outputDir: '/etc/certs',
      provisionedDir: '/etc/certs',
      fileMounted: true,
    },
  );
  assert.equal(certificateEnvironment({ WORKLOAD_RSA_KEY_SIZE: '3072' }).keyType, 'rsa-3072');
  assert.equal(certificateEnvironment({ ECC_SIGNATURE_ALGORITHM: 'ECDSA' }).keyType, 'ecdsa-p256');
  const bad: [string, string][] = [
    ['SECRET_TTL', '1d'],
    ['SECRET_TTL', '0s'],
    ['SECRET_GRACE_PERIOD_RATIO', '2'],
    ['SECRET_GRACE_PERIOD_RATIO', 'x'],
    ['ECC_CURVE', 'P521'],
    ['WORKLOAD_RSA_KEY_SIZE', '1024'],
    ['ECC_SIGNATURE_ALGORITHM', 'RSA'],
    ['FILE_MOUNTED_CERTS', 'yes'],
  ];
  for (const [name, value] of bad)
    assert.throws(
      () => certificateEnvironment({ [name]: value }),
      new RegExp(`UserError: The environment variable ${name} must be .*, not "${value}"`),
    );
});

test('the workload side loads no library but the one for protobuf', () => {
  const script = `
    import { registerHooks } from 'node:module';
    const libraries = new Set();
    registerHooks({
      resolve(name, context, next) {
        const found = next(name, context);
        const library = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(found.url)?.[1];
        if (library) libraries.add(library);
        return found;
      },
    });
    for (const name of ['csr-client', 'issue', 'workload-certificates', 'files', 'environment'])
      await import(process.argv[1] + '/' + name + '.ts');
    console.log([...libraries].join());`;
  const args = ['--input-type=module', '--eval', script, import.meta.dirname];
  assert.equal(execFileSync(process.execPath, args, { encoding: 'utf8' }).trim(), '@bufbuild/protobuf');
});
