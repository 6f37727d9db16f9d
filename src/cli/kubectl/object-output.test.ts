import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ObjectState } from '../../config/control/api.ts';
import type { MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';
import { readObjects } from '../../config/read.ts';
import { formatObjects, parseOutputFormat, sortedBy } from './object-output.ts';
import { formatResources, type TableOptions } from './object-table.ts';
import { type Resource, resourceOf } from './objects.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');

const pod = (name: string, more: Partial<PodStatus>): PodStatus => ({
  namespace: 'default',
  name,
  owner: 'Deployment/web',
  proxy: 'sidecar',
  ready: 2,
  size: 2,
  status: 'Running',
  message: undefined,
  restarts: 0,
  createdAt: NOW - 60_000,
  podIp: '127.64.0.9',
  programAddress: '127.64.1.9',
  folder: '/f',
  containers: [],
  ...more,
});

const container = (name: string, state: 'Running' | 'CrashLoopBackOff', restarts: number) => ({
  name,
  state,
  restarts,
  pid: 1,
  startedAt: NOW - 50_000,
  lastEnd: undefined,
  init: false,
  ready: state === 'Running',
  message: state === 'Running' ? undefined : 'exit code 1',
  logFile: '/f/a.log',
  previousLogFile: '/f/a.previous.log',
});

const STATUS: MeshStatus = {
  name: 'm',
  dir: '/m',
  pid: 1,
  startedAt: NOW,
  readyAfterMs: 1,
  discovery: {
    state: 'Running',
    pid: 2,
    restarts: 0,
    startedAt: NOW,
    lastEnd: undefined,
    logFile: '/f/d.log',
    previousLogFile: '/f/d.previous.log',
    addresses: { grpc: '', secureGrpc: '', http: '', monitoring: '' },
  },
  urls: [{ gateway: 'lb', port: 80, url: 'http://127.0.0.1:8080', hosts: [] }],
  pods: [
    pod('web-1', { containers: [container('web', 'Running', 1), container('istio-proxy', 'Running', 2)] }),
    pod('web-2', {
      ready: 1,
      status: 'CrashLoopBackOff',
      message: 'container web: exit code 1',
      containers: [container('web', 'CrashLoopBackOff', 4), container('istio-proxy', 'Running', 0)],
    }),
  ],
};

/** Objects of a text as the control plane gives them, all created at the same time. */
function resources(text: string, ageMs = 61_000): Resource[] {
  return readObjects(text, 'x.yaml').entries.map(({ key, object, errors }) => {
    assert.deepEqual(errors, []);
    const state: ObjectState = {
      key: key!,
      kind: key!.split('/')[0]!,
      raw: object!.raw,
      creationTimestamp: NOW - ageMs,
      generation: 1,
      at: { file: 'x.yaml' },
    };
    return resourceOf(state, object!.apiVersion, STATUS)!;
  });
}

const table = (text: string, options: Omit<TableOptions, 'now'> = {}) =>
  formatResources(resources(text), { ...options, now: NOW })
    .trimEnd()
    .split('\n');

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext}
spec: {type: ExternalName, externalName: foo.com}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: x}, ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: lb}
spec: {type: LoadBalancer, selector: {app: x}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: waits}
spec: {type: LoadBalancer, selector: {app: x}, ports: [{port: 80}]}
`;

const VIRTUAL_SERVICES = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a.io], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mesh, namespace: other}
spec: {hosts: [web, b], http: [{route: [{destination: {host: web}}]}]}
`;

