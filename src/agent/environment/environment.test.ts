import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readDownwardApi } from './downward-api.ts';
import { readEnvironment } from './environment.ts';
import { parseDuration, parseHostPort } from './values.ts';

const BASE = { INSTANCE_IP: '127.64.0.3', POD_NAME: 'web-1' };

test('what nothing is said about has the value that it has in pilot-agent', () => {
  const { metadata, labels, certificates, warnings, appProbers, ...rest } = readEnvironment(BASE, 'sidecar');
  assert.deepEqual(rest, {
    podName: 'web-1',
    podNamespace: 'default',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    instanceIp: '127.64.0.3',
    instanceIps: ['127.64.0.3'],
    clusterId: undefined,
    caAddress: undefined,
    xdsRootCa: undefined,
    caRootCa: undefined,
    istiodSan: undefined,
    workloadIdentitySocket: undefined,
    ownSocket: 'socket',
    delta: true,
    disableEnvoy: false,
    exitOnZeroActiveConnections: false,
    minimumDrainMs: 5000,
    drainLimitMs: undefined,
    statusListenerPort: 15021,
    prometheusListenerPort: 15090,
    skipDeprecatedLogs: true,
    hostIp: undefined,
    dualStack: false,
    bootstrapOverride: undefined,
    probeLocalhost: false,
    probeHttp2: true,
    scrapeTarget: undefined,
    address: undefined,
    podNetwork: undefined,
    sharesFiles: false,
    relays: [],
    dns: false,
    dnsAddress: 'localhost:15053',
    dnsTimeoutMs: 5000,
    stateDir: './var/lib/istio/data',
  });
  assert.deepEqual([metadata, labels, warnings, [...appProbers]], [{}, {}, [], []]);
  assert.equal(certificates.fileMounted, false);
});

test('what is said is read', () => {
  const env = readEnvironment(
    {
      ...BASE,
      POD_NAMESPACE: 'shop',
      SERVICE_ACCOUNT: 'web',
      TRUST_DOMAIN: 'example.org',
      CA_ADDR: 'ca.example.org:443',
      ISTIOD_SAN: 'istiod',
      ISTIO_DELTA_XDS: 'false',
      MINIMUM_DRAIN_DURATION: '1m30s',
      ISTHMUS_DRAIN_LIMIT: '4.5s',
      ENVOY_STATUS_PORT: '25021',
      EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'T',
      SECRET_TTL: '1h',
      ISTIO_META_CLUSTER_ID: 'east',
      ISTIO_META_WORKLOAD_NAME: 'web',
      ISTIO_METAJSON_ANNOTATIONS: '{"ANNOTATIONS":{"a":"b"}}',
      ISTIO_METAJSON_LABELS: '{"app":"web","n":1}',
      ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"true","path":"stats","port":"8080"}',
      ISTHMUS_AGENT_ADDRESS: '127.0.0.9',
      ISTHMUS_AGENT_STATE: '',
      DNS_FORWARD_PARALLEL: 'true',
      ISTIO_META_DNS_CAPTURE: 'false',
    },
    'sidecar',
  );
  assert.equal(env.podNamespace, 'shop');
  assert.equal(env.delta, false);
  assert.equal(env.minimumDrainMs, 90_000);
  assert.equal(env.drainLimitMs, 4500);
  assert.equal(env.statusListenerPort, 25021);
  assert.equal(env.exitOnZeroActiveConnections, true);
  assert.equal(env.certificates.ttlMs, 3_600_000);
  assert.equal(env.clusterId, 'east');
  assert.deepEqual(env.labels, { app: 'web', n: '1' });
  assert.deepEqual(env.metadata, {
    CLUSTER_ID: 'east',
    WORKLOAD_NAME: 'web',
    ANNOTATIONS: { a: 'b' },
    DNS_CAPTURE: 'false',
  });
  assert.deepEqual(env.scrapeTarget, { path: '/stats', port: 8080 });
  assert.equal(env.address, '127.0.0.9');
  assert.equal(env.stateDir, undefined);
  assert.deepEqual(env.warnings, ['DNS_FORWARD_PARALLEL has no effect: name servers are asked one after the other']);
});

test('a gateway does not show the metrics of programs, and a target may be switched off', () => {
  const annotations = { ...BASE, ISTIO_PROMETHEUS_ANNOTATIONS: '{}' };
  assert.deepEqual(readEnvironment(annotations, 'sidecar').scrapeTarget, { path: '/metrics', port: 80 });
  assert.equal(readEnvironment(annotations, 'router').scrapeTarget, undefined);
  const off = { ...BASE, ISTIO_PROMETHEUS_ANNOTATIONS: '{"scrape":"false"}' };
  assert.equal(readEnvironment(off, 'sidecar').scrapeTarget, undefined);
});

