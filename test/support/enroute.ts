import { backend, meshFiles, service } from './ingress.ts';

/** A mesh of nothing but what is given: no gateways of Istio's. */
const MINIMAL = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: minimal}
spec: {profile: minimal}
---
`;

/** EnRoute's gateway as its chart installs it with `istio.enable`, in a namespace with injection. */
export const enrouteGateway = `
apiVersion: v1
kind: Namespace
metadata: {name: enroute-system, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: enroute, namespace: enroute-system}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: enroute, namespace: enroute-system, labels: {app.kubernetes.io/name: enroute}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: enroute}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: enroute}
      annotations:
        traffic.sidecar.istio.io/includeInboundPorts: ""
        traffic.sidecar.istio.io/includeOutboundIPRanges: ""
        proxy.istio.io/config: |
          proxyMetadata:
            SECRET_TTL: 1h
            OUTPUT_CERTS: /etc/istio-certs
    spec:
      serviceAccountName: enroute
      initContainers:
      - {name: envoy-initconfig, image: 'saarasio/enroute-gwi:v0.12.0', command: [/bin/enroute], args: [bootstrap, /config/enroute.json]}
      containers:
      - {name: enroute, image: 'saarasio/enroute-gwi:v0.12.0', command: [/bin/enroute], args: [serve, --incluster, --enable-ratelimit]}
      - {name: redis, image: 'redis:latest', command: [redis-server], args: [--port, "6379"]}
      - name: envoy
        image: envoyproxy/envoy:v1.24.0
        command: [envoy]
        args: [--config-path, /config/enroute.json]
        ports: [{containerPort: 8080, name: http}, {containerPort: 8443, name: https}]
        readinessProbe: {httpGet: {path: /healthz, port: 8000}}
        lifecycle: {preStop: {exec: {command: [wget, -qO-, "http://localhost:9001/healthcheck/fail"]}}}
      - name: cert-server
        image: saarasio/cert-server:v0.1.0
        volumeMounts: [{name: istio-certs, mountPath: /etc/istio-certs}]
      volumes:
      - {name: istio-certs, emptyDir: {medium: Memory}}
---
apiVersion: v1
kind: Service
metadata: {name: enroute, namespace: enroute-system}
spec:
  type: LoadBalancer
  selector: {app.kubernetes.io/name: enroute}
  ports:
  - {name: http, port: 80, targetPort: 8080}
  - {name: https, port: 443, targetPort: 8443}
---
`;

/** A gateway of the chart without a mesh: no sidecar, and nothing that serves its certificates. */
export const plainEnrouteGateway = (name: string, address: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}, sidecar.istio.io/inject: "false"}}
    spec:
      containers:
      - {name: enroute, image: 'saarasio/enroute-gwi:v0.12.0', command: [/bin/enroute], args: [serve, --incluster]}
      - {name: envoy, image: 'envoyproxy/envoy:v1.24.0', command: [envoy]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  type: LoadBalancer
  loadBalancerIP: ${address}
  selector: {app: ${name}}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
`;

/** An object of EnRoute's, as a document. */
export const enroute = (kind: string, name: string, spec: object): string =>
  `${JSON.stringify({ apiVersion: 'enroute.saaras.io/v1', kind, metadata: { name }, spec })}\n---\n`;

export const httpFilter = (name: string, type: string, config: object | string): string =>
  enroute('HttpFilter', name, {
    name,
    type,
    httpFilterConfig: { config: typeof config === 'string' ? config : JSON.stringify(config) },
  });

export const routeFilter = (name: string, type: string, config: object): string =>
  enroute('RouteFilter', name, { name, type, routeFilterConfig: { config: JSON.stringify(config) } });

export const globalConfig = (name: string, type: string, config: object): string =>
  enroute('GlobalConfig', name, { name, type, config: JSON.stringify(config) });

export interface Route {
  readonly prefix: string;
  readonly service?: string;
  /** `TYPE NAME` of each. */
  readonly filters?: readonly string[];
  readonly [field: string]: unknown;
}

const attached = (filters: readonly string[] = []) =>
  filters.map((text) => {
    const [type, name] = text.split(' ');
    return { type, name };
  });

/** A GatewayHost with these routes, to `web` unless they say otherwise. */
export const gatewayHost = (
  name: string,
  fqdn: string,
  routes: readonly Route[],
  more: { readonly filters?: readonly string[]; readonly tls?: object } = {},
): string =>
  enroute('GatewayHost', name, {
    virtualhost: { fqdn, ...(more.tls && { tls: more.tls }), filters: attached(more.filters) },
    routes: routes.map(({ prefix, service: to = 'web', filters, ...rest }) => ({
      conditions: [{ prefix }],
      services: [{ name: to, port: 80 }],
      filters: attached(filters),
      ...rest,
    })),
  });

/** A mesh with EnRoute's gateway, the services `web` and `api`, and what is given. */
export const enrouteMesh = (...yaml: string[]): Record<string, string> => {
  const around = [MINIMAL, enrouteGateway, backend('web', 'v1'), service('web'), backend('api', 'v1'), service('api')];
  return meshFiles(...around, ...yaml);
};

/** Holds requests until told to let them go, fails where asked, authorizes, and has keys for tokens. */
export const HELPER = `
import http from 'node:http';
const { HOST, PORT, KEYS } = process.env;
const held = [];
let released = false;
const server = http.createServer((request, response) => {
  const { url, headers } = request;
  const end = (status, text = '') => response.writeHead(status).end(text);
  if (url === '/keys') return end(200, KEYS);
  if (url === '/fail') return end(500);
  if (url.startsWith('/auth/')) {
    if (url.includes('forbidden')) return end(403, 'no');
    return response.writeHead(200, { 'x-auth-user': 'ann' }).end();
  }
  if (url === '/release') {
    released = true;
    for (const go of held.splice(0)) go();
    return end(200);
  }
  if (url === '/held') return end(200, String(held.length));
  if (url !== '/hold' || released) return end(200, JSON.stringify({ url, headers }));
  held.push(() => end(200, 'released'));
});
server.listen(Number(PORT), HOST);
`;

/** The service `helper`, which runs that. */
export const helper = (keys: object): string => `
apiVersion: v1
kind: Service
metadata: {name: helper}
spec: {selector: {app: helper}, ports: [{name: http, port: 80, targetPort: 3000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: helper, labels: {app: helper}}
spec:
  containers:
  - name: helper
    command: [node, helper.mjs]
    env: [{name: KEYS, value: ${JSON.stringify(JSON.stringify(keys))}}]
    ports: [{containerPort: 3000}]
---
`;
