import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ControlClient } from '../../src/config/control/client.ts';
import { execute, meshRecord, meshStatus, type Output, ownAddress, TestedMesh } from '../support/local-mesh.ts';
import { PeerMaker } from '../support/peers.ts';
import { scratch, until } from '../support/reference.ts';

/** What is left to do when the file is over. */
const cleanups: (() => void | Promise<void>)[] = [];
const context = { after: (fn: () => void | Promise<void>) => void cleanups.push(fn) };

const GATEWAY = 'istio-egressgateway.istio-system.svc.cluster.local';
const TLS_HOSTS = ['simple.example', 'mutual.example', 'pass.example', 'a.wide.example'];

let mesh: TestedMesh;
let env: Record<string, string>;
let authority: string;
let gatewayLog: string;

/** Answers with what it was asked for by TLS, and by whom. */
const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
  const socket = request.socket as Partial<TLSSocket>;
  const client = socket.getPeerCertificate?.().subjectaltname ?? 'nobody';
  response.end(`${socket.servername ?? 'plain'} ${client} ${request.headers.host}`);
};

const listen = (server: http.Server | https.Server, address: string) =>
  new Promise<number>((resolve) => {
    cleanups.push(() => void server.close());
    server.listen(0, address, () => resolve((server.address() as AddressInfo).port));
  });

const entry = (host: string, address: string, port: number, target: number, protocol: string) => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: "${host.replace('*.', '')}"}
spec:
  hosts: ["${host}"]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: ${port}, name: main, protocol: ${protocol}, targetPort: ${target}}]
  endpoints: [{address: ${address}}]
`;

/** Plain HTTP of an application, which the gateway makes TLS of. */
const originated = (host: string, tls: string) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}}
spec:
  hosts: [${host}]
  gateways: [mesh, egress]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: ${GATEWAY}, subset: ours, port: {number: 443}}}]
  - match: [{gateways: [egress], port: 443}]
    route: [{destination: {host: ${host}, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}, namespace: istio-system}
spec:
  host: ${host}
  exportTo: ["."]
  workloadSelector: {matchLabels: {istio: egressgateway}}
  trafficPolicy:
    portLevelSettings: [{port: {number: 443}, tls: ${tls}}]
`;

/** TLS of an application, which goes through as it is. */
const passed = (host: string) => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: "${host.replace('*.', '')}"}
spec:
  hosts: ["${host}"]
  gateways: [mesh, egress]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: ["${host}"]}]
    route: [{destination: {host: ${GATEWAY}, port: {number: 443}}}]
  - match: [{gateways: [egress], port: 443, sniHosts: ["${host}"]}]
    route: [{destination: {host: "${host}", port: {number: 443}}}]
`;

const meshYaml = (address: string, tlsPort: number, plainPort: number) => `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  profile: empty
  meshConfig: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}}
  components:
    egressGateways:
    - name: istio-egressgateway
      enabled: true
      k8s:
        service:
          ports: [{name: https, port: 443, targetPort: 8443}, {name: tcp, port: 9999}]
---
{apiVersion: v1, kind: Pod, metadata: {name: app}, spec: {containers: [{name: main, command: [sleep, "100000"]}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: egress}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [simple.example, mutual.example], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: [pass.example, "*.wide.example"], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9999, name: tcp, protocol: TCP}, hosts: [tcp.example]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: egress}
spec:
  host: ${GATEWAY}
  subsets:
  - name: ours
    trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: ISTIO_MUTUAL, sni: simple.example}}]}
${entry('simple.example', address, 443, tlsPort, 'HTTPS')}
${entry('mutual.example', address, 443, tlsPort, 'HTTPS')}
${entry('pass.example', address, 443, tlsPort, 'TLS')}
${entry('*.wide.example', address, 443, tlsPort, 'TLS')}
${entry('tcp.example', address, 9999, plainPort, 'TCP')}
${originated('simple.example', '{mode: SIMPLE, credentialName: far-ca, sni: simple.example}')}
${originated('mutual.example', '{mode: MUTUAL, credentialName: far-client, sni: mutual.example}')}
${passed('pass.example')}
${passed('*.wide.example')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp}
spec:
  hosts: [tcp.example]
  gateways: [mesh, egress]
  tcp:
  - match: [{gateways: [mesh], port: 9999}]
    route: [{destination: {host: ${GATEWAY}, port: {number: 9999}}}]
  - match: [{gateways: [egress], port: 9999}]
    route: [{destination: {host: tcp.example, port: {number: 9999}}}]
