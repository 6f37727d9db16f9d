import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ObjectState, StateResponse } from '../../config/control/api.ts';
import type { MeshStatus, PodStatus } from '../../config/control/mesh-api.ts';
import { type Finding, formatStatus } from './format.ts';
import { configurationProblems, type MeshState, shortcomings, withoutExplainedWaits } from './report.ts';

const NOW = 1_000_000_000_000;

const program = { pid: 7, restarts: 0, startedAt: NOW, lastEnd: undefined, logFile: '/l', previousLogFile: '/p' };

const pod = (name: string, more: Partial<PodStatus> = {}): PodStatus => ({
  namespace: 'default',
  name,
  owner: `Deployment/${name}`,
  proxy: 'sidecar',
  ready: 2,
  size: 2,
  status: 'Running',
  message: undefined,
  restarts: 0,
  createdAt: NOW - 60_000,
  podIp: '127.64.0.2',
  programAddress: '127.128.0.2',
  folder: '/f',
  containers: [name, 'istio-proxy'].map((n) => ({
    ...program,
    state: 'Running',
    name: n,
    init: false,
    ready: true,
    message: undefined,
  })),
  ...more,
});

const MESH: MeshStatus = {
  name: 'shop',
  dir: '/yaml/shop',
  pid: 42,
  startedAt: NOW - 125_000,
  readyAfterMs: 3000,
  discovery: {
    ...program,
    state: 'Running',
    addresses: { grpc: 'a:15010', secureGrpc: 'a:15012', http: 'a:8080', monitoring: 'a:15014' },
  },
  urls: [
    { gateway: 'istio-ingressgateway', port: 80, url: 'http://127.0.0.1:8080', hosts: ['a.io', 'b.io'] },
    { gateway: 'istio-ingressgateway', port: 443, url: '127.0.0.1:8443', hosts: [] },
  ],
  pods: [pod('web')],
};

const CONFIGURATION: StateResponse = {
  snapshot: 12,
  objects: 9,
  rejected: [],
  warnings: [],
  proxies: [{ id: 'web.default', version: '1.31.0', connected: true, lag: undefined }],
  nacks: [],
};

const deployment = (name: string, replicas?: number): ObjectState => ({
  key: `Deployment/default/${name}`,
  kind: 'Deployment',
  raw: { spec: replicas === undefined ? {} : { replicas } },
  creationTimestamp: NOW,
  generation: 1,
  at: { file: 'a.yaml' },
});

const state = (mesh: Partial<MeshStatus> = {}, more: Partial<MeshState> = {}): MeshState => ({
  mesh: { ...MESH, ...mesh },
  configuration: CONFIGURATION,
  objects: [deployment('web')],
  ...more,
});

const print = (s: MeshState, options: { colours?: boolean; namespace?: string } = {}, findings: Finding[] = []) =>
  formatStatus(s, shortcomings(s), findings, { now: NOW, colours: false, namespace: undefined, ...options });

