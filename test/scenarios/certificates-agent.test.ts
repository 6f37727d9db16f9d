import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import { execute, isthmusProgram, meshRecord, ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { referenceProgram, scratch, until, withoutReference } from '../support/reference.ts';
import { relayMesh } from '../support/relay-mesh.ts';

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
function startAgent(t: TestContext, mesh: TestedMesh, dir: string, env: Readonly<Record<string, string>>) {
  const address = ownAddress();
  const { secureGrpc } = meshRecord(mesh).discovery;
  const [node, main] = isthmusProgram();
  const child = spawn(node, [main, 'agent', 'sidecar', '--dir', dir, '--proxy', referenceProgram('envoy')], {
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
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal!)),
  );
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { address, output: () => output };
}

test('a real Envoy has by SDS what its agent gets: with PROV_CERT for a start, and from files', {
  skip: withoutReference,
}, async (t) => {
  const mesh = await TestedMesh.start(t, relayMesh());
  const [name] = fs.readdirSync(path.join(mesh.home, 'meshes'));
  const authority = path.join(mesh.home, 'meshes', name!, 'state', 'ca');
  const issue = async (dir: string) => {
    const args = ['ca', 'issue', 'vm', '--spiffe', 'spiffe://cluster.local/ns/default/sa/vm', '--ca', authority];
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
