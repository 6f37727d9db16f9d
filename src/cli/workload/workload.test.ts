import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { run } from '../program.ts';

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function isthmus(...args: string[]): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const code = await run(args, {
    stdin: process.stdin,
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

function group(spec: readonly string[]): string {
  const head = ['apiVersion: networking.istio.io/v1', 'kind: WorkloadGroup', 'metadata:', '  name: foo'];
  return `${[...head, '  namespace: bar', 'spec:', ...spec].join('\n')}\n`;
}

describe('workload group create', () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ['', ['  metadata: {}', '  template:', '    serviceAccount: default']],
    [
      '-l app=foo,y=baz -l c -a note=a=b -p http=8080 -p grpc=3550 -s test -w 7 --locality r/z --network n',
      [
        '  metadata:',
        '    annotations:',
        '      note: a=b',
        '    labels:',
        '      app: foo',
        '      c: ""',
        '      "y": baz',
        '  template:',
        '    locality: r/z',
        '    network: "n"',
        '    ports:',
        '      grpc: 3550',
        '      http: 8080',
        '    serviceAccount: test',
        '    weight: 7',
      ],
    ],
  ];
  for (const [flags, spec] of table) {
    test(`flags "${flags}"`, async () => {
      const words = flags.split(' ').filter((word) => word !== '');
      const outcome = await isthmus('x', 'workload', 'group', 'create', '--name', 'foo', '-n', 'bar', ...words);
      assert.deepEqual(outcome, { code: 0, stdout: group(spec), stderr: '' });
      assert.deepEqual(await isthmus('workload', 'group', 'create', '--name', 'foo', '-n', 'bar', ...words), outcome);
    });
  }

  const failures: readonly (readonly [readonly string[], number, string])[] = [
    [['-n', 'bar'], 1, 'expecting a workload name'],
    [['--name', 'foo'], 1, 'expecting a workload namespace'],
    [['--bad'], 64, 'unknown flag: --bad'],
    [['-w', 'x'], 64, 'invalid argument "x" for "-w, --weight" flag: strconv.ParseUint: parsing "x": invalid syntax'],
    [
      ['--name', 'foo', '-n', 'bar', '-p', 'http=70000'],
      1,
      '--ports: "http=70000" must be a name and a number from 1 to 65535',
    ],
  ];
  for (const [args, code, message] of failures) {
    test(message, async () => {
      assert.deepEqual(await isthmus('workload', 'group', 'create', ...args), {
        code,
        stdout: '',
        stderr: `Error: ${message}\n`,
      });
    });
  }
});

/** An API server with these objects, by path; what it was asked for by POST is in `posted`. */
async function cluster(t: TestContext, objects: Readonly<Record<string, object>>) {
  const posted: unknown[] = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      if (request.method === 'POST') posted.push(JSON.parse(body));
      const found = objects[request.url ?? ''];
      const name = request.url?.split('/').pop();
      response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(found ?? { kind: 'Status', message: `configmaps "${name}" not found` }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-test-'));
  t.after(() => {
    server.close();
    server.closeAllConnections();
    fs.rmSync(folder, { recursive: true });
  });
  const kubeconfig = path.join(folder, 'kubeconfig');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  fs.writeFileSync(
    kubeconfig,
    `current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "${url}"}}]
users: [{name: u, user: {token: t}}]
`,
  );
  return { kubeconfig, folder, posted };
}

const OBJECTS = {
  '/api/v1/namespaces/istio-system/configmaps/istio': {
    data: { mesh: 'trustDomain: td\ndefaultConfig: {meshId: m1, proxyMetadata: {A: mesh, B: mesh}}' },
  },
  '/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector': {
    data: { values: '{"global":{"multiCluster":{"clusterName":"east"}}}' },
  },
  '/api/v1/namespaces/istio-system/services/istio-eastwestgateway': {
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } },
  },
  '/api/v1/namespaces/vms/configmaps/istio-ca-root-cert': { data: { 'root-cert.pem': 'ROOT' } },
  '/api/v1/namespaces/vms/serviceaccounts/vm/token': { status: { token: 'TOKEN' } },
  '/apis/networking.istio.io/v1/namespaces/vms/workloadgroups/shop': {
    metadata: { annotations: { 'proxy.istio.io/config': 'proxyMetadata: {B: group}' } },
    spec: {
      metadata: { labels: { app: 'shop', version: "it's" } },
      template: { serviceAccount: 'vm', ports: { http: 8080, grpc: 3550 }, network: 'net' },
      probe: { tcpSocket: { port: 8080 }, periodSeconds: 5 },
    },
  },
};