`;

before(async () => {
  const peers = new PeerMaker(scratch(context));
  authority = path.join(await peers.root('far'), 'root-cert.pem');
  const ca = fs.readFileSync(authority, 'utf8');
  const server = await peers.leaf(path.dirname(authority), { dnsNames: TLS_HOSTS });
  const client = await peers.leaf(path.dirname(authority), { dnsNames: ['gateway.client'] });
  const address = ownAddress();
  const secure = https.createServer({ ...server, ca, requestCert: true, rejectUnauthorized: false }, answer);
  const ports = [await listen(secure, address), await listen(http.createServer(answer), address)] as const;
  const secret = (name: string, stringData: object) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'istio-system' },
    stringData,
  });
  const secrets = [
    secret('far-ca', { 'ca.crt': ca }),
    secret('far-client', { 'tls.crt': client.cert, 'tls.key': client.key, 'ca.crt': ca }),
  ];
  mesh = await TestedMesh.start(context, {
    'mesh.yaml': meshYaml(address, ...ports),
    'secrets.yaml': secrets.map((object) => JSON.stringify(object)).join('\n---\n'),
  });
  const control = new ControlClient(meshRecord(mesh).controlSocket);
  ({ env } = await control.environment('default', 'app', undefined));
  const gateway = (await meshStatus(mesh)).pods.find(({ proxy }) => proxy === 'gateway')!;
  gatewayLog = gateway.containers.find(({ name }) => name === 'istio-proxy')!.logFile;
});

after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** What the application gets. */
const curl = (...args: string[]): Promise<Output> =>
  execute('curl', ['-sS', '-m', '10', '--cacert', authority, ...args], { env });

/** That the gateway has passed something on to a cluster. */
const passedOn = (cluster: string) =>
  until('the gateway logs it', () => fs.readFileSync(gatewayLog, 'utf8').includes(cluster) || undefined);

test('the gateway originates TLS, trusting the authority of a secret', async () => {
  assert.equal((await curl('http://simple.example/')).stdout, 'simple.example nobody simple.example');
  await passedOn('outbound|443||simple.example');
});

test('the gateway originates mutual TLS with the certificate of a secret', async () => {
  assert.equal((await curl('http://mutual.example/')).stdout, 'mutual.example DNS:gateway.client mutual.example');
  await passedOn('outbound|443||mutual.example');
});

test('TLS of the application goes through the gateway as it is', async () => {
  const { stdout, stderr } = await curl('https://pass.example/');
  assert.deepEqual([stdout, stderr], ['pass.example nobody pass.example', '']);
  await passedOn('outbound|443||pass.example');
});

test('hosts of a wildcard go by their names', async () => {
  const { stdout, stderr } = await curl('https://a.wide.example/');
  assert.deepEqual([stdout, stderr], ['a.wide.example nobody a.wide.example', '']);
  await passedOn('outbound|443||*.wide.example');
});

test('TCP goes by its port', async () => {
  const { stdout, stderr } = await curl('--proxytunnel', 'http://tcp.example:9999/');
  assert.deepEqual([stdout, stderr], ['plain nobody tcp.example:9999', '']);
  await passedOn('outbound|9999||tcp.example');
});

test('what is not registered is refused, plain and in a tunnel', async () => {
  assert.equal((await curl('-o', '/dev/null', '-w', '%{http_code}', 'http://unknown.example/')).stdout, '502');
  const tunnel = await curl('-o', '/dev/null', '-w', '%{http_connect}', 'https://unknown.example/');
  // No route of Envoy's but one for CONNECT takes it.
  assert.equal(tunnel.stdout, '404');
});
