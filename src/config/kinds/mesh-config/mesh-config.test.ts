import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatMessage } from '../../message.ts';
import { applyMeshConfig, applyProxyConfig, DEFAULT_MESH_CONFIG, DEFAULT_PROXY_CONFIG } from './defaults.ts';
import { readMeshConfig, readMeshNetworks, readProxyConfig } from './read.ts';

const said = ({ errors, warnings }: ReturnType<typeof readMeshConfig>): string[] => [
  ...errors.map((m) => m.field ?? formatMessage(m)),
  ...warnings.map((m) => `~${m.field}`),
];

describe('mesh configuration', () => {
  const table: readonly (readonly [string, ...string[]])[] = [
    [''],
    ['{}'],
    ['accessLogFile: /dev/stdout\nmeshMTLS: {minProtocolVersion: TLSV1_3}'],
    ['mesh_mTLS: {minProtocolVersion: TLSV1_3}'],
    ['access_log_file: /dev/stdout\ndefault_config: {proxy_metadata: {a_b: c}, drain_duration: 45s}'],
    ['foo: 1', 'foo'],
    ['mixerCheckServer: x', '~mixerCheckServer'],
    ['connectTimeout: 2h', 'connectTimeout'],
    ['connectTimeout: 0s', 'connectTimeout'],
    ['protocolDetectionTimeout: 0s'],
    ['proxyListenPort: 0', 'proxyListenPort'],
    ['trustDomain: a b\ntrustDomainAliases: [ok.com, "x/"]', 'trustDomain', 'trustDomainAliases[1]'],
    ['defaultConfig: {discoveryAddress: foo}', 'defaultConfig.discoveryAddress'],
    ['defaultConfig: {discoveryAddress: "[::1]:15012", drainDuration: 45s}'],
    [
      'defaultConfig: {drainDuration: 1.5s, statusPort: 70000, concurrency: -1, controlPlaneAuthPolicy: INHERIT}',
      'defaultConfig.drainDuration',
      'defaultConfig.statusPort',
      'defaultConfig.concurrency',
      'defaultConfig.controlPlaneAuthPolicy',
    ],
    [
      'defaultConfig: {tracing: {zipkin: {address: x}, sampling: 101}}',
      'defaultConfig.tracing.zipkin.address',
      'defaultConfig.tracing.sampling',
    ],
    ['defaultConfig: {tracing: {zipkin: {address: "$(HOST_IP):9411"}}}'],
    ['defaultConfig: {privateKeyProvider: {cryptomb: {}}}', 'defaultConfig.privateKeyProvider.cryptomb.pollDelay'],
    ['defaultConfig: {serviceCluster: a, tracingServiceName: CANONICAL_NAME_ONLY}', 'defaultConfig'],
    ['localityLbSetting: {failover: [{from: a, to: a}]}', 'localityLbSetting.failover[0]'],
    ['serviceEntryVisibility: {defaultVisibility: NONE}', '~serviceEntryVisibility'],
    ['serviceEntryVisibility: {defaultVisibility: NONE, applyToSidecars: true}'],
    [
      'extensionProviders: [{name: a, opentelemetry: {service: o.ns.svc, port: 4318, http: {path: /v1, headers: [{name: k, envName: TOKEN}]}}}]',
      '~extensionProviders[0].opentelemetry.http.headers[0].envName',
    ],
    [
      'defaultConfig: {fileFlushInterval: 1s, connectionSettings: {listenerConnectionLimit: 5, httpIdleTimeout: 9s}}',
      '~defaultConfig.connectionSettings.listenerConnectionLimit',
    ],
    [
      'defaultConfig: {connectionSettings: {listenerConnectionLimit: 0, globalDownstreamConnectionLimit: -1}}',
      'defaultConfig.connectionSettings.listenerConnectionLimit',
      'defaultConfig.connectionSettings.globalDownstreamConnectionLimit',
    ],
    ['defaultConfig: {tracing: {stackdriver: {}}}', '~defaultConfig.tracing.stackdriver'],
    ['zoneAwareLbSetting: {failover: [{from: a, to: a}]}', 'zoneAwareLbSetting.failover[0]'],
    [
      'extensionProviders: [{name: a, zipkin: {service: z.ns.svc, port: 9411}}, {name: a, prometheus: {}}, {name: b}, {name: c, skywalking: {}}]',
      '~extensionProviders[1].name',
      '~extensionProviders[2]',
      '~extensionProviders[3].skywalking.service',
      '~extensionProviders[3].skywalking.port',
    ],
    [
      'extensionProviders: [{name: a, envoyExtAuthzHttp: {service: ns/a.com, port: 80, pathPrefix: x, statusOnError: "999"}}]',
      '~extensionProviders[0].envoyExtAuthzHttp.statusOnError',
      '~extensionProviders[0].envoyExtAuthzHttp.pathPrefix',
    ],
    [
      'tlsDefaults: {ecdhCurves: [P-256, P-256, X]}\nmeshMTLS: {ecdhCurves: [P-256]}',
      'meshMTLS.ecdhCurves',
      '~tlsDefaults.ecdhCurves[1]',
      '~tlsDefaults.ecdhCurves[2]',
    ],
    ['defaultHttpRetryPolicy: {attempts: 0, retryOn: 5xx}', 'defaultHttpRetryPolicy.retryOn'],
    ['a: 1\n---\nb: 1\n', 'mesh.yaml:3:1: must be one document'],
  ];
  for (const [text, ...fields] of table) {
    test(`${text} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(readMeshConfig(text, 'mesh.yaml')), fields);
    });
  }
});

test('networks', () => {
  const good = 'networks: {n1: {endpoints: [{fromRegistry: Kubernetes}], gateways: [{address: 1.2.3.4, port: 15443}]}}';
  assert.deepEqual(readMeshNetworks(good, 'f').errors, []);
  const older = 'networks: {n_1: {gateways: [{registry_service_name: a.b.svc.cluster.local, port: 15443}]}}';
  assert.deepEqual(readMeshNetworks(older, 'f').value?.networks, {
    n_1: { gateways: [{ registryServiceName: 'a.b.svc.cluster.local', port: 15443 }] },
  });
  const bad = 'networks: {n1: {endpoints: [{fromCidr: 1.2.3}], gateways: [{registryServiceName: a_b, port: 0}]}}';
  assert.deepEqual(
    readMeshNetworks(bad, 'f').errors.map((m) => m.field),
    [
      'networks.n1.endpoints[0].fromCidr',
      'networks.n1.gateways[0].registryServiceName',
      'networks.n1.gateways[0].port',
    ],
  );
});

describe('defaults', () => {
  const mesh = (text: string) => applyMeshConfig(readMeshConfig(text, 'f').value!);

  test('nothing leaves them as they are', () => {
    assert.deepEqual(mesh(''), {
      ...DEFAULT_MESH_CONFIG,
      defaultConfig: { ...DEFAULT_PROXY_CONFIG, tracingServiceName: undefined },
    });
    assert.equal(mesh('enableAutoMtls: null').enableAutoMtls, true);
  });

  test('a field that is set replaces the whole field', () => {
    assert.deepEqual(mesh('outboundTrafficPolicy: {}').outboundTrafficPolicy, {});
    assert.deepEqual(mesh('localityLbSetting: {failoverPriority: [a]}').localityLbSetting, { failoverPriority: ['a'] });
    assert.deepEqual(mesh('defaultServiceExportTo: []').defaultServiceExportTo, []);
    assert.deepEqual(mesh('trustDomainAliases: [a, a, b]').trustDomainAliases, ['a', 'b']);
  });

  test('providers are replaced by name, and others added', () => {
    const providers = mesh(
      'extensionProviders: [{name: x, prometheus: {}}, {name: envoy, envoyFileAccessLog: {path: /tmp/x}}]',
    ).extensionProviders;
    assert.deepEqual(
      providers.map((p) => p.name),
      ['prometheus', 'stackdriver', 'envoy', 'x'],
    );
    assert.equal(providers[2]!.envoyFileAccessLog!.path, '/tmp/x');
  });

  test('the configuration of a proxy is laid over that of the mesh, its environment merged', () => {
    const base = mesh(
      'defaultConfig: {proxyMetadata: {A: a, B: b}, drainDuration: 5s, proxyHeaders: {server: {disabled: true}}}',
    ).defaultConfig;
    assert.equal(base.drainDuration, 5000);
    assert.equal(base.proxyAdminPort, 15000);
    const over = readProxyConfig(
      '{proxyMetadata: {B: c}, concurrency: 2, proxyHeaders: {requestId: {disabled: true}}}',
      'f',
    ).value!;
    const merged = applyProxyConfig(over, base);
    assert.deepEqual(merged.proxyMetadata, { A: 'a', B: 'c' });
    assert.deepEqual(merged.proxyHeaders, { server: { disabled: true }, requestId: { disabled: true } });
    assert.equal(merged.concurrency, 2);
    assert.equal(merged.drainDuration, 5000);
  });

  test('serviceCluster and tracingServiceName are one choice', () => {
    assert.equal(
      applyProxyConfig({ tracingServiceName: 'CANONICAL_NAME_ONLY' }, DEFAULT_PROXY_CONFIG).serviceCluster,
      undefined,
    );
    assert.equal(applyProxyConfig({}, DEFAULT_PROXY_CONFIG).serviceCluster, 'istio-proxy');
  });
});
