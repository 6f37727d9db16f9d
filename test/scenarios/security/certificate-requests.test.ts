import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { systemClock } from '../../../src/base/clock.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../../../src/ca/tokens/token-issuer.ts';
import { parseCertificates } from '../../../src/ca/x509/certificate.ts';
import { generatePrivateKey, privateKeyPem } from '../../../src/ca/x509/keys.ts';
import { createRequest } from '../../../src/ca/x509/request.ts';
import {
  type CertificateAnswer,
  type CertificateRequest,
  requestCertificate,
  secureChannel,
} from '../../support/certificate-client.ts';
import { meshRecord, meshStatus, TestedMesh } from '../../support/local-mesh.ts';
import { PeerMaker } from '../../support/peers.ts';
import { scratch, until } from '../../support/reference.ts';

/** What is left to do when the file is over. */
const cleanups: (() => void | Promise<void>)[] = [];
const context = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) };

const { UNAUTHENTICATED, INVALID_ARGUMENT, UNAVAILABLE, UNIMPLEMENTED, RESOURCE_EXHAUSTED, OK } = grpc.status;
const WEB = 'spiffe://cluster.local/ns/default/sa/web';
const INSTALLATION = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
---`;
const POD = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, version: NUMBER}}
spec: {serviceAccountName: web, containers: [{name: main, command: [sleep, "100000"]}]}
`;

let mesh: TestedMesh;
let tokens: TokenIssuer;
let roots: string;
let channel: grpc.Client;
const secrets = new Set<string>();

