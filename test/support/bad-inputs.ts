import type { PeerFiles } from './peers.ts';

const DAY_MS = 24 * 3_600_000;
const CREATE = '. Create it, or correct the name.';

/** A route that works beside `edge` of the scenario. */
export const ROUTE = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: bad
spec:
  hosts: [bad.example]
  gateways: [edge]
  http:
  - route:
    - destination:
        host: catalog
        port: {number: 80}
      weight: 100
`;

const POLICY = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: bad
spec:
  mtls:
    mode: PERMISSIVE
`;

const PORT = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bad
spec:
  selector: {istio: ingressgateway}
  servers:
  - port:
      number: 80
      name: more
      protocol: HTTP
    hosts: [more.test]
`;

const TLS = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bad
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [more.test]
    tls:
      mode: SIMPLE
      credentialName: bad
`;

export const secret = (name: string, cert: string, key: string) => `apiVersion: v1
kind: Secret
metadata:
  name: ${name}
  namespace: istio-system
type: kubernetes.io/tls
stringData:
  tls.crt: ${JSON.stringify(cert)}
  tls.key: ${JSON.stringify(key)}
`;

/** Our proxy has no such filter: it refuses the listener. */
export const FILTER = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: bad
spec:
  workloadSelector: {labels: {app: catalog}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_INBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}
    patch:
      operation: INSERT_FIRST
      value:
        name: envoy.filters.http.adaptive_concurrency
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
          gradient_controller_config:
            concurrency_limit_params: {concurrency_update_interval: 1s}
            min_rtt_calc_params: {interval: 60s, request_count: 10}
