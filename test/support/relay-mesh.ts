import tls from 'node:tls';
import { Certificate } from '../../src/ca/x509/certificate.ts';
import { Load } from './load.ts';
import { HttpClient } from './load-clients.ts';
import type { TestedMesh } from './local-mesh.ts';

/** Answers itself, or hands on to the service NEXT through its sidecar. */
const RELAY = `
import http from 'node:http';
const { HOST = '127.0.0.1', PORT, NEXT, http_proxy } = process.env;
const proxy = http_proxy && new URL(http_proxy);
const agent = new http.Agent({ keepAlive: true });
const server = http.createServer((request, response) => {
  if (!NEXT) return response.end('hello from the last');
  const options = { agent, host: proxy.hostname, port: proxy.port, path: 'http://' + NEXT + '/', headers: { host: NEXT } };
  const onward = http.get(options, (answer) => {
    response.writeHead(answer.statusCode);
    answer.pipe(response);
  });
  onward.on('error', (error) => response.writeHead(599).end(error.message));
});
// A connection that the program closes for being idle may be one that a request is on its way on.
server.keepAliveTimeout = 120_000;
server.listen(Number(PORT), HOST);
`;

export const RELAY_HOST = 'relay.example';

export interface RelayOptions {
  /** Further documents of YAML. */
  readonly more?: string;
  /** Further lines of the spec of the IstioOperator, indented by two. */
  readonly operator?: string;
  /** Annotations of each pod, as YAML in braces. */
  readonly annotations?: string;
}

/** Files of a mesh with strict mutual TLS: gateway -> front -> middle -> back, which are three hops. */
export function relayMesh({ more = '', operator = '', annotations = '{}' }: RelayOptions = {}) {
  const names = ['front', 'middle', 'back'];
  const workload = (name: string, i: number) => `
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: ${annotations}}
spec:
  serviceAccountName: ${name}
  containers:
  - name: relay
    command: [node, relay.mjs]
    env: [{name: NEXT, value: "${names[i + 1] ?? ''}"}]
    ports: [{containerPort: 3000}]`;
  return {
    'relay.mjs': RELAY,
    'mesh.yaml': `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  profile: minimal
  components: {ingressGateways: [{name: istio-ingressgateway, enabled: true}]}
${operator}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: relay}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [${RELAY_HOST}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: relay}
spec:
  hosts: [${RELAY_HOST}]
  gateways: [relay]
  http: [{route: [{destination: {host: front}}]}]
---${names.map(workload).join('\n---')}
${more === '' ? '' : `---\n${more}`}`,
  };
}

/** Asks the gateway for 1,000 requests a second, as far as the machine has them to give. */
export function relayLoad(t: { after(fn: () => Promise<void>): void }, mesh: TestedMesh): Load {
  const load = new Load(new HttpClient({ url: `http://${mesh.gateway(80)}/`, host: RELAY_HOST }));
  t.after(() => load.stop());
  return load;
}

/** The certificate that a sidecar presents to a new connection of the mesh. */
export function presentedTo(podIp: string, port = 3000): Promise<Certificate> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: podIp, port, ALPNProtocols: ['istio'], rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new Certificate(raw));
    });
    socket.on('error', reject);
  });
}