test('a pod that shares a machine is told apart, and probed where its program listens', () => {
  const addresses = { pod: '127.64.0.3', program: '127.128.0.3', sidecar: '127.192.0.3', podPrefix: '127.64.' };
  const network = JSON.stringify(addresses);
  const env = readEnvironment({ POD_NAME: 'web-1', ISTHMUS_POD_NETWORK: network }, 'sidecar');
  assert.deepEqual(env.instanceIps, ['127.64.0.3']);
  assert.equal(env.probeLocalhost, true);
});

test('what is wrong is named, with what it must be', () => {
  const table: [Record<string, string>, RegExp][] = [
    [{ ENVOY_STATUS_PORT: '0' }, /variable ENVOY_STATUS_PORT must be a port from 1 to 65535, not "0"/],
    [{ DISABLE_ENVOY: 'yes' }, /DISABLE_ENVOY must be true or false, not "yes"/],
    [{ MINIMUM_DRAIN_DURATION: '5' }, /MINIMUM_DRAIN_DURATION must be a duration such as 5s or 1m30s/],
    [{ INSTANCE_IP: 'web' }, /INSTANCE_IP must be an IP address, not "web"/],
    [{ ISTHMUS_AGENT_ADDRESS: 'localhost' }, /ISTHMUS_AGENT_ADDRESS must be an IP address/],
    [{ TRUST_DOMAIN: 'A/B' }, /TRUST_DOMAIN is no trust domain/],
    [{ CA_PROVIDER: 'GoogleCA' }, /CA_PROVIDER must be Citadel, not "GoogleCA"/],
    [{ CREDENTIAL_FETCHER_TYPE: 'GoogleComputeEngine' }, /CREDENTIAL_FETCHER_TYPE must be JWT/],
    [{ WORKLOAD_IDENTITY_SOCKET_FILE: 'a/b' }, /the name of a file, not a path/],
    [{ ISTHMUS_SDS_SOCKET: 'a/b' }, /the name of a file, not a path/],
    [{ ISTIO_PROMETHEUS_ANNOTATIONS: '{"port":"x"}' }, /ISTIO_PROMETHEUS_ANNOTATIONS must be JSON such as/],
    [{ ISTIO_METAJSON_X: '[1]' }, /ISTIO_METAJSON_X must be a JSON object/],
    [{ ISTHMUS_POD_NETWORK: '{}' }, /ISTHMUS_POD_NETWORK is not what `up` writes: /],
    [{ PROV_CERT: '/a', FILE_MOUNTED_CERTS: 'true' }, /PROV_CERT and FILE_MOUNTED_CERTS exclude each other/],
    [{ ISTIO_KUBE_APP_PROBERS: '[' }, /ISTIO_KUBE_APP_PROBERS must be a JSON object of probes by path/],
  ];
  for (const [env, message] of table) {
    assert.throws(() => readEnvironment({ ...BASE, ...env }, 'sidecar'), message, JSON.stringify(env));
  }
});

test('durations and addresses', () => {
  const durations: [string, number | undefined][] = [
    ['0', 0],
    ['1.5s', 1500],
    ['1h2m3s', 3_723_000],
    ['10ms', 10],
    ['5', undefined],
    ['-1s', undefined],
    ['', undefined],
  ];
  for (const [text, ms] of durations) assert.equal(parseDuration(text), ms, text);
  const addresses: [string, string | undefined][] = [
    ['istiod.istio-system.svc:15012', 'istiod.istio-system.svc 15012'],
    ['[::1]:80', '::1 80'],
    ['10.0.0.1:1', '10.0.0.1 1'],
    ['::1:80', undefined],
    ['a:0', undefined],
    ['a:65536', undefined],
    ['a', undefined],
    ['http://a:80', undefined],
  ];
  for (const [text, expected] of addresses) {
    const found = parseHostPort(text);
    assert.equal(found && `${found.host} ${found.port}`, expected, text);
  }
});

test('the downward API quotes as Go does', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-agent-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const file = path.join(dir, 'labels');
  assert.deepEqual(await readDownwardApi(file), {});
  fs.writeFileSync(file, 'app="web"\nempty=""\nx="a\\"b\\\\c\\n\\u00e9\\x41=\\U0001f600"\n\n');
  assert.deepEqual(await readDownwardApi(file), { app: 'web', empty: '', x: 'a"b\\c\né' + 'A=😀' });
  fs.writeFileSync(file, 'a="b"\napp=web\n');
  await assert.rejects(readDownwardApi(file), /UserError: .*labels:2:5: the value is not a quoted text/);
  fs.writeFileSync(file, 'app="\\q"\n');
  await assert.rejects(readDownwardApi(file), /labels:1:5/);
});
