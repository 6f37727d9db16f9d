import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ByteRecorder } from '../support/byte-recorder.ts';
import { enrouteMesh, gatewayHost, globalConfig } from '../support/enroute.ts';
import { type Answer, apply, curl, type KeyPairFiles, OpensslCa } from '../support/ingress.ts';
import { meshStatus, ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

const HOST = 'bookinfo.example';
/** What nobody at the wire may read of a request and its answer. */
const SECRETS = { path: '/secret-path', header: 'secret-header-value', body: 'secret-body-text' };

/** The service `wire`: the pods of `web`, as found by way of a recorder. */
const wire = (address: string, port: number) => `
apiVersion: v1
kind: Service
metadata: {name: wire}
spec: {selector: {app: wire}, ports: [{name: http, port: 80, targetPort: ${port}}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: wire}
spec: {address: ${address}, labels: {app: wire}, serviceAccount: default}
---
`;

const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: global, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
`;

const certificate = (pair: KeyPairFiles) =>
  `${JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'bookinfo-cert' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': fs.readFileSync(pair.cert, 'base64'), 'tls.key': fs.readFileSync(pair.key, 'base64') },
  })}\n---\n`;

test('EnRoute joined to the mesh: encrypted from the client to the application', async (t) => {
  const pods = new Map<string, string>();
  const toWeb = await ByteRecorder.open(t, ownAddress(), () => ({ host: pods.get('web')!, port: 3000 }));
  const route = { prefix: '/', service: 'wire' };
  const mesh = await TestedMesh.start(
    t,
    enrouteMesh(wire(toWeb.address, toWeb.port), gatewayHost('bookinfo', HOST, [route])),
  );
  for (const pod of (await meshStatus(mesh)).pods) pods.set(pod.name.split('-')[0]!, pod.podIp);
  let secure = false;
  const toGateway = await ByteRecorder.open(t, ownAddress(), () => ({
    host: mesh.address,
    port: secure ? 8443 : 8080,
  }));
  const ca = await OpensslCa.create(path.join(scratch(t), 'ca'));

  const ask = (scheme = 'http'): Promise<Answer> =>
    curl(
      mesh,
      ...['--resolve', `${HOST}:${toGateway.port}:${toGateway.address}`, '--cacert', ca.root],
      ...['-H', `x-secret: ${SECRETS.header}`, '-d', SECRETS.body],
      `${scheme}://${HOST}:${toGateway.port}${SECRETS.path}`,
    );
  /** Which of the secrets somebody has seen since the last look. */
  const seen = (recorder: ByteRecorder) => {
    const bytes = recorder.take();
    assert.ok(bytes.length > 0, 'nothing came by');
    return Object.entries(SECRETS).flatMap(([name, text]) => (bytes.includes(text) ? [name] : []));
  };
  const all = Object.keys(SECRETS);

  await t.test('on its own it speaks plain, to clients and to services', async () => {
    assert.equal((await ask()).status, 200);
    assert.deepEqual(seen(toGateway), all);
    assert.deepEqual(seen(toWeb), all);
  });

  const folder = fs.globSync(path.join(mesh.home, 'meshes/*/pods/enroute-system.enroute-*/etc/istio-certs'))[0]!;
  const written = () => new X509Certificate(fs.readFileSync(path.join(folder, 'cert-chain.pem')));
  const fingerprint = () => written().fingerprint256.replaceAll(':', '').toLowerCase();

  await t.test('the sidecar writes its certificate where OUTPUT_CERTS says, for as long as SECRET_TTL says', () => {
    const { subjectAltName, validFromDate, validToDate } = written();
    assert.equal(subjectAltName, 'URI:spiffe://cluster.local/ns/enroute-system/sa/enroute');
    assert.ok(validToDate.getTime() - validFromDate.getTime() <= 3_600_000 + 120_000);
    assert.equal(fs.statSync(path.join(folder, 'key.pem')).mode & 0o077, 0);
  });

  await t.test("under STRICT nobody answers it, until GlobalConfig gives it the mesh's secrets", async () => {
    await apply(mesh, STRICT);
    const refused = await until('a refusal', async () => {
      const answer = await ask();
      return answer.status === 200 ? undefined : answer;
    });
    assert.equal(refused.status, 503);
    await apply(mesh, globalConfig('globals', 'globalconfig_globals', { istio_enabled: true }));
    await until('an answer', async () => (await ask()).status === 200 || undefined);
    toGateway.take();
    toWeb.take();
    const answer = await ask();
    const { headers } = JSON.parse(answer.body);
    const client = headers['x-forwarded-client-cert'];
    assert.match(client, /URI=spiffe:\/\/cluster\.local\/ns\/enroute-system\/sa\/enroute$/);
    assert.match(client, new RegExp(`Hash=${fingerprint()};`), 'it presents what the cert-server has handed out');
    assert.deepEqual(seen(toWeb), []);
    assert.deepEqual(seen(toGateway), all, 'clients still speak plain');
  });

  await t.test('what the sidecar renews is presented from the next connection on', async () => {
    const before = fingerprint();
    const renewal = await curl(mesh, '-X', 'POST', `http://${pods.get('enroute')}:15020/certificates/renew`);
    assert.equal(renewal.status, 200, renewal.body);
    await until('a new certificate', () => fingerprint() !== before || undefined);
    await until('that it is presented', async () => {
      toWeb.cut();
      const { status, body } = await ask();
      return (status === 200 && body.includes(`Hash=${fingerprint()};`)) || undefined;
    });
  });

  await t.test('with a certificate on the GatewayHost nothing can be read on any hop', async () => {
    const tlsOf = { tls: { secretName: 'bookinfo-cert', minimumProtocolVersion: '1.2' } };
    await apply(mesh, certificate(await ca.issue(HOST)), gatewayHost('bookinfo', HOST, [route], tlsOf));
    secure = true;
    await until('an answer over TLS', async () => (await ask('https')).status === 200 || undefined);
    toGateway.take();
    toWeb.take();
    assert.equal((await ask('https')).status, 200);
    assert.deepEqual(seen(toGateway), []);
    assert.deepEqual(seen(toWeb), []);
    const { status, headers } = await curl(mesh, '-H', `Host: ${HOST}`, `http://${mesh.gateway(80)}${SECRETS.path}`);
    assert.equal(status, 301);
    assert.match(headers, new RegExp(`^location: https://${HOST}${SECRETS.path}\r?$`, 'm'));
  });
});
