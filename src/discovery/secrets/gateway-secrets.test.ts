import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { SecretSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { openSelfSigned } from '../../ca/authority/directory.ts';
import { generatePrivateKey, privateKeyPem } from '../../ca/x509/keys.ts';
import { createRequest } from '../../ca/x509/request.ts';
import { readObjects } from '../../config/read.ts';
import { MemoryStore } from '../../config/store/memory-store.ts';
import { TypeUrl } from '../../translate/cell.ts';
import type { ProxyNode } from '../../translate/node.ts';
import { type ConnectedProxy, newProgress } from '../proxies/connected-proxy.ts';
import { MeshSource } from '../snapshot/mesh-source.ts';
import { GatewaySecrets } from './gateway-secrets.ts';

const REGISTRY = {
  domain: 'cluster.local',
  clusterId: 'Kubernetes',
  network: '',
  allocateAddresses: false,
  allocateClusterIps: false,
};

async function certificate(t: TestContext) {
  const dir = await mkdtemp(path.join(tmpdir(), 'isthmus-secrets-'));
  const authority = await openSelfSigned(path.join(dir, 'ca'), { trustDomain: 'cluster.local' });
  t.after(async () => {
    authority.close();
    await rm(dir, { recursive: true });
  });
  const key = await generatePrivateKey('ecdsa-p256');
  const { chain, roots } = await authority.sign(await createRequest(key, { dnsNames: ['x.example'] }), {
    dnsNames: ['x.example'],
  });
  return { key: privateKeyPem(key), chain: chain.join(''), roots };
}

const secret = (namespace: string, name: string, data: Record<string, string>) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    data: Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Buffer.from(v).toString('base64')])),
  });

async function world(t: TestContext) {
  const pem = await certificate(t);
  const store = new MemoryStore();
  const apply = (text: string) => store.apply(readObjects(text, 'secrets.yaml').entries);
  await apply(secret('gateways', 'web', { 'tls.crt': pem.chain, 'tls.key': pem.key, 'ca.crt': pem.roots }));
  await apply(secret('other', 'web', { 'tls.crt': pem.chain, 'tls.key': pem.key }));
  await apply(secret('gateways', 'broken', { 'tls.crt': 'nonsense', 'tls.key': pem.key }));
  const source = new MeshSource({ store, mesh: {}, registry: REGISTRY });
  let errors = 0;
  const secrets = new GatewaySecrets({ clock: systemClock, log: silentLogger, onError: () => errors++ });
  const proxy = (type: 'router' | 'sidecar', namespace: string | undefined, names: string[] = []): ConnectedProxy => ({
    connectionId: 'gw-1',
    id: 'gw',
    node: { type, namespace: 'gateways' } as ProxyNode,
    rawNode: create(NodeSchema, {}),
    identity: namespace === undefined ? undefined : { trustDomain: 'cluster.local', namespace, serviceAccount: 'gw' },
    peer: '',
    connectedAt: 0,
    stream: {
      snapshot: 0,
      view: undefined,
      status: () => [{ typeUrl: TypeUrl.Secret, names: new Set(names) }] as never,
      push() {},
      adopt() {},
      renew() {},
    },
    disconnect() {},
    progress: newProgress(),
  });
  return { pem, apply, store, source, secrets, proxy, errors: () => errors };
}

test('a gateway gets the secrets of the namespace of its identity', async (t) => {
  const { pem, source, secrets, proxy } = await world(t);
  const view = secrets.view(proxy('router', 'gateways'), source.snapshot);
  const cell = view.get('kubernetes://web');
  const message = fromBinary(SecretSchema, cell?.bytes ?? new Uint8Array());
  assert.equal(message.name, 'kubernetes://web');
  assert.equal(message.type.case, 'tlsCertificate');
  const specifier = message.type.case === 'tlsCertificate' ? message.type.value.privateKey?.specifier : undefined;
  assert.equal(Buffer.from(specifier?.case === 'inlineBytes' ? specifier.value : '').toString(), pem.key);
  assert.equal(cell?.origin[0].file, 'secrets.yaml');
  const roots = fromBinary(SecretSchema, view.get('kubernetes://web-cacert')?.bytes ?? new Uint8Array());
  assert.equal(roots.type.case, 'validationContext');
  assert.equal(view.get('kubernetes://web'), cell, 'made once');
  assert.equal(view.get('kubernetes://gateways/web')?.bytes.length, Number(cell?.bytes.length) + 'gateways/'.length);
});

test('a secret that holds CA certificates alone is that, whatever its name', async (t) => {
  const { pem, apply, source, secrets, proxy } = await world(t);
  await apply(secret('gateways', 'clients', { 'ca.crt': pem.roots }));
  await apply(secret('gateways', 'generic', { cacert: pem.roots }));
  await apply(secret('gateways', 'half', { 'tls.crt': pem.chain, 'ca.crt': pem.roots }));
  const view = secrets.view(proxy('router', 'gateways'), source.snapshot);
  for (const name of ['clients', 'generic', 'clients-cacert', 'half-cacert']) {
    const { type } = fromBinary(SecretSchema, view.get(`kubernetes://${name}`)?.bytes ?? new Uint8Array());
    assert.equal(type.case, 'validationContext', name);
  }
  assert.equal(view.get('kubernetes://half'), undefined, 'a certificate without its key is a mistake');
});

test('nobody else does', async (t) => {
  const { source, secrets, proxy, errors } = await world(t);
  const refused: [string, ConnectedProxy, string][] = [
    ['another namespace', proxy('router', 'gateways'), 'kubernetes://other/web'],
    ['the namespace that it claims', proxy('router', 'elsewhere'), 'kubernetes://gateways/web'],
    ['no identity', proxy('router', undefined), 'kubernetes://web'],
    ['a sidecar', proxy('sidecar', 'gateways'), 'kubernetes://web'],
    ['no reference', proxy('router', 'gateways'), 'default'],
    ['no such secret', proxy('router', 'gateways'), 'kubernetes://missing'],
    ['a secret that is no certificate', proxy('router', 'gateways'), 'kubernetes://broken'],
  ];
  for (const [why, who, name] of refused) assert.equal(secrets.view(who, source.snapshot).get(name), undefined, why);
  assert.equal(errors(), 3, 'unauthorised ones and the broken one are counted');
});

test('a change concerns only those who follow the secret', async (t) => {
  const { apply, source, secrets, proxy, pem } = await world(t);
  const before = source.snapshot;
  await apply(secret('gateways', 'web', { 'tls.crt': pem.chain, 'tls.key': pem.key }));
  const after = source.snapshot;
  const affects = (who: ConnectedProxy) => secrets.affects(who, before, after);
  assert.equal(affects(proxy('router', 'gateways', ['kubernetes://web'])), true);
  assert.equal(affects(proxy('router', 'gateways', ['kubernetes://web-cacert'])), true);
  assert.equal(affects(proxy('router', 'gateways', ['kubernetes://broken', 'default'])), false);
  assert.equal(affects(proxy('router', 'other', ['kubernetes://web'])), false);
});
