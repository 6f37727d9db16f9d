import assert from 'node:assert/strict';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { isListening, meshStatus, ownAddress, ROOT, TestedMesh } from '../../support/local-mesh.ts';
import { type Attempt, attempt, type PeerFiles, PeerMaker } from '../../support/peers.ts';
import { scratch, until } from '../../support/reference.ts';

/** What is left to do when the file is over. */
const cleanups: (() => void | Promise<void>)[] = [];
const context = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) };

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const CLIENT = 'spiffe://cluster.local/ns/default/sa/client';
const HOUR = 3_600_000;
const EXPIRED_AFTER_MS = 1000;

let mesh: TestedMesh;
let peers: PeerMaker;
let meshCa: string;
let own: string;
let foreign: string;
/** A server in the mesh whose certificate is not the one that its workload should have. */
let impostor: { readonly address: string; readonly port: number; readonly heard: string[] };

before(async () => {
  const folder = scratch(context);
  peers = new PeerMaker(folder);
  own = await peers.root('own', 10 * HOUR);
  foreign = await peers.root('foreign');
  const server = await peers.leaf(own, { dnsNames: ['shop.example'] });
  const read = (dir: string, file: string) => fs.readFileSync(path.join(dir, file), 'utf8');
  const address = ownAddress();
  const source = path.join(folder, 'coolstore');
  fs.cpSync(path.join(ROOT, 'examples/coolstore'), source, { recursive: true });
  const secret = { 'tls.crt': server.cert, 'tls.key': server.key, 'ca.crt': read(own, 'root-cert.pem') };
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'shop-certs', namespace: 'istio-system' },
      stringData: secret,
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop' },
      spec: {
        selector: { istio: 'ingressgateway' },
        servers: [
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: ['shop.example'],
            tls: { mode: 'MUTUAL', credentialName: 'shop-certs', subjectAltNames: [CLIENT] },
          },
        ],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'shop' },
      spec: {
        hosts: ['shop.example', 'peer'],
        gateways: ['shop'],
        http: [{ directResponse: { status: 200, body: { string: 'welcome' } } }],
      },
    },
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'default', namespace: 'istio-system' },
      spec: { mtls: { mode: 'STRICT' } },
    },
  ];
  fs.writeFileSync(path.join(source, 'peers.yaml'), objects.map((o) => JSON.stringify(o)).join('\n---\n'));
  mesh = await TestedMesh.start(context, source, { address });
  meshCa = path.join(mesh.home, 'meshes/coolstore/state/ca');
  impostor = await startImpostor();
});

