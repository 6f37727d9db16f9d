import { CASES, type CaptureCase, type CaptureRequest, CLEAR, get, own } from './cases.ts';

/** Who the programs of the pod say that calls them. */
const seen: readonly CaptureRequest[] = [
  get(
    'stranger',
    ({ pod }) => `http://${pod}:8080/peer`,
    ({ servers }) => `app sees ${servers} 200`,
  ),
  {
    from: 'stranger',
    curl: ({ pod }) => [`telnet://${pod}:8081`],
    said: 'who\n',
    expected: ({ servers }) => `db greets\ndb sees ${servers}\n`,
  },
];

const OF_ALL = [
  'what nobody knows goes where it was going',
  'TCP that the server begins, by the address of the service, to a subset',
  'mutual TLS is asked for, but for a port that is excepted',
];

/** What is different under TPROXY, and some of what is not. */
export const TPROXY_CASES: readonly CaptureCase[] = [
  { name: 'programs see who calls them', yaml: () => own + CLEAR, requests: seen },
  { name: 'also at ports that nobody has declared', yaml: () => CLEAR, requests: seen },
  {
    name: 'a pod that calls itself as a service is seen at its own address, and at its own address speaks to itself',
    yaml: () => own + CLEAR,
    requests: [
      get('pod', 'http://app.default.svc.cluster.local:8080/peer', ({ pod }) => `app sees ${pod} 200`),
      get(
        'pod',
        ({ pod }) => `http://${pod}:8080/peer`,
        ({ pod }) => `app sees ${pod} 200`,
      ),
      get('pod', 'http://127.0.0.1:8080/peer', 'app sees 127.0.0.1 200'),
    ],
  },
  {
    name: 'ingress listeners of a Sidecar lead to other ports at the address of the pod',
    yaml: () => `${own}${CLEAR}
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec:
  workloadSelector: {labels: {app: client}}
  ingress: [{port: {number: 9080, protocol: HTTP, name: http}, defaultEndpoint: "0.0.0.0:8080"}]
  egress: [{hosts: ["./*"]}]
`,
    requests: [
      get(
        'stranger',
        ({ pod }) => `http://${pod}:9080/peer`,
        ({ servers }) => `app sees ${servers} 200`,
      ),
    ],
  },
  ...CASES.filter(({ name }) => OF_ALL.includes(name)),
];
