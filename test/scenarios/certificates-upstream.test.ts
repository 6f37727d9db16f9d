import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Authority } from '../../src/agent/certificates/authority.ts';
import { AgentMetrics } from '../../src/agent/status/metrics.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openDirectory } from '../../src/ca/authority/directory.ts';
import { certificateEnvironment } from '../../src/ca/client/environment.ts';
import { LOCAL_TOKEN_ISSUER, TokenIssuer } from '../../src/ca/tokens/token-issuer.ts';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import { generatePrivateKey, privateKeyPem } from '../../src/ca/x509/keys.ts';
import { createRequest } from '../../src/ca/x509/request.ts';
import { curl } from '../support/ingress.ts';
import { meshRecord, meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { startIsthmus } from '../support/mesh.ts';
import { scratch, until } from '../support/reference.ts';
import { presentedTo, RELAY_HOST, relayMesh } from '../support/relay-mesh.ts';

const NAMES = ['front', 'middle', 'back'];

test('another control plane signs for a mesh', async (t) => {
  const folder = scratch(t);
  const stateDir = path.join(folder, 'state');
  const lines: string[] = [];
  const upstream = await startIsthmus(
    t,
    {},
    {
      lines,
      stateDir,
      addresses: { grpcAddr: '', secureGRPCAddr: '127.0.0.1:0', httpAddr: '', monitoringAddr: '' },
      env: { CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/istiod' },
    },
  );
  const tokens = await TokenIssuer.open(path.join(stateDir, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
  const token = await tokens.issue({ namespace: 'istio-system', serviceAccount: 'istiod' });
  const tokenFile = path.join(folder, 'token');
  fs.writeFileSync(tokenFile, token, { mode: 0o600 });
  const rootFile = path.join(stateDir, 'ca/root-cert.pem');
  const env = {
    EXTERNAL_CA: 'ISTIOD_RA_ISTIO_API',
    CA_ADDR: upstream.running.addresses.secureGrpc,
    CA_SAN: 'istiod.istio-system.svc',
    CA_ROOT_CA: rootFile,
    CA_TOKEN_FILE: tokenFile,
  };
  const authority = await openDirectory(path.join(stateDir, 'ca'), { trustDomain: 'cluster.local' });
  t.after(() => authority.close());
  const files = async () => {
    const key = await generatePrivateKey('ecdsa-p256');
    const dnsNames = ['istiod.istio-system.svc', 'istiod.istio-system'];
    const { chain, roots, serial } = await authority.sign(await createRequest(key, {}), { dnsNames });
    const own = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'istiod-tls', namespace: 'istio-system' },
      stringData: { 'tls.crt': chain.join(''), 'tls.key': privateKeyPem(key), 'ca.crt': roots },
    };
    const operator = `
  meshConfig: {defaultConfig: {proxyMetadata: {SECRET_TTL: 12s}}}
  values: {pilot: {env: ${JSON.stringify(env)}}}`;
    return { serial, ...relayMesh({ more: JSON.stringify(own), operator }) };
  };
  const { serial, ...yaml } = await files();
  const mesh = await TestedMesh.start(t, yaml);
  const [secureHost, securePort] = meshRecord(mesh).discovery.secureGrpc.split(':');
  const serverSerial = async () => (await presentedTo(secureHost!, Number(securePort), 'h2')).serial;
  assert.equal(await serverSerial(), serial);

  const { status, body } = await curl(mesh, '-H', `Host: ${RELAY_HOST}`, `http://${mesh.gateway(80)}/`);
  assert.deepEqual([status, body], [200, 'hello from the last'], 'three hops of mutual TLS');
  const [root] = parseCertificates(fs.readFileSync(rootFile, 'utf8'), rootFile);
  const { pods } = await meshStatus(mesh);
  for (const name of NAMES) {
    const leaf = await presentedTo(pods.find((pod) => pod.name === name)!.podIp);
    assert.ok(leaf.isSignedBy(root!), `${name}: by the upstream authority`);
    assert.deepEqual(leaf.extensions.subjectAltNames.uris, [`spiffe://cluster.local/ns/default/sa/${name}`]);
    const issued = lines.filter((line) => line.includes('certificate issued') && line.includes(`/sa/${name}`));
    assert.ok(issued.length >= 1, name);
    assert.match(issued[0]!, /caller="?spiffe:\/\/cluster\.local\/ns\/istio-system\/sa\/istiod/);
    assert.match(issued[0]!, new RegExp(`onBehalfOf="?spiffe://cluster\\.local/ns/default/sa/${name}`));
  }
  assert.ok(!lines.join('').includes(token), 'no log has the token');
  const { stdout, code } = await mesh.isthmus(['certs']);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /spiffe:\/\/cluster\.local\/ns\/default\/sa\/front/);

  // Whoever renews the Secret, such as cert-manager, need not restart anything.
  const next = await files();
  fs.writeFileSync(path.join(mesh.dir, 'mesh.yaml'), next['mesh.yaml']);
  await until(
    'the control plane presents the new one',
    async () => (await serverSerial()) === next.serial || undefined,
  );
  const again = await mesh.isthmus(['certs', 'renew', 'front.default']);
  assert.equal(again.code, 0, again.stderr);

  // Nobody signs any more: who is due for a new certificate is told of, and the mesh is not well.
  await upstream.running.stop();
  const red = await until('a renewal is overdue', async () => {
    const certs = await mesh.isthmus(['certs']);
    return certs.code === 1 ? certs.stdout : undefined;
  });
  assert.match(red, /renewal fails: .*the upstream CA does not issue certificates/);
  const health = await mesh.isthmus(['status']);
  assert.equal(health.code, 1);
  assert.match(health.stdout, /^mesh mesh .* is not ready/);
  assert.match(health.stdout, /certificates: .*renewal fails/);
});

test('a workload that knows a former trust domain of the mesh, now an alias, gets its name in the new one', async (t) => {
  const folder = scratch(t);
  const meshConfig = path.join(folder, 'mesh.yaml');
  fs.writeFileSync(meshConfig, 'trustDomain: new.example\ntrustDomainAliases: [old.example]\n');
  const stateDir = path.join(folder, 'state');
  const addresses = { grpcAddr: '', secureGRPCAddr: '127.0.0.1:0', httpAddr: '', monitoringAddr: '' };
  const { running } = await startIsthmus(t, {}, { meshConfig, stateDir, addresses });
  const tokens = await TokenIssuer.open(path.join(stateDir, 'tokens'), { issuer: LOCAL_TOKEN_ISSUER });
  const tokenFile = path.join(folder, 'token');
  fs.writeFileSync(tokenFile, await tokens.issue({ namespace: 'shop', serviceAccount: 'web' }), { mode: 0o600 });
  const [host = '', port = ''] = running.addresses.secureGrpc!.split(':');
  const ask = (trustDomain: string) => {
    const authority = new Authority({
      host,
      port: Number(port),
      serverName: 'istiod.istio-system.svc',
      roots: path.join(stateDir, 'ca/root-cert.pem'),
      identity: { trustDomain, namespace: 'shop', serviceAccount: 'web' },
      clusterId: undefined,
      certificates: certificateEnvironment({}),
      tokenFile,
      resolve: (file) => file,
      current: () => undefined,
      metrics: new AgentMetrics(),
      log: silentLogger,
    });
    t.after(() => authority.close());
    return authority.issue(3_600_000);
  };
  for (const domain of ['old.example', 'new.example']) {
    const { certificate } = await ask(domain);
    assert.equal(certificate.identity, 'spiffe://new.example/ns/shop/sa/web', domain);
  }
  await assert.rejects(ask('other.example'), /the request asks for "spiffe:\/\/other\.example/);
});
