/** Where things are. */
export interface Places {
  /** Of the servers, which have no sidecar. */
  readonly servers: string;
  /** Of the pod that is looked at. */
  readonly pod: string;
  /** Folder with a certificate of another workload of the mesh. */
  readonly peer: string;
}

export type Expected = string | RegExp;

export interface CaptureRequest {
  /** From the pod, whose sidecar takes it, or from a stranger without one, to the pod. */
  readonly from: 'pod' | 'stranger';
  /** Words for curl; a place that is spoken to by a server that speaks first is `telnet://...`. */
  readonly curl: (places: Places) => readonly string[];
  /** Body and status, or how curl failed; `|` between alternatives that Envoy leaves to chance. */
  readonly expected: Expected | ((places: Places) => Expected);
  /** What a server that speaks first is told, but for `hi`. */
  readonly said?: string;
}

export interface CaptureCase {
  readonly name: string;
  readonly yaml: (places: Places) => string;
  readonly requests: readonly CaptureRequest[];
}

export const entry = (name: string, spec: string, namespace = 'default') => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---
`;

/** A service of the mesh at an address of its own, with servers by version. */
const web = (servers: string, name = 'web', address = '10.98.0.1') =>
  entry(
    name,
    `
  hosts: [${name}.default.svc.cluster.local]
  addresses: [${address}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: ${servers}, ports: {http: 9001}, labels: {version: v1}}
  - {address: ${servers}, ports: {http: 9002}, labels: {version: v2}}`,
  ) +
  `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: default}