const MESH = `defaultConfig:
  meshId: m1
  proxyMetadata:
    A: mesh
    B: group
    CANONICAL_REVISION: it's
    CANONICAL_SERVICE: shop
    ISTIO_META_AUTO_REGISTER_GROUP: shop
    ISTIO_META_CLUSTER_ID: east
    ISTIO_META_DNS_CAPTURE: "true"
    ISTIO_META_MESH_ID: m1
    ISTIO_META_NETWORK: net
    ISTIO_META_POD_PORTS: '[{"name":"grpc","containerPort":3550},{"name":"http","containerPort":8080}]'
    ISTIO_META_WORKLOAD_NAME: shop
    ISTIO_METAJSON_LABELS: '{"app":"shop","service.istio.io/canonical-name":"shop","service.istio.io/canonical-revision":"it''s","version":"it''s"}'
    POD_NAMESPACE: vms
    SERVICE_ACCOUNT: vm
    TRUST_DOMAIN: td
  readinessProbe:
    periodSeconds: 5
    tcpSocket:
      port: 8080
`;

describe('workload entry configure', () => {
  test('a group of a cluster becomes five files', async (t) => {
    const { kubeconfig, folder, posted } = await cluster(t, OBJECTS);
    const out = path.join(folder, 'out');
    const args = ['--name', 'shop', '-n', 'vms', '-o', out, '--autoregister', '--externalIP', '198.51.100.1'];
    const outcome = await isthmus('workload', 'entry', 'configure', ...args, '-c', kubeconfig, '--tokenDuration=900');
    assert.deepEqual(outcome, {
      code: 0,
      stdout: `Configuration generation into directory ${out} was successful\n`,
      stderr: `Warning: a security token for namespace "vms" and service account "vm" has been generated and stored at "${out}/istio-token"\n`,
    });
    const read = (name: string) => fs.readFileSync(path.join(out, name), 'utf8');
    assert.deepEqual(fs.readdirSync(out).sort(), ['cluster.env', 'hosts', 'istio-token', 'mesh.yaml', 'root-cert.pem']);
    assert.equal(read('mesh.yaml'), MESH);
    assert.equal(read('hosts'), '203.0.113.7 istiod.istio-system.svc\n');
    assert.equal(read('root-cert.pem'), 'ROOT');
    assert.equal(read('istio-token'), 'TOKEN');
    assert.equal(fs.statSync(path.join(out, 'istio-token')).mode & 0o777, 0o600);
    const env = read('cluster.env').split('\n');
    for (const line of [
      `CANONICAL_REVISION='it'"'"'s'`,
      "ISTIO_INBOUND_PORTS='3550,8080'",
      "ISTIO_SERVICE='shop.vms'",
      "ISTIO_SVC_IP='198.51.100.1'",
      "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION='true'",
    ])
      assert.ok(env.includes(line), line);
    assert.deepEqual(posted, [
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: ['istio-ca'], expirationSeconds: 900 },
      },
    ]);
  });

  test('what is missing in the cluster is named', async (t) => {
    const { kubeconfig, folder } = await cluster(t, {});
    const file = path.join(folder, 'group.yaml');
    fs.writeFileSync(file, 'kind: WorkloadGroup\nmetadata: {name: a, namespace: b}\nspec: {template: {}}\n');
    const args = ['-f', file, '-o', path.join(folder, 'out'), '-c', kubeconfig, '--revision', 'rev-1'];
    assert.equal(
      (await isthmus('workload', 'entry', 'configure', ...args)).stderr,
      'Error: failed to automatically determine the --clusterID: fetch injection template: configmaps "istio-sidecar-injector-rev-1" not found\n',
    );
    assert.equal(
      (await isthmus('workload', 'entry', 'configure', ...args, '--clusterID', 'c')).stderr,
      'Error: configmap istio-rev-1 was not found in namespace istio-system: configmaps "istio-rev-1" not found\n',
    );
  });

  const failures: readonly (readonly [string, string])[] = [
    ['--name foo', 'expecting a WorkloadGroup artifact file or the name and namespace of an existing WorkloadGroup'],
    ['-n bar -o x', 'expecting a WorkloadGroup artifact file or the name and namespace of an existing WorkloadGroup'],
    ['-f file', 'expecting an output directory'],
    [
      '-f file -o x --internalIP 1.2.3.4 --externalIP 1.2.3.5',
      'the flags --internalIP and --externalIP are mutually exclusive',
    ],
  ];
  for (const [args, message] of failures) {
    test(`${args}: ${message}`, async () => {
      const outcome = await isthmus('x', 'workload', 'entry', 'configure', ...args.split(' '));
      assert.deepEqual(outcome, { code: 1, stdout: '', stderr: `Error: ${message}\n` });
    });
  }

  test('a mistake in the file is told with its place', async (t) => {
    const { kubeconfig, folder } = await cluster(t, OBJECTS);
    const file = path.join(folder, 'group.yaml');
    fs.writeFileSync(file, 'kind: WorkloadGroup\nmetadata: {name: a, namespace: b}\nspec:\n  template: {prots: {}}\n');
    const { code, stderr } = await isthmus(
      'workload',
      'entry',
      'configure',
      '-f',
      file,
      '-o',
      folder,
      '-c',
      kubeconfig,
    );
    assert.equal(code, 1);
    assert.match(stderr, /group\.yaml:4:14: template\.prots /);
  });
});
