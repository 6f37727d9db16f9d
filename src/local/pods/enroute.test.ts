import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Container } from '../../config/kinds/shared/pod-spec.ts';
import { enrouteEnvironment, roleOf, standInsOf } from './enroute.ts';

const CONTAINERS: readonly Container[] = [
  { name: 'enroute', image: 'saarasio/enroute-gwi:v0.12.0', command: ['/bin/enroute'] },
  { name: 'redis', image: 'redis' },
  { name: 'envoy', image: 'envoyproxy/envoy:v1.24.0' },
  { name: 'cert-server', image: 'saarasio/cert-server' },
  { name: 'own', command: ['node'] },
];
const pod = { spec: { containers: CONTAINERS }, labels: {} };

describe("a pod of EnRoute's chart", () => {
  test('its containers stand for programs here, or for the control plane', () => {
    const roles = CONTAINERS.map((container) => roleOf(pod, container));
    assert.deepEqual(roles, ['control-plane', 'counters', 'envoy', 'cert-server', undefined]);
    const [enroute] = CONTAINERS;
    const own = { spec: { containers: [{ name: 'redis', command: ['redis-server'] }] }, labels: {} };
    assert.equal(roleOf(own, own.spec.containers[0]!), undefined, 'a Redis of somebody else');
    assert.equal(roleOf(pod, enroute!), 'control-plane');
  });

  test('what the control plane does is ready when the gateway is', () => {
    let ready = false;
    const envoy = { ready: () => ready };
    const programs = () => [{ ready: envoy.ready(), target: { container: CONTAINERS[2]! } }] as never;
    const standIns = standInsOf(pod, '/logs', programs);
    assert.deepEqual(
      standIns.map(({ name }) => name),
      ['enroute', 'redis'],
    );
    assert.deepEqual(
      standIns.map((one) => one.ready),
      [false, false],
    );
    ready = true;
    assert.deepEqual(
      standIns.map((one) => one.ready),
      [true, true],
    );
    assert.equal(standIns[0]!.status.pid, undefined);
  });

  const environment = (
    role: 'envoy' | 'cert-server',
    more: { annotation?: string; injection?: 'sidecar' | 'none' } = {},
  ) =>
    enrouteEnvironment(role, {
      proxyConfig: '{"discoveryAddress": "d:1"}',
      annotation: more.annotation,
      podIp: '127.64.0.2',
      injection: more.injection ?? 'sidecar',
      containers: CONTAINERS,
    });

  test('the gateway has its certificates from the cert-server, if there is a sidecar that gets any', () => {
    assert.equal(environment('envoy').WORKLOAD_IDENTITY_SOCKET_FILE, 'cert-server');
    assert.equal(environment('envoy', { injection: 'none' }).WORKLOAD_IDENTITY_SOCKET_FILE, undefined);
    const { discoveryAddress, statusPort } = JSON.parse(environment('envoy').PROXY_CONFIG!);
    assert.deepEqual([discoveryAddress, statusPort], ['d:1', 15_022]);
  });

  test('the cert-server has the files that OUTPUT_CERTS says', () => {
    const file = (annotation?: string) =>
      environment('cert-server', annotation === undefined ? {} : { annotation }).ISTIO_META_TLS_CLIENT_KEY;
    assert.equal(file(), '/etc/certs/key.pem');
    assert.equal(file('proxyMetadata: {OUTPUT_CERTS: /etc/istio-certs/}'), '/etc/istio-certs/key.pem');
    assert.equal(file('concurrency: 2'), '/etc/certs/key.pem');
    const env = environment('cert-server');
    assert.deepEqual(
      [env.DISABLE_ENVOY, env.FILE_MOUNTED_CERTS, env.ISTHMUS_SDS_SOCKET],
      ['true', 'true', 'cert-server'],
    );
  });
});