describe('status', () => {
  it('of a mesh that is ready', () => {
    assert.equal(
      print(state()),
      `mesh shop of /yaml/shop is ready; it runs for 2m5s as process 42

NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE   ADDRESS      CONTAINERS
default     web    2/2     Running   0          60s   127.64.0.2   web,istio-proxy

GATEWAY                PORT   URL                     HOSTS
istio-ingressgateway   80     http://127.0.0.1:8080   a.io,b.io

control plane: Running at a:15012; snapshot 12 of 9 objects, 0 refused, 0 warnings; in force at 1 of 1 proxy
`,
    );
  });

  it('says what is not ready, and why', () => {
    const crashed = pod('web', { ready: 1, status: 'CrashLoopBackOff', message: 'container web: exit code 1' });
    const starting = pod('api', { ready: 0, status: 'PodInitializing' });
    const job = pod('job', { ready: 0, status: 'Completed', owner: 'Job/job' });
    const s = state({ pods: [crashed, starting, job] }, { objects: [deployment('web', 3), deployment('none', 0)] });
    assert.deepEqual(shortcomings(s), [
      { object: 'pod default/web', reason: 'container web: exit code 1' },
      { object: 'pod default/api', reason: 'PodInitializing' },
      { object: 'deployment default/web', reason: '1 of 3 pods are there' },
    ]);
    const text = print(s);
    assert.match(text, /^mesh shop of \/yaml\/shop is not ready;/);
    assert.match(text, /\nnot ready: pod default\/web: container web: exit code 1\n/);
  });

  it('tells a control plane that is away, and a mesh that is starting', () => {
    const away = state(
      { discovery: { ...MESH.discovery, state: 'CrashLoopBackOff', lastEnd: 'exit code 2', restarts: 2 } },
      { configuration: undefined, objects: [] },
    );
    assert.deepEqual(shortcomings(away), [{ object: 'discovery', reason: 'CrashLoopBackOff: exit code 2' }]);
    assert.match(print(away), /control plane: CrashLoopBackOff, restarted 2 times; it does not answer\n$/);
    const still = state({}, { configuration: undefined, objects: [] });
    assert.deepEqual(shortcomings(still), [{ object: 'discovery', reason: 'it does not answer' }]);
    assert.deepEqual(shortcomings(state({ readyAfterMs: undefined })), [{ object: 'mesh', reason: 'it is starting' }]);
  });

  it('turns red when the renewal of a certificate is overdue', () => {
    const problems = [{ workload: 'web.default', problem: 'renewal fails: no answer' }];
    const s = state({}, { certificates: { certificates: [], problems } });
    assert.deepEqual(shortcomings(s), [{ object: 'certificates', reason: 'web.default: renewal fails: no answer' }]);
    const text = print(s, { colours: true });
    assert.match(text, /^mesh shop of \/yaml\/shop is \u001b\[31mnot ready/);
    assert.match(text, /\n\u001b\[31mcertificates: 0 leaves; web\.default: renewal fails: no answer\u001b\[0m\n$/);
    assert.match(
      print(state({}, { certificates: { certificates: [], problems: [] } })),
      /0 leaves; none is overdue\n$/,
    );
  });

  it('names the secrets that proxies wait for, which leaves the rest ready', () => {
    const waiting = [{ workload: 'edge.istio-system', secret: 'kubernetes://shop' }];
    const s = state({}, { certificates: { certificates: [], problems: [], waiting } });
    assert.deepEqual(shortcomings(s), []);
    assert.match(
      print(s),
      /none is overdue\n\nerror: edge\.istio-system: the secret kubernetes:\/\/shop has not come\n$/,
    );
  });

  it('does not tell of a wait for a secret of which a finding says more', () => {
    const waits = ['kubernetes://shop', 'kubernetes://shop-cacert', 'kubernetes://other'];
    const waiting = waits.map((secret) => ({ workload: 'edge.istio-system', secret }));
    const s = state({}, { certificates: { certificates: [], problems: [], waiting } });
    const left = (code: string, text: string, id: string, name: string) =>
      withoutExplainedWaits(s, [{ code, text, resource: { id, name } }]).certificates?.waiting?.map((w) => w.secret);
    const [, , other] = waits;
    assert.deepEqual(left('IST0101', 'Referenced credentialName not found: "shop"', 'Gateway', 'g'), [other]);
    assert.deepEqual(left('ISTH0003', 'Secret a/shop is of no use', 'Secret', 'shop'), [other]);
    assert.deepEqual(left('IST0101', 'Referenced host not found: "shop"', 'VirtualService', 'v'), waits);
    assert.deepEqual(left('ISTH0003', 'Secret a/shops is of no use', 'Secret', 'shops'), waits);
  });

  it('shows what is wrong with the configuration', () => {
    const at = { file: 'a.yaml', line: 3, column: 5 };
    const configuration: StateResponse = {
      ...CONFIGURATION,
      rejected: [
        {
          key: 'VirtualService/default/web',
          lastGood: true,
          messages: [{ at, key: 'VirtualService/default/web', field: 'spec.hosts', message: 'is required' }],
        },
      ],
      warnings: [{ at, message: 'has no effect' }],
      proxies: [
        { id: 'web.default', version: '1', connected: true, lag: 'LDS was refused' },
        { id: 'api.default', version: '1', connected: true, lag: 'it has not answered' },
      ],
      nacks: [{ proxy: 'web.default', message: 'web.default rejected LDS a: no such filter' }],
    };
    assert.deepEqual(configurationProblems(configuration), [
      'a.yaml:3:5: VirtualService/default/web: spec.hosts is required; its last good version stays in force',
      'web.default rejected LDS a: no such filter',
      'api.default: it has not answered',
    ]);
    const text = print(state({}, { configuration }));
    assert.match(text, /9 objects, 1 refused, 1 warning; in force at 0 of 2 proxies/);
    assert.match(text, /\nerror: a\.yaml:3:5: VirtualService/);
    assert.match(text, /\nwarning: a\.yaml:3:5: has no effect\n$/);
    const findings = [
      { line: 'b.yaml: y', isError: false },
      { line: 'b.yaml: x', isError: true },
    ];
    assert.match(
      print(state({}, { configuration }), {}, findings),
      /\nerror: b\.yaml: x\nwarning: a\.yaml:3:5: has no effect\nwarning: b\.yaml: y\n$/,
    );
  });

  it('has colours where they are wanted, and only pods of a namespace', () => {
    const s = state({
      pods: [pod('web', { ready: 1, status: 'Error', message: 'x' }), pod('b', { namespace: 'other' })],
    });
    assert.ok(!print(s).includes('\u001b'));
    assert.match(print(s, { colours: true }), /\u001b\[31mdefault {5}web .*\u001b\[0m\n/);
    assert.ok(!print(s, { namespace: 'default' }).includes('other'));
    assert.match(print(s, { namespace: 'nope' }), /\nNo pods\.\n/);
  });
});