before(async () => {
  mesh = await TestedMesh.start(context, { 'mesh.yaml': INSTALLATION + POD.replace('NUMBER', 'v1') });
  const state = path.join(mesh.home, 'meshes/mesh/state');
  tokens = await TokenIssuer.open(path.join(state, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
  roots = fs.readFileSync(path.join(state, 'ca/root-cert.pem'), 'utf8');
  channel = connect();
});

after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

function connect(client?: { readonly key: string; readonly chain: string }): grpc.Client {
  const opened = secureChannel(meshRecord(mesh).discovery.secureGrpc, roots, client);
  cleanups.push(() => opened.close());
  return opened;
}

/** A request, whose key is to be found in no log. */
async function request(uri = WEB): Promise<string> {
  const key = await generatePrivateKey('ecdsa-p256');
  secrets.add(privateKeyPem(key).split('\n')[1]!);
  const csr = await createRequest(key, { uris: [uri] });
  secrets.add(csr.split('\n')[1]!);
  return csr;
}

/** A token that is to be found in no log. */
function secret(token: string): string {
  for (const part of token.split('.').slice(1)) secrets.add(part.slice(0, 40));
  return token;
}

const issue = async (more: Partial<Parameters<TokenIssuer['issue']>[0]> = {}) =>
  secret(await tokens.issue({ namespace: 'default', serviceAccount: 'web', ...more }));

/** What a pod has of its own, such as its token. */
async function ofPod(file: string): Promise<string> {
  const pods = path.join(mesh.home, 'meshes/mesh/pods');
  const found = await until('the file', () =>
    fs
      .readdirSync(pods, { recursive: true, encoding: 'utf8' })
      .find((name) => name.endsWith(file) && name.includes('web')),
  );
  return secret(fs.readFileSync(path.join(pods, found), 'utf8').trim());
}

const log = () => fs.readFileSync(path.join(mesh.home, 'meshes/mesh/logs/discovery.log'), 'utf8');
const refusals = () =>
  log()
    .split('\n')
    .filter((line) => line.includes('certificate refused'));

/** A request is refused with a code, and told of in one line that gives the reason. */
async function isRefused(what: string, asked: CertificateRequest, code: number, why: RegExp): Promise<void> {
  const before = refusals().length;
  const answer = await requestCertificate(channel, asked);
  assert.deepEqual([answer.code, answer.chain], [code, []], `${what}: ${answer.details}`);
  await until(`the log tells of it: ${what}`, () => refusals().length > before || undefined);
  const told = refusals().slice(before);
  assert.equal(told.length, 1, `${what}: told once`);
  assert.match(told[0]!, why, what);
}

test('who has no token, or one that is not for this, gets no certificate', async () => {
  const csr = await request();
  const stranger = await TokenIssuer.open(path.join(scratch(context), 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
  const foreign = secret(await stranger.issue({ namespace: 'default', serviceAccount: 'web' }));
  const account = { namespace: 'default', serviceAccount: 'web' };
  const twoMinutesAgo = { ...systemClock, now: () => Date.now() - 120_000 };
  const keys = path.join(mesh.home, 'meshes/mesh/state/tokens');
  const old = await TokenIssuer.open(keys, { issuer: LOCAL_TOKEN_ISSUER, clock: twoMinutesAgo });
  const good = await issue();
  const [head, payload, signature] = good.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:default:bank' }));
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const table: readonly (readonly [what: string, token: string | undefined, why: RegExp])[] = [
    ['none', undefined, /no credential/],
    ['nonsense', 'a.b.c', /failed to verify/],
    ['expired', await issue({ ttlMs: -3_600_000 }), /"exp" claim/],
    ['stolen out of a program, for another audience', await ofPod('serviceaccount/token'), /"aud" claim/],
    ['of another mesh', foreign, /failed to verify/],
    ['for somebody else, after it was signed', `${head}.${changed.toString('base64url')}.${signature}`, /signature/],
    ['alg none', `${none}.${payload}.`, /failed to verify/],
    ['oversized', 'x'.repeat(17_000), /larger than 16384 bytes|no credential/],
    ['of a pod that is long gone', await old.issue({ ...account, pod: { name: 'gone', uid: 'u' } }), /not at work/],
  ];
  for (const [what, token, why] of table) await isRefused(what, { csr, token }, UNAUTHENTICATED, why);
  assert.equal((await requestCertificate(channel, { csr, token: good })).code, OK);
});

test('a request for another identity, or one that is no good, gets no certificate', async () => {
  const token = await issue();
  const good = await request();
  const der = Buffer.from(good.replace(/-----[^-]*-----/g, ''), 'base64');
  der[der.length - 1]! ^= 1;
  const forged = good.replace(/\n[^-]*\n/, `\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n`);
  const table: readonly (readonly [what: string, csr: string, why: RegExp])[] = [
    ['another account', await request('spiffe://cluster.local/ns/default/sa/bank'), /asks for .*sa\/bank/],
    ['another namespace', await request('spiffe://cluster.local/ns/istio-system/sa/web'), /asks for .*istio-system/],
    ['another trust domain', await request('spiffe://other.example/ns/default/sa/web'), /asks for .*other\.example/],
    ['a path that looks alike', await request(`${WEB}/../bank`), /asks for/],
    ['a key that whoever asks does not have', forged, /does not verify|failed to parse/],
    ['a weak key', weakRequest(), /RSA|bits/],
    ['oversized', `${good}${' '.repeat(17_000)}`, /larger than 16384 bytes/],
    ['nonsense', 'nonsense', /not properly encoded/],
    ['two at once', good + good, /not properly encoded/],
  ];
  for (const [what, csr, why] of table) await isRefused(what, { csr, token }, INVALID_ARGUMENT, why);
  const onBehalfOf = 'spiffe://cluster.local/ns/default/sa/bank';
  await isRefused('impersonation', { csr: good, token, onBehalfOf }, UNAUTHENTICATED, /may not ask on behalf of/);
  const { code, chain } = await requestCertificate(channel, { csr: good, token });
  assert.equal(code, OK);
  const [leaf] = parseCertificates(chain[0]!, 'the answer');
  assert.deepEqual(leaf!.extensions.subjectAltNames.uris, [WEB]);
});

/** A request with an RSA key of 1024 bits, which openssl makes without a word. */
function weakRequest(): string {
  const key = path.join(scratch(context), 'key.pem');
  const args = ['req', '-new', '-newkey', 'rsa:1024', '-nodes', '-subj', '/O=x', '-keyout', key];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

test('a certificate that proves nothing is no credential', async () => {
  const peers = new PeerMaker(scratch(context));
  const foreign = await peers.root('foreign');
  const meshCa = path.join(mesh.home, 'meshes/mesh/state/ca');
  const csr = await request();
  for (const [what, { cert, key }] of [
    ['of another root', await peers.leaf(foreign, { uris: [WEB] })],
    ['self-signed', await peers.selfSigned({ uris: [WEB] })],
  ] as const) {
    const told = () =>
      log()
        .split('\n')
        .filter((line) => line.includes('refused a client certificate'));
    const before = told().length;
    const answer = await requestCertificate(connect({ key, chain: cert }), { csr, token: await issue() });
    assert.equal(answer.code, UNAVAILABLE, what);
    await until(`the log tells of it: ${what}`, () => told().length > before || undefined);
    assert.equal(told().length, before + 1, what);
  }
  const none = await peers.leaf(meshCa, { dnsNames: ['web.default'] });
  const answer = await requestCertificate(connect({ key: none.key, chain: none.cert }), { csr });
  assert.equal(answer.code, UNAUTHENTICATED, 'without an identity');
  const plain = new grpc.Client(meshRecord(mesh).discovery.grpc, grpc.credentials.createInsecure());
  cleanups.push(() => plain.close());
  const inTheClear = await requestCertificate(plain, { csr, token: await issue() });
  assert.deepEqual([inTheClear.code, inTheClear.chain], [UNIMPLEMENTED, []], 'nothing is signed over plain text');
});

test('a token that was stolen is worth nothing once its pod is gone', async () => {
  const stolen = await ofPod('tokens/istio-token');
  const csr = await request();
  assert.equal((await requestCertificate(channel, { csr, token: stolen })).code, OK, 'while the pod is at work');
  const first = (await meshStatus(mesh)).pods.find(({ name }) => name === 'web')!;
  fs.writeFileSync(path.join(mesh.dir, 'mesh.yaml'), INSTALLATION + POD.replace('NUMBER', 'v2'));
  await until('another pod has taken its place', async () => {
    const pod = (await meshStatus(mesh)).pods.find(({ name }) => name === 'web');
    return (pod?.ready === pod?.size && pod?.createdAt !== first.createdAt) || undefined;
  });
  await isRefused('replayed', { csr, token: stolen }, UNAUTHENTICATED, /whose place another one has taken/);
});

test('a flood of requests is held back, and keeps nobody else from a certificate', async () => {
  const token = await issue({ serviceAccount: 'flood' });
  const csr = await request('spiffe://cluster.local/ns/default/sa/flood');
  const before = refusals().length;
  const answers: CertificateAnswer[] = [];
  const count = (code: number) => answers.filter((answer) => answer.code === code).length;
  // On a slow machine more are allowed while they come.
  for (let wave = 0; wave < 10 && count(RESOURCE_EXHAUSTED) < 200; wave++) {
    const requests = Array.from({ length: 700 }, () => requestCertificate(channel, { csr, token }));
    answers.push(...(await Promise.all(requests)));
  }
  assert.ok(count(OK) >= 500, `${count(OK)} were signed`);
  assert.ok(count(RESOURCE_EXHAUSTED) >= 200, `${count(RESOURCE_EXHAUSTED)} were held back`);
  assert.equal(count(OK) + count(RESOURCE_EXHAUSTED), answers.length);
  // The log is not flooded, and tells how many it has left out.
  const leftOut = (line: string) => Number(/\(and (\d+) more refused before it\)/.exec(line)?.[1] ?? 0);
  const summary = await until('the log tells of all', async () => {
    await requestCertificate(channel, { csr: 'nonsense', token });
    const told = refusals().slice(before);
    const total = told.reduce((sum, line) => sum + 1 + leftOut(line), 0);
    return total >= count(RESOURCE_EXHAUSTED) ? told : undefined;
  });
  const own = summary.filter((line) => line.includes('sa/flood') && line.includes('too many'));
  assert.ok(own.length < count(RESOURCE_EXHAUSTED), `${own.length} lines`);
  assert.equal((await requestCertificate(channel, { csr: await request(), token: await issue() })).code, OK);
});

test('no key, token or request is in a log', () => {
  const text = log() + mesh.stdout + mesh.stderr;
  assert.ok(refusals().length > 50);
  for (const part of secrets) if (part.length > 20) assert.ok(!text.includes(part), part);
  assert.ok(secrets.size > 20);
});
