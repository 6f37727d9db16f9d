import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '../../api/gen/istio/v1/auth/ca_pb.ts';
import { TrustDomains } from '../../base/spiffe.ts';
import { type GrpcCall, type GrpcCallHandler, GrpcCode, type GrpcTransport } from '../../wire/grpc/transport.ts';
import { type CertificateAuthority, SigningError } from '../authority/authority.ts';
import { openSelfSigned } from '../authority/directory.ts';
import { CsrClient } from '../client/csr-client.ts';
import { opensslVerify, scratch } from '../openssl.test.ts';
import type { AuditRecord } from '../service/audit.ts';
import { CertificateService } from '../service/certificate-service.ts';
import type { GrpcError } from '../service/grpc-error.ts';
import { localKeys, TokenAuthenticator } from '../tokens/token-authenticator.ts';
import { TokenIssuer } from '../tokens/token-issuer.ts';
import { generatePrivateKey } from '../x509/keys.ts';
import { createRequest } from '../x509/request.ts';
import { csrSigner } from './csr-signer.ts';
import { type RemoteAnswer, RemoteAuthority } from './remote-authority.ts';
import { type VaultCredential, VaultSigner } from './vault.ts';

const ID = 'spiffe://cluster.local/ns/foo/sa/bar';
const OTHER = 'spiffe://cluster.local/ns/foo/sa/other';
const trustDomain = 'cluster.local';
const HOUR = 3_600_000;

const request = async () => createRequest(await generatePrivateKey('ecdsa-p256'), { uris: [ID] });

async function authority(t: TestContext) {
  const own = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain });
  t.after(() => own.close());
  return own;
}

const isSigningError = (type: SigningError['type']) => (error: unknown) =>
  error instanceof SigningError && error.type === type;

test('what the other side answers is used only if it is what was asked for', async (t) => {
  const [own, foreign] = [await authority(t), await authority(t)];
  const errors: string[] = [];
  const remote = (answer: (csr: string) => Promise<RemoteAnswer>) =>
    new RemoteAuthority({
      signer: { source: 'the other', sign: answer },
      roots: own.roots(),
      rootsName: 'roots',
      onError: (error) => errors.push((error as Error).message),
    });
  const by = (signer: CertificateAuthority, identity: string) => async (csr: string) => ({
    chain: (await signer.sign(csr, { identity })).chain.join(''),
  });
  const csr = await request();
  const issued = await remote(by(own, ID)).sign(csr, { identity: ID });
  assert.equal(opensslVerify(issued.chain[0]!, '', issued.roots), 'OK');

  for (const [answer, problem] of [
    [by(own, OTHER), /is for .*sa\/other, and not for .*sa\/bar/],
    [by(foreign, ID), /does not verify/],
    [async () => by(own, ID)(await request()), /is for another key/],
    [async () => ({ chain: own.roots() }), /is for another key/],
    [async () => ({ chain: 'nonsense' }), /holds no certificate/],
  ] as const) {
    await assert.rejects(remote(answer).sign(csr, { identity: ID }), isSigningError('CERT_GEN_ERROR'));
    assert.match(errors.pop()!, problem);
  }
  const away = remote(async () => {
    throw new Error('no route to vault');
  });
  await assert.rejects(away.sign(csr, { identity: ID }), (error: SigningError) => {
    assert.equal(error.type, 'CA_NOT_READY');
    assert.doesNotMatch(error.message, /vault/, 'whoever asks is not told how the mesh is built');
    return true;
  });
  assert.deepEqual(errors, ['no route to vault']);
  await assert.rejects(away.sign('nonsense', { identity: ID }), isSigningError('CSR_ERROR'));
  await assert.rejects(away.sign(csr, { identity: ID, ttlMs: 1e12 }), isSigningError('TTL_ERROR'));
});

test('another trust bundle is taken over, and told of', async (t) => {
  const [first, second] = [await authority(t), await authority(t)];
  let current = first;
  const remote = new RemoteAuthority({
    signer: {
      source: 'the other',
      sign: async (csr) => ({
        chain: (await current.sign(csr, { identity: ID })).chain.join(''),
        roots: current.roots(),
      }),
    },
    roots: first.roots(),
    rootsName: 'roots',
  });
  let told = 0;
  remote.subscribe(() => told++);
  await remote.sign(await request(), { identity: ID });
  assert.deepEqual([told, remote.roots(), remote.describe().selfSigned], [0, first.roots(), true]);
  current = second;
  await remote.sign(await request(), { identity: ID });
  assert.deepEqual([told, remote.roots()], [1, second.roots()]);
});