`;

export interface BadInput {
  readonly what: string;
  readonly good: string;
  readonly bad: string;
  /** What is said of it after the name of the file: `LINE:COLUMN: OBJECT: FIELD ...`. */
  readonly says: string;
  /** What there is to do, where that is said apart: nobody needs it who has done it. */
  readonly advice?: string;
  /** Whether it is not taken over at all, or taken over and told of. */
  readonly outcome: 'refused' | 'error' | 'warning';
  /** The kind of the object that it is about, and its namespace. */
  readonly kind: string;
  readonly namespace: string;
  /** What is in the output of `isthmus analyze`. */
  readonly analyzed: RegExp;
}

export interface Certificates {
  readonly good: PeerFiles;
  readonly other: PeerFiles;
  readonly expired: PeerFiles;
}

/** One of each sort, and what is said of it in the mesh of `test/scenarios/bad-input.test.ts`. */
export function badInputs({ good, other, expired }: Certificates): BadInput[] {
  const inDefault = { namespace: 'default', analyzed: /^Error \[IST0106\] /m };
  const refused = { ...inDefault, outcome: 'refused' } as const;
  const missing = { ...inDefault, outcome: 'error', analyzed: /^Error \[IST0101\] /m, advice: CREATE } as const;
  const route = (from: string, to: string) => ({ kind: 'vs', good: ROUTE, bad: ROUTE.replace(from, to) });
  const withSecret = (cert: string, key: string) => `${secret('bad', cert, key)}---\n${TLS}`;
  const ofSecret = {
    good: withSecret(good.cert, good.key),
    outcome: 'error',
    kind: 'secret',
    namespace: 'istio-system',
    analyzed: /^Error \[ISTH0003\] /m,
    advice: ' Put a certificate that is valid, and the key that belongs to it, into the secret.',
  } as const;
  const unusable = '[ISTH0003] Secret istio-system/bad, which Gateway default/bad uses, is of no use: its';
  const yesterday = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10);
  return [
    {
      ...refused,
      ...route('[bad.example]', '[bad.example'),
      what: 'malformed YAML',
      says: '7:3: is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
      analyzed: /route\.yaml:7:3: is not valid YAML/,
    },
    {
      ...refused,
      ...route('VirtualService', 'VirtualServise'),
      what: 'unknown kind',
      says: '2:1: kind is unknown: networking.istio.io/v1 has no VirtualServise; did you mean "VirtualService"?',
      analyzed: /route\.yaml:2:1: kind is unknown/,
    },
    {
      ...refused,
      ...route('weight', 'wieght'),
      what: 'unknown field',
      says: '13:7: VirtualService/default/bad: spec.http[0].route[0].wieght is an unknown field; did you mean "weight"?',
    },
    {
      ...refused,
      ...route('weight: 100', 'weight: all'),
      what: 'wrong type',
      says: '13:7: VirtualService/default/bad: spec.http[0].route[0].weight must be a whole number, not the string "all"',
    },
    {
      ...refused,
      what: 'unknown enum',
      kind: 'peerauthentication',
      good: POLICY,
      bad: POLICY.replace('PERMISSIVE', 'SOMETIMES'),
      says: '7:5: PeerAuthentication/default/bad: spec.mtls.mode must be one of UNSET, DISABLE, PERMISSIVE, STRICT, not the string "SOMETIMES"',
    },
    {
      ...refused,
      ...route('        host: catalog\n', ''),
      what: 'missing host of a destination',
      says: '10:7: VirtualService/default/bad: spec.http[0].route[0].destination.host is required',
    },
    {
      ...inDefault,
      ...route('  hosts: [bad.example]\n  gateways: [edge]\n', ''),
      what: 'missing hosts of a route',
      says: '5:1: VirtualService/default/bad: spec: [ISTH0007] The VirtualService has no hosts, and no other one delegates to it: it has no effect. Give it spec.hosts, or name it in a route of another VirtualService as its delegate.',
      outcome: 'warning',
      analyzed: /^Warning \[ISTH0007\] /m,
    },
    {
      ...inDefault,
      what: 'conflicting ports of Gateways',
      kind: 'gw',
      good: PORT,
      bad: PORT.replace('protocol: HTTP', 'protocol: TCP'),
      says: '11:7: Gateway/default/bad: spec.servers[0].port.protocol: [ISTH0004] Port 80 is TCP here and HTTP in Gateway default/coolstore-gateway, which selects the same workload and comes first: this server is left out. Use another port, or the same protocol.',
      outcome: 'error',
      analyzed: /^Error \[ISTH0004\] /m,
    },
    {
      ...missing,
      what: 'missing secret',
      kind: 'gw',
      good: ofSecret.good,
      bad: TLS,
      says: '12:7: Gateway/default/bad: spec.servers[0].tls.credentialName: [IST0101] Referenced credentialName not found: "bad"',
    },
    {
      ...ofSecret,
      what: 'key that does not match its certificate',
      bad: withSecret(good.cert, other.key),
      says: `9:3: Secret/istio-system/bad: stringData["tls.key"]: ${unusable} key does not belong to its certificate.`,
    },
    {
      ...ofSecret,
      what: 'expired certificate',
      bad: withSecret(expired.cert, expired.key),
      says: `8:3: Secret/istio-system/bad: stringData["tls.crt"]: ${unusable} certificate expired on ${yesterday}.`,
    },
    {
      ...missing,
      ...route('host: catalog', 'host: katalog'),
      what: 'route to a host that does not exist',
      says: '11:9: VirtualService/default/bad: spec.http[0].route[0].destination.host: [IST0101] Referenced host not found: "katalog"',
    },
    {
      ...missing,
      ...route('[edge]', '[egde]'),
      what: 'route of a gateway that does not exist',
      says: '7:14: VirtualService/default/bad: spec.gateways[0]: [IST0101] Referenced gateway not found: "egde"',
    },
    {
      ...inDefault,
      ...route('[bad.example]', '[shop.example]'),
      what: 'two VirtualServices for one host of a gateway',
      says: '6:11: VirtualService/default/bad: spec.hosts[0]: [ISTH0005] VirtualServices default/shop, default/bad define host shop.example for gateway default/edge, and routes of theirs match the same requests: only those of default/shop are used. Merge them, or tell their matches apart.',
      outcome: 'warning',
      analyzed: /^Warning \[ISTH0005\] /m,
    },
    {
      ...inDefault,
      ...route('[bad.example]\n  gateways: [edge]', '[catalog]'),
      what: 'two VirtualServices for one host of the mesh',
      says: '4:3: VirtualService/default/bad: metadata.name: [IST0109] The VirtualServices default/bad,default/catalog associated with mesh gateway define the same host */catalog.default.svc.cluster.local which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.',
      outcome: 'error',
      analyzed: /^Error \[IST0109\] /m,
    },
  ];
}
