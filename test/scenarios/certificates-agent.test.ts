import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import { execute, isthmusProgram, meshRecord, ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { type TestCertificate, TestPki } from '../support/pki.ts';
import { referenceProgram, scratch, until, withoutReference } from '../support/reference.ts';
import { relayMesh } from '../support/relay-mesh.ts';

const SHOP = 'shop.example';

/** A Gateway for a real Envoy, and the secret that it names. */
const gatewayOf = ({ cert, key }: TestCertificate) => `
apiVersion: v1
kind: Secret
metadata: {name: shop, namespace: istio-system}
stringData: ${JSON.stringify({ 'tls.crt': cert, 'tls.key': key })}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: istio-system}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 18443, name: tls, protocol: TLS}
    hosts: [${SHOP}]
    tls: {mode: SIMPLE, credentialName: shop}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: istio-system}
spec:
  hosts: [${SHOP}]
  gateways: [shop]
  tcp: [{route: [{destination: {host: front.default.svc.cluster.local}}]}]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: default, namespace: istio-system}
spec:
  metrics: [{overrides: [{disabled: true}]}]
`;

/** Envoy as it is released has none of Istio's own filters. */
const PLAIN_ENVOY = '  values: {pilot: {env: {PILOT_ENABLE_METADATA_EXCHANGE: "false"}}}';

/** Serial numbers of the leaves that a proxy has loaded, by Envoy's `/certs`. */
async function loaded(address: string): Promise<Set<string>> {
  const { stdout } = await execute('curl', ['-s', '-m', '5', '--noproxy', '*', `http://${address}:15000/certs`]);
  const { certificates = [] } = JSON.parse(stdout || '{}') as {
    certificates?: { cert_chain?: { serial_number: string }[] }[];
  };
  return new Set(certificates.flatMap(({ cert_chain: chain = [] }) => chain.map((c) => c.serial_number)));
}

const plain = (serial: string) => serial.replace(/^0+/, '');

/** An agent outside of the mesh's machine, as on a virtual machine: without a token, and with a real Envoy. */
function startAgent(
  t: TestContext,
  mesh: TestedMesh,
  dir: string,
  env: Readonly<Record<string, string>>,
  role: 'sidecar' | 'router' = 'sidecar',
) {
  const address = ownAddress();
  const { secureGrpc } = meshRecord(mesh).discovery;
  const [node, main] = isthmusProgram();
  // A file, which Envoy can open as /dev/stdout once more; a socket it cannot.
  const file = path.join(dir, 'agent.log');
  const log = fs.openSync(file, 'a');
  const child = spawn(node, [main, 'agent', role, '--dir', dir, '--proxy', referenceProgram('envoy')], {
    env: {
      PATH: process.env.PATH,
      CA_ADDR: secureGrpc,
      ISTIOD_SAN: 'istiod.istio-system.svc',
      PROXY_CONFIG: JSON.stringify({ discoveryAddress: secureGrpc, terminationDrainDuration: '1s' }),
      POD_NAME: 'vm',
      POD_NAMESPACE: 'default',
      SERVICE_ACCOUNT: 'vm',
      INSTANCE_IP: address,
      ISTHMUS_AGENT_ADDRESS: address,
      ISTIO_META_CLUSTER_ID: 'Kubernetes',
      ...env,
    },
    stdio: ['ignore', log, log],
  });
  fs.closeSync(log);
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal!)),
  );
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { address, output: () => fs.readFileSync(file, 'utf8') };
}

test('a real Envoy has by SDS what its agent gets: with PROV_CERT for a start, and from files', {
  skip: withoutReference,
}, async (t) => {
  const pki = await TestPki.make(path.join(scratch(t), 'pki'));
  const [first, second] = [await pki.issue({ dnsNames: [SHOP] }), await pki.issue({ dnsNames: [SHOP] })];
  const yaml = (pair: TestCertificate) => relayMesh({ more: gatewayOf(pair), operator: PLAIN_ENVOY });
  const mesh = await TestedMesh.start(t, yaml(first));
  const [name] = fs.readdirSync(path.join(mesh.home, 'meshes'));
  const authority = path.join(mesh.home, 'meshes', name!, 'state', 'ca');
  const issue = async (dir: string, workload = 'ns/default/sa/vm') => {
    const args = ['ca', 'issue', 'vm', '--spiffe', `spiffe://cluster.local/${workload}`, '--ca', authority];
    const { code, stderr } = await mesh.isthmus([...args, '--dir', dir, '--force']);
    assert.equal(code, 0, stderr);
    return serialIn(dir);
  };
  const serialIn = (dir: string) =>
    plain(parseCertificates(fs.readFileSync(path.join(dir, 'cert-chain.pem'), 'utf8'), 'chain')[0]!.serial);
  const has = async (address: string, serial: string) =>
    [...(await loaded(address))].some((one) => plain(one) === serial) || undefined;

  await t.test('PROV_CERT buys the first one, OUTPUT_CERTS in the same folder each later one', async (t) => {
    const dir = scratch(t);
    const prov = path.join(dir, 'prov');
    const first = await issue(prov);
    const env = { PROV_CERT: prov, OUTPUT_CERTS: prov, SECRET_TTL: '8s' };
    const { address, output } = startAgent(t, mesh, dir, env);
    const second = await until('the first is replaced', () => {
      const serial = serialIn(prov);
      return serial === first ? undefined : serial;
    });
    await until('Envoy has a certificate', async () => (await loaded(address)).size > 0 || undefined);
    await until('it is renewed, and Envoy has that', async () => {
      const serial = serialIn(prov);
      return serial !== second ? has(address, serial) : undefined;
    });
    assert.equal(fs.statSync(path.join(prov, 'key.pem')).mode & 0o777, 0o600);
    assert.doesNotMatch(output(), /PRIVATE KEY/);
  });

  await t.test("a gateway's credentialName is a secret that the control plane sends", async (t) => {
    const dir = scratch(t);
    const prov = path.join(dir, 'prov');
    await issue(prov, 'ns/istio-system/sa/edge');
    const edge = { POD_NAME: 'edge', POD_NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'edge' };
    const env = { ...edge, PROV_CERT: prov, ISTIO_METAJSON_LABELS: JSON.stringify({ app: 'edge' }) };
    const { address } = startAgent(t, mesh, dir, env, 'router');
    const serial = ({ cert }: TestCertificate) => plain(parseCertificates(cert, 'it')[0]!.serial);
    await until('Envoy has the secret', () => has(address, serial(first)));
    fs.writeFileSync(path.join(mesh.dir, 'mesh.yaml'), yaml(second)['mesh.yaml']);
    await until('Envoy has what took its place', () => has(address, serial(second)));
  });

  await t.test('FILE_MOUNTED_CERTS follows its files', async (t) => {
    const dir = scratch(t);
    const mounted = path.join(dir, 'etc/certs');
    const first = await issue(mounted);
    const { address } = startAgent(t, mesh, dir, { FILE_MOUNTED_CERTS: 'true' });
    await until('Envoy has what is mounted', () => has(address, first));
    const second = await issue(mounted);
    await until('Envoy has what took its place', () => has(address, second));
  });
});