/** A server that keeps to the documented contract of Vault's PKI engine and of its JWT login. */
async function fakeVault(t: TestContext, signer: CertificateAuthority) {
  const seen: { path: string; token?: string; namespace?: string; body: Record<string, unknown> }[] = [];
  const tokens = new Set(['static-token']);
  const server = http.createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}');
    const { 'x-vault-token': token, 'x-vault-namespace': namespace } = incoming.headers as Record<string, string>;
    seen.push({ path: `${incoming.method} ${incoming.url}`, token, namespace, body });
    const answer = (status: number, value: object) => response.writeHead(status).end(JSON.stringify(value));
    if (incoming.url === '/v1/pki_mesh/cert/ca_chain') answer(200, { data: { certificate: signer.roots() } });
    else if (incoming.url === '/v1/auth/kubernetes/login') {
      if (body.jwt !== 'the-jwt') return answer(403, { errors: ['permission denied'] });
      const issued = `login-${seen.length}`;
      tokens.add(issued);
      answer(200, { auth: { client_token: issued, lease_duration: 3600 } });
    } else if (incoming.url === '/v1/pki_mesh/sign/workload') {
      if (!tokens.has(token!)) return answer(403, { errors: ['permission denied'] });
      if (!String(body.uri_sans).startsWith('spiffe://cluster.local/'))
        return answer(400, { errors: [`URI Subject Alternative Names were provided via the API which are not valid`] });
      const ttlMs = Number.parseInt(String(body.ttl), 10) * 1000;
      const { chain, serial, notAfter } = await signer.sign(body.csr, { identity: body.uri_sans, ttlMs });
      const [certificate] = chain;
      const data = { certificate: certificate!.trim(), issuing_ca: signer.roots().trim(), serial_number: serial };
      answer(200, { data: { ...data, ca_chain: [signer.roots().trim()], expiration: notAfter / 1000 } });
    } else answer(404, { errors: [] });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return { address, seen, tokens };
}

test("Vault's PKI engine, by a token and by a login", async (t) => {
  const own = await authority(t);
  const { address, seen, tokens } = await fakeVault(t, own);
  const dir = scratch(t);
  const file = (name: string, text: string) => {
    fs.writeFileSync(path.join(dir, name), text);
    return path.join(dir, name);
  };
  const vault = (credential: VaultCredential, role = 'workload') =>
    new VaultSigner({ address, mount: 'pki_mesh', role, credential, namespace: 'team' });
  const remoteOf = (signer: VaultSigner, errors: string[] = []) =>
    new RemoteAuthority({
      signer,
      roots: own.roots(),
      rootsName: 'roots',
      onError: (error) => errors.push((error as Error).message),
    });
  const byToken = vault({ tokenFile: file('token', 'static-token\n') });
  assert.equal(await byToken.authorityChain(), own.roots());
  const csr = await request();
  const issued = await remoteOf(byToken).sign(csr, { identity: ID, ttlMs: HOUR });
  assert.equal(opensslVerify(issued.chain[0]!, '', issued.roots), 'OK');
  assert.equal(issued.chain.length, 1, 'the root is not presented');
  const { path: where, token, namespace, body } = seen.at(-1)!;
  assert.deepEqual([where, token, namespace], ['POST /v1/pki_mesh/sign/workload', 'static-token', 'team']);
  assert.deepEqual(
    [body.uri_sans, body.alt_names, body.ttl, body.format, body.exclude_cn_from_sans],
    [ID, '', '3600s', 'pem', true],
  );

  const jwtFile = file('jwt', 'the-jwt');
  const byLogin = remoteOf(vault({ loginPath: 'auth/kubernetes', loginRole: 'istiod', jwtFile }));
  seen.length = 0;
  await byLogin.sign(csr, { identity: ID });
  await byLogin.sign(csr, { identity: ID });
  assert.deepEqual(
    seen.map((s) => s.path.split('/').at(-1)),
    ['login', 'workload', 'workload'],
    'one login for many',
  );
  tokens.clear();
  await byLogin.sign(csr, { identity: ID });
  assert.deepEqual(
    seen.slice(3).map((s) => s.path.split('/').at(-1)),
    ['workload', 'login', 'workload'],
    'a token that was revoked is replaced',
  );

  const errors: string[] = [];
  const refused = async (signer: VaultSigner, problem: RegExp, identity = ID) => {
    await assert.rejects(remoteOf(signer, errors).sign(csr, { identity }), isSigningError('CA_NOT_READY'));
    assert.match(errors.at(-1)!, problem);
  };
  await refused(byToken, /answered pki_mesh\/sign\/workload with 403: permission denied/);
  await refused(
    vault({ tokenFile: file('token', 'static-token') }, 'other'),
    /answered pki_mesh\/sign\/other with 404/,
  );
  await refused(vault({ tokenFile: path.join(dir, 'none') }), /none is missing/);
  fs.writeFileSync(jwtFile, 'wrong');
  await refused(vault({ loginPath: 'auth/kubernetes', loginRole: 'istiod', jwtFile }), /login with 403/);
  tokens.add('static-token');
  await refused(byToken, /with 400: URI Subject Alternative Names/, 'spiffe://elsewhere/ns/a/sa/b');
  assert.ok(errors.every((error) => !/static-token|the-jwt|login-/.test(error)));
});

