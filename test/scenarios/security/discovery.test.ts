import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import grpc from '@grpc/grpc-js';
import { SecretSchema } from '../../../src/api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { type DirectoryAuthority, openDirectory, openSelfSigned } from '../../../src/ca/authority/directory.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../../../src/ca/tokens/token-issuer.ts';
import { generatePrivateKey, privateKeyPem } from '../../../src/ca/x509/keys.ts';
import { createRequest } from '../../../src/ca/x509/request.ts';

import { decodeDiscoveryResponse, encodeDiscoveryRequest } from '../../../src/xds/session/codec.ts';
import type { DiscoveryResponse } from '../../../src/xds/session/messages.ts';
import { Resource } from '../../../src/xds/session/resource-types.ts';
import { requestCertificate, secureChannel } from '../../support/certificate-client.ts';
import { encodedNode, startIsthmus } from '../../support/mesh.ts';
import { scratch } from '../../support/reference.ts';

// The client here is gRPC's own, on purpose: what our server lets in must not depend on how ours asks.

const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

interface Certificate {
  readonly key: string;
  readonly chain: string;
}

async function certificate(authority: DirectoryAuthority, identity: string): Promise<Certificate> {
  const key = await generatePrivateKey('ecdsa-p256');
  const { chain } = await authority.sign(await createRequest(key, { uris: [identity] }), { identity });
  return { key: privateKeyPem(key), chain: chain.join('') };
}

async function secured(t: TestContext, config: Readonly<Record<string, string>> = {}) {
  const stateDir = path.join(scratch(t), 'state');
  const addresses = { grpcAddr: '127.0.0.1:0', secureGRPCAddr: '127.0.0.1:0', httpAddr: '', monitoringAddr: '' };
  const server = await startIsthmus(t, config, { stateDir, addresses });
  const authority = await openDirectory(path.join(stateDir, 'ca'), { trustDomain: 'cluster.local' });
  t.after(() => authority.close());
  const tokens = await TokenIssuer.open(path.join(stateDir, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
  const address = server.running.addresses.secureGrpc ?? '';
  const connect = (client?: Certificate, roots = authority.roots()) => {
    const channel = secureChannel(address, roots, client);
    t.after(() => channel.close());
    return channel;
  };
  return { ...server, authority, tokens, connect };
}

/** Asks for one type, and resolves to the first response or the status that the stream ends with. */
function ask(
  channel: grpc.Client,
  node: Uint8Array,
  options: { readonly typeUrl?: string; readonly names?: string[]; readonly token?: string } = {},
): Promise<DiscoveryResponse | { readonly code: number; readonly details: string }> {
  const metadata = new grpc.Metadata();
  if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
  const call = channel.makeBidiStreamRequest<Buffer, Buffer>(
    ADS,
    (bytes) => bytes,
    (bytes) => bytes,
    metadata,
  );
  const { typeUrl = Resource.Cluster, names = [] } = options;
  const request = encodeDiscoveryRequest({ typeUrl, node, versionInfo: '', resourceNames: names, responseNonce: '' });
  call.write(Buffer.from(request));
  return new Promise((resolve) => {
    call.on('data', (bytes: Buffer) => {
      resolve(decodeDiscoveryResponse(bytes));
      call.cancel();
    });
    call.on('error', (error: grpc.ServiceError) => resolve({ code: error.code, details: error.details }));
  });
}

const node = encodedNode('router', 'gateway', 'gateways');
const ID = 'spiffe://cluster.local/ns/gateways/sa/default';

test('discovery on the secured port is for those who prove who they are', async (t) => {
  const { connect, tokens, authority } = await secured(t);
  assert.deepEqual(await ask(connect(), node), {
    code: grpc.status.UNAUTHENTICATED,
    details: 'authentication failure',
  });
  const nonsense = await ask(connect(), node, { token: 'a.b.c' });
  assert.equal('code' in nonsense && nonsense.code, grpc.status.UNAUTHENTICATED);
  const token = await tokens.issue({ namespace: 'gateways', serviceAccount: 'default' });
  const byToken = await ask(connect(), node, { token });
  assert.equal('typeUrl' in byToken && byToken.typeUrl, Resource.Cluster);
  const byCertificate = await ask(connect(await certificate(authority, ID)), node);
  assert.equal('typeUrl' in byCertificate && byCertificate.typeUrl, Resource.Cluster);
});

test('nobody speaks for another namespace or account', async (t) => {
  const { connect, tokens, authority } = await secured(t);
  const other = await ask(connect(await certificate(authority, 'spiffe://cluster.local/ns/other/sa/default')), node);
  assert.deepEqual(other, {
    code: grpc.status.PERMISSION_DENIED,
    details:
      'authorization failed: no identities ([spiffe://cluster.local/ns/other/sa/default]) matched gateways/default',
  });
  const token = await tokens.issue({ namespace: 'gateways', serviceAccount: 'other' });
  const account = await ask(connect(), node, { token });
  assert.equal('code' in account && account.code, grpc.status.PERMISSION_DENIED);
});

test('a certificate of another authority does not get as far as a call', async (t) => {
  const { connect, tokens } = await secured(t);
  const foreign = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain: 'cluster.local' });
  t.after(() => foreign.close());
  const client = await certificate(foreign, ID);
  const token = await tokens.issue({ namespace: 'gateways', serviceAccount: 'default' });
  const refused = await ask(connect(client), node, { token });
  assert.equal('code' in refused && refused.code, grpc.status.UNAVAILABLE);
});

