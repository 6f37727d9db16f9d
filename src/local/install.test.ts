import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readObjects } from '../config/read.ts';
import { MemoryStore } from '../config/store/memory-store.ts';
import { type Installation, installationOf } from './install.ts';

async function install(text: string): Promise<Installation> {
  const store = new MemoryStore();
  const results = await store.apply(readObjects(text, 'f.yaml').entries);
  assert.deepEqual(
    results.flatMap((r) => r.errors),
    [],
  );
  return installationOf(store.snapshot);
}

interface Made {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly [field: string]: unknown };
}

const made = ({ objects }: Installation): Made[] => objects as unknown as Made[];
const names = (installation: Installation) =>
  made(installation)
    .filter((o) => o.kind === 'Deployment')
    .map((o) => `${o.metadata.namespace}/${o.metadata.name}`);

const operator = (spec: string) => `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh, namespace: istio-system}
spec: ${spec}
`;

test('without a word there are both gateways, whose objects are valid', async () => {
  const installation = await install('');
  assert.deepEqual(names(installation), ['istio-system/istio-ingressgateway', 'istio-system/istio-egressgateway']);
  const { entries } = readObjects(installation.objects.map((o) => JSON.stringify(o)).join('\n---\n'), 'made');
  assert.equal(entries.length, 6);
  assert.deepEqual(
    entries.flatMap((e) => [...e.errors, ...e.warnings]),
    [],
  );
  assert.equal(installation.meshConfig.proxyHttpPort, 15002);
});

test('profiles and components say which gateways there are', async () => {
  assert.deepEqual(names(await install(operator('{profile: minimal}'))), []);
  assert.deepEqual(names(await install(operator('{profile: default}'))), ['istio-system/istio-ingressgateway']);
  const spec = `
  components:
    ingressGateways:
    - {name: istio-ingressgateway, enabled: false}
    - {name: private, namespace: edge, enabled: true, label: {istio: private}, k8s: {replicaCount: 2, service: {ports: [{port: 9000, targetPort: 9000, name: tcp}]}}}`;
  const installation = await install(operator(spec));
  assert.deepEqual(names(installation), ['edge/private', 'istio-system/istio-egressgateway']);
  const [, deployment, service] = made(installation);
  assert.equal(deployment?.spec.replicas, 2);
  assert.deepEqual(service?.spec.ports, [{ port: 9000, targetPort: 9000, name: 'tcp' }]);
  assert.deepEqual(service?.spec.selector, { app: 'private', istio: 'private' });
});

test('the mesh configuration is merged of the ConfigMap and the operators, the last one winning', async () => {
  const installation = await install(`
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "access_log_file: ''\\ndefaultConfig: {drain_duration: 3s, statusPort: 15020}\\n"}
---${operator('{meshConfig: {defaultConfig: {drainDuration: 4s}, enableTracing: false}, components: {pilot: {k8s: {env: [{name: PILOT_A, value: "1"}]}}}}')}`);
  assert.deepEqual(installation.meshConfig, {
    accessLogFile: '',
    defaultProviders: { metrics: ['prometheus'] },
    enablePrometheusMerge: true,
    proxyHttpPort: 15002,
    defaultConfig: { drainDuration: '4s', statusPort: 15020 },
    enableTracing: false,
  });
  assert.deepEqual(installation.pilotEnv, { PILOT_A: '1' });
});

test('gateways have the secrets mounted that values name, besides the usual ones', async () => {
  const { objects } = await install(`
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec:
  values:
    gateways:
      istio-egressgateway:
        secretVolumes:
        - {name: client, secretName: client-certs, mountPath: /etc/client-certs}
        - {name: nonsense}
`);
  const mounts = (objects as unknown as Made[])
    .filter(({ kind }) => kind === 'Deployment')
    .map(({ spec }) => {
      const template = spec.template as { spec: { containers: { volumeMounts: { mountPath: string }[] }[] } };
      return template.spec.containers[0]!.volumeMounts.map(({ mountPath }) => mountPath);
    });
  assert.deepEqual(mounts, [
    ['/etc/istio/ingressgateway-certs', '/etc/istio/ingressgateway-ca-certs'],
    ['/etc/istio/egressgateway-certs', '/etc/istio/egressgateway-ca-certs', '/etc/client-certs'],
  ]);
});