describe('tables, as kubectl 1.34 prints them', () => {
  it('of Services', () => {
    assert.deepEqual(table(SERVICES, { wide: true }), [
      'NAME       TYPE           CLUSTER-IP   EXTERNAL-IP   PORT(S)               AGE   SELECTOR',
      'web        ClusterIP      <none>       <none>        80/TCP                61s   app=web',
      'ext        ExternalName   <none>       foo.com       <none>                61s   <none>',
      'headless   ClusterIP      None         <none>        80:30080/TCP,53/UDP   61s   app=x',
      'lb         LoadBalancer   <none>       127.0.0.1     80/TCP                61s   app=x',
      'waits      LoadBalancer   <none>       <pending>     80/TCP                61s   app=x',
    ]);
  });

  it('of VirtualServices, with namespaces, kinds and labels', () => {
    assert.deepEqual(table(VIRTUAL_SERVICES, { allNamespaces: true }), [
      'NAMESPACE   NAME   GATEWAYS   HOSTS         AGE',
      'default     a      ["gw"]     ["a.io"]      61s',
      'other       mesh              ["web","b"]   61s',
    ]);
    assert.deepEqual(
      table(VIRTUAL_SERVICES, { showKind: true, noHeaders: true, showLabels: true, labelColumns: ['x/app'] }),
      [
        'virtualservice.networking.istio.io/a      ["gw"]   ["a.io"]      61s         <none>',
        'virtualservice.networking.istio.io/mesh            ["web","b"]   61s         <none>',
      ],
    );
  });

  it('of a WorkloadEntry, whose address stands after its age', () => {
    const text =
      'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: we1}\nspec: {address: 10.0.0.1}';
    assert.deepEqual(table(text), ['NAME   AGE   ADDRESS', 'we1    61s   10.0.0.1']);
  });

  it('of Pods and of what they belong to, with what the mesh knows of them', () => {
    const spec = 'spec: {containers: [{name: web, command: [x]}]}';
    const text = ['web-1', 'web-2', 'web-3']
      .map((name) => `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\n${spec}\n`)
      .join('---\n');
    assert.deepEqual(table(text), [
      'NAME    READY   STATUS             RESTARTS   AGE',
      'web-1   2/2     Running            3          61s',
      'web-2   1/2     CrashLoopBackOff   4          61s',
      'web-3   0/1     Pending            0          61s',
    ]);
    const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: "im:1"}, {name: b, image: "im:2"}]}}}`;
    assert.deepEqual(table(deployment, { wide: true }), [
      'NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES      SELECTOR',
      'web    1/2     2            1           61s   a,b          im:1,im:2   app=web',
    ]);
  });

  it('of Endpoints and Ingresses', () => {
    const endpoints = `apiVersion: v1
kind: Endpoints
metadata: {name: ep1}
subsets: [{addresses: [{ip: 10.0.0.1}, {ip: 10.0.0.2}], ports: [{port: 80, name: a}, {port: 81, name: b}]}]`;
    assert.deepEqual(table(endpoints), [
      'NAME   ENDPOINTS                                         AGE',
      'ep1    10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more...   61s',
    ]);
    const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ing1}
spec: {ingressClassName: istio, tls: [{hosts: [a.io], secretName: s1}], rules: [{host: a.io}, {host: b.io}]}`;
    assert.deepEqual(table(ingress), [
      'NAME   CLASS   HOSTS       ADDRESS   PORTS     AGE',
      'ing1   istio   a.io,b.io             80, 443   61s',
    ]);
  });
});

describe('other outputs', () => {
  const of = (text: string, output: string, single = false) => {
    const format = parseOutputFormat(output);
    assert.ok(format.type !== 'table');
    return formatObjects(resources(text), format, { single });
  };

  it('are YAML and JSON of what an API server would give', () => {
    const [one = ''] = VIRTUAL_SERVICES.split('---');
    assert.equal(
      of(one, 'yaml', true),
      `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  creationTimestamp: "2026-11-21T11:58:59Z"
  generation: 1
  name: a
  namespace: default
spec:
  gateways:
  - gw
  hosts:
  - a.io
  http:
  - route:
    - destination:
        host: a
`,
    );
    const list = JSON.parse(of(VIRTUAL_SERVICES, 'json'));
    assert.equal(list.kind, 'List');
    assert.deepEqual(
      list.items.map((item: { metadata: { name: string } }) => item.metadata.name),
      ['a', 'mesh'],
    );
    assert.match(of(one, 'json', true), /^\{\n {4}"apiVersion": "networking.istio.io\/v1",\n {4}"kind"/);
  });

  it('are names, paths and columns', () => {
    assert.equal(
      of(VIRTUAL_SERVICES, 'name'),
      'virtualservice.networking.istio.io/a\nvirtualservice.networking.istio.io/mesh\n',
    );
    assert.equal(of(VIRTUAL_SERVICES, 'jsonpath={.items[*].metadata.name}'), 'a mesh');
    assert.equal(
      of(VIRTUAL_SERVICES, 'custom-columns=NAME:.metadata.name,HOSTS:.spec.hosts,X:.spec.nope'),
      'NAME   HOSTS     X\na      [a.io]    <none>\nmesh   [web b]   <none>\n',
    );
  });

  it("are refused in kubectl's words where there is no such format", () => {
    assert.throws(() => parseOutputFormat('foo'), {
      message:
        /^unable to match a printer suitable for the output format "foo", allowed formats are: custom-columns,json/,
    });
    assert.throws(() => parseOutputFormat('jsonpath='), { message: 'template format specified but no template given' });
    assert.throws(() => parseOutputFormat('custom-columns=NAME'), /write HEADER:\.path/);
  });

  it('are sorted by a field', () => {
    const names = (path: string) => sortedBy(resources(VIRTUAL_SERVICES), path).map(({ name }) => name);
    assert.deepEqual(names('.spec.hosts[0]'), ['a', 'mesh']);
    assert.deepEqual(names('{.spec.gateways}'), ['mesh', 'a']);
    assert.deepEqual(names('.spec.nope'), ['a', 'mesh']);
  });
});