/** Calls a service without sockets between. */
function transportTo(service: CertificateService): GrpcTransport {
  return {
    call(_path, metadata, handler: GrpcCallHandler): GrpcCall {
      const authorization = metadata.find(([name]) => name === 'authorization')?.[1];
      let message: Uint8Array = new Uint8Array();
      const end = (code: GrpcCode, text: string) =>
        handler.onEnd({ code, message: text } as Parameters<GrpcCallHandler['onEnd']>[0], undefined);
      return {
        send: (bytes: Uint8Array) => {
          message = bytes;
        },
        end: () => {
          service
            .createCertificate(fromBinary(IstioCertificateRequestSchema, message), { address: 'peer', authorization })
            .then((response) => {
              handler.onMessage(toBinary(IstioCertificateResponseSchema, response));
              end(GrpcCode.Ok, '');
            })
            .catch((error: GrpcError) => end(error.code, error.message));
        },
        cancel() {},
      } as unknown as GrpcCall;
    },
  };
}

test('another CSR service signs for us, if it lets us ask for others', async (t) => {
  const own = await authority(t);
  const tokens = await TokenIssuer.open(path.join(scratch(t), 'tokens'), { issuer: 'mesh' });
  const audit: AuditRecord[] = [];
  const service = (trusted: boolean) =>
    new CertificateService({
      authority: own,
      authenticators: [
        new TokenAuthenticator({ issuer: { issuer: 'mesh', keys: localKeys(tokens.jwks()) }, trustDomain }),
      ],
      trustDomains: new TrustDomains(trustDomain),
      mayImpersonate: ({ namespace, serviceAccount }) => trusted && `${namespace}/${serviceAccount}` === 'sys/istiod',
      audit: (record) => audit.push(record),
    });
  const token = (serviceAccount: string) => tokens.issue({ namespace: 'sys', serviceAccount });
  const remote = (trusted: boolean, account = 'istiod', errors: string[] = []) =>
    new RemoteAuthority({
      signer: csrSigner(
        new CsrClient({ transport: transportTo(service(trusted)), token: () => token(account) }),
        'the other',
      ),
      roots: own.roots(),
      rootsName: 'roots',
      onError: (error) => errors.push((error as Error).message),
    });
  const csr = await request();
  const issued = await remote(true).sign(csr, { identity: ID });
  assert.equal(opensslVerify(issued.chain[0]!, '', issued.roots), 'OK');
  const { caller, onBehalfOf, outcome } = audit.pop()!;
  assert.deepEqual([outcome, caller, onBehalfOf], ['issued', 'spiffe://cluster.local/ns/sys/sa/istiod', ID]);

  for (const [trusted, account, identity] of [
    [false, 'istiod', ID],
    [true, 'somebody', ID],
    [true, 'istiod', 'spiffe://elsewhere/ns/foo/sa/bar'],
  ] as const) {
    const errors: string[] = [];
    await assert.rejects(remote(trusted, account, errors).sign(csr, { identity }), isSigningError('CA_NOT_READY'));
    assert.match(errors[0]!, /request impersonation authentication failure/);
    assert.match((audit.pop() as { reason: string }).reason, /may not ask on behalf of/);
  }
  const errors: string[] = [];
  await assert.rejects(
    remote(true, 'istiod', errors).sign(csr, { dnsNames: ['istiod'] }),
    isSigningError('CA_NOT_READY'),
  );
  assert.match(errors[0]!, /certifies workloads only; .*--tlsCertFile/);
});
