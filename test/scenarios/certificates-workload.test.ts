import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { parseCertificates } from '../../src/ca/x509/certificate.ts';
import type { CertificateEntry } from '../../src/config/control/mesh-api.ts';
import { meshRecord, meshStatus, TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';
import { presentedTo, relayLoad, relayMesh } from '../support/relay-mesh.ts';

const OUTPUT = 'etc/istio-output-certs';

/** What `OUTPUT_CERTS` is to hold at every moment: one key with its certificate, and what that leads to. */
function readOutput(folder: string): { readonly serial: string; readonly key: string } {
  const data = fs.realpathSync(path.join(folder, OUTPUT, '..data'));
  const read = (name: string) => fs.readFileSync(path.join(data, name), 'utf8');
  const [leaf] = parseCertificates(read('cert-chain.pem'), 'chain');
  const [root] = parseCertificates(read('root-cert.pem'), 'roots');
  assert.ok(leaf!.matches(crypto.createPrivateKey(read('key.pem'))), 'key and certificate are of one renewal');
  assert.ok(leaf!.isSignedBy(root!));
  return { serial: leaf!.serial, key: read('key.pem') };
}

function filesUnder(dir: string): string[] {
  return fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('end', () => resolve(text));
      })
      .on('error', reject);
  });
}

test('short-lived certificates under load: renewed in time, written together, and no key anywhere else', async (t) => {
  const config = JSON.stringify({
    proxyMetadata: { SECRET_TTL: '12s', OUTPUT_CERTS: `/${OUTPUT}`, WORKLOAD_RSA_KEY_SIZE: '2048' },
  });
  const mesh = await TestedMesh.start(
    t,
    relayMesh({
      operator: '  meshConfig: {defaultConfig: {proxyMetadata: {SECRET_TTL: 1h}}}',
      annotations: `{proxy.istio.io/config: ${JSON.stringify(config)}}`,
    }),
  );
  const listed = async () =>
    JSON.parse((await mesh.isthmus(['certs', '-o', 'json'])).stdout).certificates.filter(
      ({ kind }: CertificateEntry) => kind === 'leaf',
    ) as { name: string; key: string; secondsLeft: number }[];
  for (const { name, key, secondsLeft } of await listed()) {
    const isPod = /\/sa\/(front|middle|back)$/.test(name);
    if (isPod) assert.ok(secondsLeft <= 12 && secondsLeft >= 0, `${name}: ${secondsLeft} s`);
    else if (name.includes('ingress'))
      assert.ok(secondsLeft > 3000 && secondsLeft <= 3600, `${name}: ${secondsLeft} s`);
    assert.equal(key, isPod ? 'RSA 2048' : 'ECDSA P-256', name);
  }

  const { pods } = await meshStatus(mesh);
  const relays = pods.filter(({ namespace }) => namespace === 'default');
  const load = relayLoad(t, mesh);
  const serials = new Map(relays.map(({ name }) => [name, new Set<string>()]));
  const keys = new Set<string>();
  const written = new Set<string>();
  await until('each has had three certificates, and has written them', async () => {
    for (const { name, podIp, folder } of relays) {
      serials.get(name)!.add((await presentedTo(podIp)).serial);
      const output = readOutput(folder);
      written.add(output.serial);
      keys.add(output.key);
    }
    return (
      [...serials.values()].every((seen) => seen.size >= 3 && [...seen].every((serial) => written.has(serial))) ||
      undefined
    );
  });
  await load.more(100);
  await load.end();
  assert.deepEqual([...load.answers], [['200', load.sent]]);
  assert.ok(load.sent > 300, `${load.sent} requests`);

  // Whoever has the text of a key has its middle.
  const secrets = [...keys].map((key) => key.split('\n')[3]!);
  const holds = (text: string) => /PRIVATE KEY-----/.test(text) || secrets.some((secret) => text.includes(secret));
  const base64 = secrets.map((secret) => Buffer.from(secret).toString('base64').slice(4, -8));
  const tells = (text: string) => holds(text) || base64.some((secret) => text.includes(secret));
  const { discovery } = meshRecord(mesh);
  const { proxies } = JSON.parse(
    await new Promise<string>((resolve, reject) => {
      const options = { socketPath: meshRecord(mesh).controlSocket, path: '/v1/proxies' };
      http.get(options, (answer) => answer.setEncoding('utf8').on('data', resolve)).on('error', reject);
    }),
  ) as { proxies: { admin: string; status: string }[] };
  const dumps = [
    ...['adsz', 'configz', 'config_dump?proxyID=front.default', 'endpointz', 'syncz'].map(
      (page) => `http://${discovery.monitoring}/debug/${page}`,
    ),
    ...proxies.flatMap(({ admin, status }) => [
      ...['config_dump', 'config_dump?include_eds', 'certs', 'server_info'].map((page) => `http://${admin}/${page}`),
      ...['certificates', 'environment', 'proxyConfig'].map((page) => `http://${status}/debug/${page}`),
    ]),
  ];
  for (const url of dumps) {
    const text = await ask(url);
    assert.ok(text.length > 0 && !tells(text), `${url} shows a private key`);
  }
  assert.ok(!tells(mesh.stdout + mesh.stderr), 'what the mesh prints');
  const home = filesUnder(mesh.home);
  const logs = home.filter((file) => file.includes(`${path.sep}logs${path.sep}`));
  assert.ok(
    logs.some((file) => /certificate issued/.test(fs.readFileSync(file, 'utf8'))),
    'issuance is audited',
  );
  for (const file of logs) assert.ok(!tells(fs.readFileSync(file, 'utf8')), `${file} has a private key`);
  const holders = home.filter((file) => !logs.includes(file) && holds(fs.readFileSync(file, 'latin1')));
  assert.ok(holders.length >= 4);
  for (const file of holders) assert.equal(fs.statSync(file).mode & 0o077, 0, `${file} is open to others`);
});