after(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

async function startImpostor(): Promise<typeof impostor> {
  const { cert, key } = await peers.leaf(meshCa, { uris: ['spiffe://cluster.local/ns/default/sa/other'] });
  const heard: string[] = [];
  const server = tls.createServer({ cert, key, ALPNProtocols: ['istio', 'istio-http/1.1', 'http/1.1'] }, (socket) => {
    socket.on('data', (data: Buffer) => {
      heard.push(data.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  const address = ownAddress();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  cleanups.push(() => void server.close());
  const { port } = server.address() as net.AddressInfo;
  return { address, port, heard };
}

interface BadPeer {
  readonly what: string;
  /** What it shows; nothing is no certificate. */
  readonly files: PeerFiles | undefined;
  readonly version?: Attempt['version'];
  /** What the log of the proxy says of it. */
  readonly why: RegExp;
}

/** One line a way of being wrong, for peers that should be `good` and of an authority. */
async function badPeers(authority: string, good: string): Promise<readonly BadPeer[]> {
  const names = { uris: [good] };
  const domain = (name: string) => peers.leaf(authority, { uris: [good.replace('cluster.local', name)] });
  return [
    { what: 'no certificate', files: undefined, why: /failed: .*certificate/ },
    { what: 'another root', files: await peers.leaf(foreign, names), why: /unknown_ca/ },
    { what: 'self-signed', files: await peers.selfSigned(names), why: /unknown_ca/ },
    { what: 'expired', files: await expired(authority, good), why: /certificate_expired/ },
    { what: 'not yet valid', files: await peers.leaf(authority, names, HOUR, Date.now() + HOUR), why: /not.* valid/ },
    { what: 'another trust domain', files: await domain('other.example'), why: /spiffe:\/\/other\.example/ },
    { what: 'a trust domain that begins alike', files: await domain('cluster.local.evil'), why: /local\.evil/ },
    {
      what: 'no SPIFFE id',
      files: await peers.leaf(authority, { dnsNames: ['client.default.svc.cluster.local'] }),
      why: /DNS client\.default/,
    },
    { what: 'TLS 1.1', files: await peers.leaf(authority, names), version: 'TLSv1.1', why: /protocol/ },
  ];
}

async function expired(authority: string, uri: string): Promise<PeerFiles> {
  const files = await peers.leaf(authority, { uris: [uri] }, EXPIRED_AFTER_MS);
  const made = Date.now();
  await until('expiry', () => (Date.now() > made + 2 * EXPIRED_AFTER_MS ? true : undefined));
  return files;
}

/** The lines of a proxy's log, without one that is still being written: what it refuses, and every request. */
function logOf(name: string): string {
  const logs = path.join(mesh.home, 'meshes/coolstore/logs');
  const folder = fs.readdirSync(logs).find((f) => f.includes(`.${name}-`));
  const text = fs.readFileSync(path.join(logs, folder!, 'istio-proxy.log'), 'utf8');
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

let attempts = 0;

async function refuses(
  proxy: string,
  bad: readonly BadPeer[],
  good: PeerFiles,
  where: Pick<Attempt, 'host' | 'port' | 'servername' | 'alpn'>,
) {
  const paths: string[] = [];
  const shown: PeerFiles[] = [good];
  for (const version of VERSIONS) {
    for (const { what, files, why, version: own = version } of bad) {
      const target = `/bad-peer-${attempts++}`;
      paths.push(target);
      const about = `${proxy}, ${own}, ${what}`;
      const { status, source } = await attempt({ ...where, version: own, files, path: target });
      assert.equal(status, '', `${about}: was answered`);
      const told = () =>
        logOf(proxy)
          .split('\n')
          .filter((line) => line.includes(` ${source} `));
      await until(`the log tells of it: ${about}`, () => told().length > 0 || undefined);
      assert.equal(told().length, 1, `${about}: told once: ${told().join('\n')}`);
      assert.match(told()[0]!, why, about);
      if (files) shown.push(files);
    }
    const target = `/good-peer-${attempts++}`;
    const { status } = await attempt({ ...where, version, files: good, path: target });
    assert.match(status, /^HTTP\/1\.1 (200|404) /, `${proxy}, ${version}: the good peer was not answered`);
    await until(`the access log of ${proxy} tells of ${target}`, () => logOf(proxy).includes(target) || undefined);
  }
  for (const target of paths) assert.ok(!logOf(proxy).includes(target), `${target} came to the filters of ${proxy}`);
  assert.equal(paths.length, VERSIONS.length * bad.length);
  nothingLeaks(shown);
}

/** No log of the mesh has a line of a key. */
function nothingLeaks(files: readonly PeerFiles[]): void {
  const logs = path.join(mesh.home, 'meshes/coolstore/logs');
  const all = fs
    .readdirSync(logs, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.log'))
    .map((file) => fs.readFileSync(path.join(logs, file), 'utf8'))
    .concat(mesh.stdout, mesh.stderr)
    .join('\n');
  assert.ok(all.length > 1000, 'there are logs');
  assert.doesNotMatch(all, /PRIVATE KEY/);
  for (const { key } of files) {
    for (const line of key.split('\n').filter((text) => text.length >= 40 && !text.startsWith('---'))) {
      assert.ok(!all.includes(line), 'a part of a key is in a log');
    }
  }
}

test('a gateway with mutual TLS refuses every bad peer before its filters', async () => {
  const [host = '', port = ''] = mesh.gateway(443).split(':');
  await until('the listener', async () => (await isListening(host, Number(port))) || undefined);
  const bad = [
    ...(await badPeers(own, CLIENT)),
    {
      what: 'another SPIFFE id',
      files: await peers.leaf(own, { uris: [`${CLIENT}2`] }),
      why: /default\/sa\/client2/,
    },
  ];
  await refuses('istio-ingressgateway', bad, await peers.leaf(own, { uris: [CLIENT] }), {
    host,
    port: Number(port),
    servername: 'shop.example',
    alpn: ['http/1.1'],
  });
});

test('a sidecar under STRICT refuses every bad peer before its filters', async () => {
  const { pods } = await meshStatus(mesh);
  const { podIp } = pods.find((pod) => pod.name.startsWith('catalog-'))!;
  const caller = 'spiffe://cluster.local/ns/default/sa/apigateway';
  const good = await peers.leaf(meshCa, { uris: [caller] });
  await refuses('catalog', await badPeers(meshCa, caller), good, {
    host: podIp,
    port: 3000,
    servername: 'outbound_.80_._.catalog.default.svc.cluster.local',
    alpn: ['istio-http/1.1'],
  });
});

test('plain text is refused under STRICT, by gateway and sidecar, and served under PERMISSIVE', async () => {
  const { pods } = await meshStatus(mesh);
  const { podIp } = pods.find((pod) => pod.name.startsWith('catalog-'))!;
  const [host = '', port = ''] = mesh.gateway(443).split(':');
  for (const [proxy, address, target] of [
    ['istio-ingressgateway', `${host}:${port}`, '/items?gateway'],
    ['catalog', `${podIp}:3000`, '/items?strict'],
  ] as const) {
    const args = ['-o', '/dev/null', '-w', '%{http_code} %{local_ip}:%{local_port}', `http://${address}${target}`];
    const { stdout, stderr, code } = await mesh.curl(args);
    const [status, source] = stdout.split(' ');
    assert.equal(status, '000');
    // Closed, in order or by a reset.
    assert.ok([52, 56].includes(Number(code)), stderr);
    const told = () =>
      logOf(proxy)
        .split('\n')
        .filter((line) => line.includes(` ${source} `));
    await until('the log tells of it', () => told().length > 0 || undefined);
    assert.equal(told().length, 1, told().join('\n'));
    assert.match(told()[0]!, /refused: .*plain text/);
    assert.ok(!logOf(proxy).includes(target));
  }
  const permissive = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: PERMISSIVE}}
`;
  const text = fs.readFileSync(path.join(mesh.dir, 'peers.yaml'), 'utf8');
  const rest = text.split('\n---\n').filter((part) => !part.includes('PeerAuthentication'));
  fs.writeFileSync(path.join(mesh.dir, 'peers.yaml'), [...rest, permissive].join('\n---\n'));
  await until('plain text is served', async () => {
    const { stdout } = await mesh.curl(['-o', '/dev/null', '-w', '%{http_code}', `http://${podIp}:3000/items`]);
    return stdout === '200' || undefined;
  });
});

test('a sidecar sends nothing to a server that is not who its workload is', async () => {
  const { address, port, heard } = impostor;
  const objects = `
apiVersion: v1
kind: Service
metadata: {name: impostor}
spec: {ports: [{name: http, port: 80}], selector: {app: impostor}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: impostor}
spec: {address: ${address}, ports: {http: ${port}}, serviceAccount: NAME, labels: {app: impostor, security.istio.io/tlsMode: istio}}
`;
  const ask = async () => {
    const { stdout } = await mesh.curl([
      '--noproxy',
      '',
      '-x',
      `http://${await sidecarOf('sleep')}:15002`,
      '-w',
      ' %{http_code}',
      'http://impostor.default.svc.cluster.local/secret',
    ]);
    return stdout;
  };
  fs.writeFileSync(path.join(mesh.dir, 'impostor.yaml'), objects.replace('NAME', 'impostor'));
  const refused = await until('the sidecar knows of the impostor', async () => {
    const answer = await ask();
    return answer.endsWith(' 503') && !answer.startsWith('no healthy upstream') ? answer : undefined;
  });
  assert.match(refused, /^upstream connect error or disconnect\/reset before headers\./);
  assert.equal(heard.length, 0, 'the impostor has heard something');
  // The same server is spoken to once its workload is said to be what its certificate says.
  fs.writeFileSync(path.join(mesh.dir, 'impostor.yaml'), objects.replace('NAME', 'other'));
  await until('the server hears the request', async () => {
    await ask();
    return heard.some((text) => text.includes('/secret')) || undefined;
  });
});

async function sidecarOf(name: string): Promise<string> {
  const { pods } = await meshStatus(mesh);
  const { podIp } = pods.find((pod) => pod.name.startsWith(`${name}-`))!;
  const [, block, ...rest] = podIp.split('.');
  return ['127', String(Number(block) + 128), ...rest].join('.');
}
