import tls from 'node:tls';
import { Certificate } from '../../src/ca/x509/certificate.ts';
import { Load } from './load.ts';
import type { TestedMesh } from './local-mesh.ts';
import { PlainClient } from './plain-client.ts';

/**
 * Hands each request on to the service NEXT through its sidecar, or answers itself if there is none. It reads no more of
 * HTTP than it needs, so that a load is one on the proxies: requests without a body, and answers that come in one piece.
 * What is asked for `/self` it answers itself. What is asked for `/fresh` it hands on to NEXT-fresh, and answers with the
 * SHA-256 of the client certificates that came to light on the way, the first one first.
 */
const RELAY = `
import http from 'node:http';
import net from 'node:net';
const { HOST = '127.0.0.1', PORT, NEXT, http_proxy } = process.env;
const proxy = http_proxy && new URL(http_proxy);
const answer = (text) => 'HTTP/1.1 200 OK\\r\\ncontent-length: ' + text.length + '\\r\\n\\r\\n' + text;
const HELLO = answer('hello from the last');
const ONWARD = NEXT && 'GET http://' + NEXT + '/ HTTP/1.1\\r\\nhost: ' + NEXT + '\\r\\n\\r\\n';
const server = net.createServer({ noDelay: true }, (socket) => {
  let onward;
  let isOwed = false;
  const connect = () => {
    const upstream = net.connect({ port: Number(proxy.port), host: proxy.hostname, noDelay: true });
    upstream.on('data', (bytes) => {
      isOwed = false;
      socket.write(bytes);
    });
    upstream.on('error', () => {});
    upstream.on('close', () => {
      if (onward === upstream) onward = undefined;
      if (isOwed) socket.destroy();
    });
    return upstream;
  };
  const tell = (head) => {
    const shown = /\\r\\nx-forwarded-client-cert: [^\\r]*Hash=([0-9a-f]+)/i.exec(head)?.[1] ?? 'none';
    if (!NEXT) return void socket.write(answer(shown));
    const options = { host: proxy.hostname, port: proxy.port, path: 'http://' + NEXT + '-fresh/fresh', agent: false };
    http
      .get({ ...options, headers: { host: NEXT + '-fresh' } }, (response) => {
        let rest = '';
        response.setEncoding('latin1').on('data', (part) => (rest += part));
        response.on('end', () => socket.write(answer(shown + ' ' + rest)));
      })
      .on('error', () => socket.destroy());
  };
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.latin1Slice();
    if (!text.endsWith('\\r\\n\\r\\n')) return;
    const head = text;
    text = '';
    if (head.startsWith('GET /fresh ')) return tell(head);
    if (!NEXT || head.startsWith('GET /self ')) return void socket.write(HELLO);
    isOwed = true;
    onward ??= connect();
    onward.write(ONWARD);
  });
  socket.on('error', () => {});
  socket.on('close', () => onward?.destroy());
});
server.listen(Number(PORT), HOST);
`;

/** Each hands on to the next one. */
export const RELAY_PODS = ['front', 'middle', 'back'] as const;
export const RELAY_HOST = 'relay.example';
/** By this name each hop has a connection of its own, that is a handshake. Only in a mesh with `fresh`. */
export const FRESH_HOST = 'fresh.example';

export interface RelayOptions {
  /** Further documents of YAML. */
  readonly more?: string;
  /** Further lines of the spec of the IstioOperator, indented by two. */
  readonly operator?: string;
  /** Annotations of each pod, as YAML in braces. */
  readonly annotations?: string;
  /** Whether there is a way through the mesh by which every request makes new connections, and TLS at the gateway. */
  readonly fresh?: boolean;
}

/** Files of a mesh with strict mutual TLS: gateway -> front -> middle -> back, which are three hops. */
export function relayMesh({ more = '', operator = '', annotations = '{}', fresh = false }: RelayOptions = {}) {
  const workload = (name: string, i: number) => `
apiVersion: v1
kind: ServiceAccount
metadata: {name: ${name}}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 3000}]}
---${fresh ? freshService(name) : ''}
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}, annotations: ${annotations}}
spec:
  serviceAccountName: ${name}
  containers:
  - name: relay
    command: [node, relay.mjs]
    env: [{name: NEXT, value: "${RELAY_PODS[i + 1] ?? ''}"}]
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
---${fresh ? FRESH_GATEWAY : ''}
${RELAY_PODS.map(workload).join('\n---')}
${more === '' ? '' : `---\n${more}`}`,
  };
}

const freshService = (name: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}-fresh}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 3000}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}-fresh}
spec: {host: ${name}-fresh, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}
---`;

const FRESH_GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: fresh}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [${FRESH_HOST}]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [${FRESH_HOST}], tls: {mode: ISTIO_MUTUAL}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: fresh}
spec:
  hosts: [${FRESH_HOST}]
  gateways: [fresh]
  http: [{route: [{destination: {host: front-fresh}}]}]
---`;

/** Asks the gateway for 1,000 requests a second, ten at a time, as far as the machine has them to give. */
export function relayLoad(t: { after(fn: () => Promise<void>): void }, mesh: TestedMesh): Load {
  const load = new Load(new PlainClient(mesh.gateway(80), RELAY_HOST), {
    restingRate: 1000,
    tickMs: 10,
    freshEvery: 100,
    maxOpen: 1000,
  });
  t.after(() => load.stop());
  return load;
}

/** The certificate that a sidecar presents to a new connection of the mesh, or another server by its protocol. */
export function presentedTo(host: string, port = 3000, protocol = 'istio'): Promise<Certificate> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port, ALPNProtocols: [protocol], rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(new Certificate(raw));
    });
    socket.on('error', reject);
  });
}