test('the server proves that it is istiod', async (t) => {
  const { connect } = await secured(t);
  const foreign = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain: 'cluster.local' });
  t.after(() => foreign.close());
  const refused = await ask(connect(undefined, foreign.roots()), node);
  assert.equal('code' in refused && refused.code, grpc.status.UNAVAILABLE);
  assert.match('details' in refused ? refused.details : '', /certificate/);
});

test('a workload gets a certificate for itself', async (t) => {
  const { connect, tokens, authority } = await secured(t);
  const key = await generatePrivateKey('ecdsa-p256');
  const csr = await createRequest(key, { uris: [ID] });
  const token = await tokens.issue({ namespace: 'gateways', serviceAccount: 'default' });
  const { chain } = await requestCertificate(connect(), { csr, token });
  assert.equal(chain.at(-1), authority.roots());
  const client = { key: privateKeyPem(key), chain: chain.slice(0, -1).join('') };
  assert.equal((await requestCertificate(connect(client), { csr })).code, grpc.status.OK);
  assert.equal((await requestCertificate(connect(), { csr })).code, grpc.status.UNAUTHENTICATED);
});

test('a gateway gets its secret where its identity is proven, and over plaintext none', async (t) => {
  const authority = await openSelfSigned(path.join(scratch(t), 'ca'), { trustDomain: 'cluster.local' });
  t.after(() => authority.close());
  const pair = await certificate(authority, 'spiffe://cluster.local/ns/x/sa/y');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const data = { 'tls.crt': base64(pair.chain), 'tls.key': base64(pair.key) };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web', namespace: 'gateways' }, data };
  const { connect, tokens, grpc: plaintext } = await secured(t, { 'secret.yaml': JSON.stringify(secret) });
  const names = ['kubernetes://web'];
  const token = await tokens.issue({ namespace: 'gateways', serviceAccount: 'default' });
  const given = await ask(connect(), node, { typeUrl: Resource.Secret, names, token });
  assert.ok('resources' in given);
  const message = fromBinary(SecretSchema, given.resources[0].bytes);
  assert.deepEqual([message.name, message.type.case], ['kubernetes://web', 'tlsCertificate']);

  const plain = new grpc.Client(plaintext, grpc.credentials.createInsecure());
  t.after(() => plain.close());
  const none = await ask(plain, node, { typeUrl: Resource.Secret, names });
  assert.deepEqual('resources' in none ? none.resources : none, [], 'answered, with nothing');

  const sidecar = encodedNode('sidecar', 'web', 'gateways');
  const notGateway = await ask(connect(), sidecar, { typeUrl: Resource.Secret, names, token });
  assert.deepEqual('resources' in notGateway ? notGateway.resources : notGateway, []);
});

test("Istio's debug types are for proven identities, and of the root namespace where they show the whole mesh", async (t) => {
  const { connect, tokens, grpc: plaintext } = await secured(t);
  const debug = { typeUrl: 'istio.io/debug', names: ['list'] };
  const plain = new grpc.Client(plaintext, grpc.credentials.createInsecure());
  t.after(() => plain.close());
  const refused = await ask(plain, node, debug);
  assert.equal('code' in refused && refused.code, grpc.status.PERMISSION_DENIED);
  const workload = await tokens.issue({ namespace: 'gateways', serviceAccount: 'default' });
  const foreign = await ask(connect(), node, { ...debug, token: workload });
  assert.equal('code' in foreign && foreign.code, grpc.status.PERMISSION_DENIED);
  const admin = await tokens.issue({ namespace: 'istio-system', serviceAccount: 'default' });
  const answer = await ask(connect(), encodedNode('sidecar', 'tool', 'istio-system'), { ...debug, token: admin });
  assert.ok('resources' in answer, JSON.stringify(answer));
  assert.ok(JSON.parse(Buffer.from(answer.resources[0].bytes).toString()).includes('syncz'));
});

test('what a proxy has is told to its namespace and to the root namespace, of one proxy at a time', async (t) => {
  const { connect, tokens } = await secured(t);
  const tokenOf = (namespace: string) => tokens.issue({ namespace, serviceAccount: 'default' });
  const metadata = new grpc.Metadata();
  metadata.set('authorization', `Bearer ${await tokenOf('gateways')}`);
  const stays = connect().makeBidiStreamRequest<Buffer, Buffer>(
    ADS,
    (bytes) => bytes,
    (bytes) => bytes,
    metadata,
  );
  stays.on('error', () => {});
  t.after(() => stays.cancel());
  const first = { typeUrl: Resource.Cluster, node, versionInfo: '', resourceNames: [], responseNonce: '' };
  stays.write(Buffer.from(encodeDiscoveryRequest(first)));
  await new Promise((resolve) => stays.once('data', resolve));

  const dumpFor = async (namespace: string, ...names: string[]) => {
    const tool = encodedNode('sidecar', 'tool', namespace);
    const typeUrl = 'istio.io/debug/config_dump';
    const answer = await ask(connect(), tool, { typeUrl, names, token: await tokenOf(namespace) });
    return 'code' in answer ? answer.code : answer.resources.length;
  };
  assert.equal(await dumpFor('gateways', 'gateway.gateways'), 3);
  assert.equal(await dumpFor('istio-system', 'gateway.gateways'), 3);
  assert.equal(await dumpFor('other', 'gateway.gateways'), 0);
  assert.equal(await dumpFor('istio-system', 'nobody.gateways'), 0);
  assert.equal(await dumpFor('istio-system'), grpc.status.INVALID_ARGUMENT);
  assert.equal(await dumpFor('istio-system', 'gateway.gateways', 'a.b'), grpc.status.INVALID_ARGUMENT);
});