spec: {host: ${name}.default.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
`;

const routes = (http: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web.default.svc.cluster.local]
  http: ${http}
---
`;
const subset = (name: string) => `route: [{destination: {host: web.default.svc.cluster.local, subset: ${name}}}]`;

/** The pod itself, as a service of the mesh. */
export const own = entry(
  'app',
  `
  hosts: [app.default.svc.cluster.local]
  addresses: [10.98.0.9]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}, {number: 8081, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: client}}`,
);

export const strict = (more = '') => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {selector: {matchLabels: {app: client}}, mtls: {mode: STRICT}${more}}
---
`;

export const get = (
  from: CaptureRequest['from'],
  url: string | ((p: Places) => string),
  expected: CaptureRequest['expected'],
  ...more: string[]
) => ({
  from,
  curl: (places: Places) => [...more, typeof url === 'string' ? url : url(places)],
  expected,
});

/** Takes TCP in clear: Envoy would otherwise wait for the client to speak first, to tell whether it speaks TLS. */
export const CLEAR = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {selector: {matchLabels: {app: client}}, mtls: {mode: DISABLE}}
---
`;

/** Refused by a sidecar: the connection ends without an answer, or is reset. */
export const REFUSED = /^curl (52|56)$/;

/** What is asked of istiod with our proxy, and with Envoy in its place: ten things that a captured pod is relied on for. */
export const CASES: readonly CaptureCase[] = [
  {
    name: 'routes by labels of the source, path and header',
    yaml: ({ servers }) =>
      web(servers) +
      routes(`
  - {match: [{sourceLabels: {version: v7}, uri: {prefix: /mine}}], ${subset('v2')}}
  - {match: [{sourceLabels: {version: v8}, uri: {prefix: /theirs}}], ${subset('v2')}}
  - {match: [{headers: {x-who: {exact: me}}}], ${subset('v2')}}
  - {${subset('v1')}}`),
    requests: [
      get('pod', 'http://10.98.0.1/mine', 'v2 GET /mine of 10.98.0.1 200'),
      get('pod', 'http://10.98.0.1/theirs', 'v1 GET /theirs of 10.98.0.1 200'),
      get('pod', 'http://10.98.0.1/', 'v2 GET / of 10.98.0.1 200', '-H', 'x-who: me'),
    ],
  },
  {
    name: 'names of the mesh are answered by the agent',
    yaml: ({ servers }) =>
      web(servers) +
      routes(`[{${subset('v1')}}]`) +
      entry(
        'wild',
        `{hosts: ["*.wild.example.com"], addresses: [10.98.2.1], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: ${servers}, ports: {http: 9001}}]}`,
      ),
    requests: ['web.default.svc.cluster.local', 'WEB.default.svc.cluster.local', 'a.wild.example.com'].map((host) =>
      get('pod', `http://${host}/`, `v1 GET / of ${host} 200`),
    ),
  },
  {
    name: 'rewrites, headers, redirects, direct answers, faults and time limits',
    yaml: ({ servers }) =>
      web(servers) +
      routes(`
  - {match: [{uri: {prefix: /old}}], rewrite: {uri: /new}, headers: {request: {set: {x-mark: marked}}}, ${subset('v1')}}
  - {match: [{uri: {prefix: /away}}], redirect: {uri: /there}}
  - {match: [{uri: {prefix: /teapot}}], directResponse: {status: 418, body: {string: tea}}}
  - {match: [{uri: {prefix: /fault}}], fault: {abort: {httpStatus: 509, percentage: {value: 100}}}, ${subset('v1')}}
  - {timeout: 0.2s, ${subset('v1')}}`),
    requests: [
      get(
        'pod',
        'http://web.default.svc.cluster.local/old/x',
        'v1 GET /new/x of web.default.svc.cluster.local marked 200',
      ),
      get('pod', 'http://web.default.svc.cluster.local/away', ' 301'),
      get('pod', 'http://web.default.svc.cluster.local/teapot', 'tea 418'),
      get('pod', 'http://web.default.svc.cluster.local/fault', 'fault filter abort 509'),
      get('pod', 'http://web.default.svc.cluster.local/slow', 'upstream request timeout 504', '-H', 'x-delay-ms: 2000'),
    ],
  },
  {
    name: 'what nobody knows goes where it was going',
    yaml: ({ servers }) => web(servers),
    requests: [
      get('pod', ({ servers }) => `http://${servers}:9001/x`, /^v1 GET \/x of \S+:9001 200$/),
      get('pod', ({ servers }) => `telnet://${servers}:7001`, 't1 greets\nt1 heard hi\n'),
    ],
  },
  {
    name: 'only what is registered, where a Sidecar says so',
    yaml: ({ servers }) =>
      `${web(servers)}${web(servers, 'hidden', '10.98.0.2')}
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec:
  workloadSelector: {labels: {app: client}}
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
  egress: [{hosts: ["./web.default.svc.cluster.local"]}]
`,
    requests: [
      get('pod', 'http://10.98.0.1/', /^v[12] GET \/ of 10\.98\.0\.1 200$/),
      get('pod', 'http://10.98.0.2/', ' 502'),
      get('pod', ({ servers }) => `http://${servers}:9001/`, REFUSED),
      get('pod', ({ servers }) => `telnet://${servers}:7001`, ''),
    ],
  },
  {
    name: 'TCP that the server begins, by the address of the service, to a subset',
    yaml: ({ servers }) =>
      entry(
        'greeter',
        `
  hosts: [greeter.default.svc.cluster.local]
  addresses: [10.98.0.3]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 3306, name: tcp, protocol: TCP}]
  endpoints:
  - {address: ${servers}, ports: {tcp: 7001}, labels: {version: v1}}
  - {address: ${servers}, ports: {tcp: 7002}, labels: {version: v2}}`,
      ) +
      `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: greeter, namespace: default}
spec: {host: greeter.default.svc.cluster.local, subsets: [{name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: greeter, namespace: default}
spec:
  hosts: [greeter.default.svc.cluster.local]
  tcp: [{route: [{destination: {host: greeter.default.svc.cluster.local, subset: v2}}]}]
`,
    requests: [
      get('pod', 'telnet://10.98.0.3:3306', 't2 greets\nt2 heard hi\n'),
      get('pod', 'telnet://greeter.default.svc.cluster.local:3306', 't2 greets\nt2 heard hi\n'),
    ],
  },
  {
    name: 'two databases at one port, told apart by their addresses',
    yaml: ({ servers }) =>
      ['one', 'two']
        .map((name, i) =>
          entry(
            name,
            `{hosts: [${name}.example.com], addresses: [10.98.1.${i}], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 5432, name: tcp, protocol: TCP}], endpoints: [{address: ${servers}, ports: {tcp: ${7001 + i}}}]}`,
          ),
        )
        .join(''),
    requests: [
      get('pod', 'telnet://one.example.com:5432', 't1 greets\nt1 heard hi\n'),
      get('pod', 'telnet://two.example.com:5432', 't2 greets\nt2 heard hi\n'),
    ],
  },
  {
    name: 'TLS of the program is told by its server name, and stays its own',
    yaml: ({ servers }) =>
      ['a', 'b']
        .map((name, i) =>
          entry(
            name,
            `{hosts: [${name}.example.com], addresses: [10.98.1.${i}], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 443, name: tls, protocol: TLS}], endpoints: [{address: ${servers}, ports: {tls: ${8443 + i}}}]}`,
          ),
        )
        .join(''),
    requests: [
      get('pod', 'https://a.example.com/', 'a GET / of a.example.com 200', '-k'),
      get('pod', 'https://b.example.com/', 'b GET / of b.example.com 200', '-k'),
    ],
  },
  {
    name: 'ingress listeners of a Sidecar lead to other ports of the program',
    yaml: () => `${own}${CLEAR}
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec:
  workloadSelector: {labels: {app: client}}
  ingress:
  - {port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:8080"}
  - {port: {number: 9081, protocol: TCP, name: tcp}, defaultEndpoint: "127.0.0.1:8081"}
  - {port: {number: 9082, protocol: HTTP, name: http-dead}, defaultEndpoint: "127.0.0.1:8089"}
  egress: [{hosts: ["./*"]}]
`,
    requests: [
      get('stranger', ({ pod }) => `http://${pod}:9080/x`, /^app GET \/x of \S+:9080 200$/),
      get('stranger', ({ pod }) => `telnet://${pod}:9081`, 'db greets\ndb heard hi\n'),
      get('stranger', ({ pod }) => `http://${pod}:9082/`, /^upstream connect error .* 503$/),
    ],
  },
  {
    name: 'policies of the workload, for HTTP and for TCP',
    yaml: ({ servers }) => `${own}${CLEAR}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: app, namespace: default}
spec:
  selector: {matchLabels: {app: client}}
  action: DENY
  rules:
  - {to: [{operation: {paths: ["/secret*"], ports: ["8080"]}}]}
  - {from: [{source: {ipBlocks: [${servers}]}}], to: [{operation: {ports: ["8081"]}}]}
`,
    requests: [
      get('stranger', ({ pod }) => `http://${pod}:8080/open`, /^app GET \/open of \S+:8080 200$/),
      get('stranger', ({ pod }) => `http://${pod}:8080/secret/1`, 'RBAC: access denied 403'),
      // Policies are asked when the client has sent something; what the server said before is through by then.
      get('stranger', ({ pod }) => `telnet://${pod}:8081`, 'db greets\n'),
    ],
  },
  {
    name: 'mutual TLS is asked for, but for a port that is excepted',
    yaml: () => own + strict(', portLevelMtls: {8081: {mode: DISABLE}}'),
    requests: [
      get('stranger', ({ pod }) => `http://${pod}:8080/`, REFUSED),
      {
        from: 'stranger',
        curl: ({ pod, peer }) => [
          ...['-k', '--cert', `${peer}/cert-chain.pem`, '--key', `${peer}/key.pem`],
          `https://${pod}:8080/`,
        ],
        expected: /^app GET \/ of \S+:8080 200$/,
      },
      get('stranger', ({ pod }) => `telnet://${pod}:8081`, 'db greets\ndb heard hi\n'),
    ],
  },
];
