import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { referenceProgram, scratch, withoutReference } from '../../../test/support/reference.ts';
import { Logging } from '../../base/log.ts';
import { loadBootstrap } from '../../proxy/bootstrap.ts';
import { ProxyServer } from '../../proxy/server.ts';
import { readEnvironment } from '../environment/environment.ts';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { type BootstrapOptions, buildBootstrap } from './bootstrap.ts';

const PROXY_CONFIG: ProxyConfig = {
  configPath: './etc/istio/proxy',
  discoveryAddress: 'istiod.istio-system.svc:15012',
  controlPlaneAuthPolicy: 'MUTUAL_TLS',
  drainDuration: 45_000,
  terminationDrainDuration: 5000,
  proxyAdminPort: 15000,
  statusPort: 15020,
};

interface More {
  readonly env?: Record<string, string>;
  readonly proxyConfig?: Partial<ProxyConfig>;
  readonly options?: Partial<BootstrapOptions>;
}

function build({ env, proxyConfig, options }: More = {}): Bootstrap {
  return buildBootstrap({
    role: 'sidecar',
    environment: readEnvironment(
      { INSTANCE_IP: '127.64.0.3', POD_NAME: 'web-1', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'web', ...env },
      'sidecar',
    ),
    proxyConfig: { ...PROXY_CONFIG, ...proxyConfig },
    proxyConfigJson: { discoveryAddress: PROXY_CONFIG.discoveryAddress },
    domain: undefined,
    podLabels: {},
    podAnnotations: {},
    version: '1.31.0',
    forEnvoy: false,
    statusPort: 15020,
    sdsSocket: './var/run/secrets/workload-spiffe-uds/socket',
    discoveryRoots: undefined,
    systemRoots: undefined,
    ...options,
  }) as unknown as Bootstrap;
}

interface Bootstrap {
  readonly node: { id: string; cluster: string; locality: object; metadata: Record<string, unknown> };
  readonly bootstrap_extensions?: unknown;
  readonly stats_flush_interval?: string;
  readonly stats_eviction_interval?: string;
  readonly layered_runtime: { layers: { static_layer: Record<string, unknown> }[] };
  readonly stats_config: {
    stats_tags: { tag_name: string; regex: string }[];
    histogram_bucket_settings?: unknown;
    stats_matcher: { inclusion_list: { patterns: Record<string, unknown>[] } };
  };
  readonly admin: { address: { socket_address: object } };
  readonly dynamic_resources: { ads_config: { api_type: string } };
  readonly static_resources: { clusters: Cluster[]; listeners: { address: { socket_address: object } }[] };
}

interface Cluster {
  readonly name: string;
  readonly type: string;
  readonly load_assignment: { endpoints: { lb_endpoints: { endpoint: { address: object } }[] }[] };
  readonly transport_socket?: {
    typed_config: { sni?: string; common_tls_context: Record<string, Record<string, unknown>> };
  };
}

const cluster = (bootstrap: Bootstrap, name: string) =>
  bootstrap.static_resources.clusters.find((c) => c.name === name)!;
const endpoint = (c: Cluster) => c.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address;

test('many agents share a machine by addresses of their own', () => {
  const bootstrap = build({ env: { ISTHMUS_AGENT_ADDRESS: '127.0.0.7' }, options: { statusPort: 25020 } });
  const at = (port_value: number) => ({ protocol: 'TCP', address: '127.0.0.7', port_value });
  assert.deepEqual(bootstrap.admin.address.socket_address, { address: '127.0.0.7', port_value: 15000 });
  assert.deepEqual(endpoint(cluster(bootstrap, 'agent')), { socket_address: at(25020) });
  assert.deepEqual(endpoint(cluster(bootstrap, 'prometheus_stats')), { socket_address: at(15000) });
  assert.deepEqual(
    bootstrap.static_resources.listeners.map((l) => l.address.socket_address),
    [at(15090), at(15021)],
  );
  const plain = build();
  assert.deepEqual(plain.admin.address.socket_address, { address: '127.0.0.1', port_value: 15000 });
  assert.deepEqual(plain.static_resources.listeners[0].address.socket_address, { ...at(15090), address: '0.0.0.0' });
  const v6 = build({ env: { INSTANCE_IP: '::1' } });
  assert.deepEqual(v6.static_resources.listeners[0].address.socket_address, { ...at(15090), address: '::' });
});

test('statistics: what Istio keeps, and what annotations or configuration add', () => {
  const patterns = (more: More) => build(more).stats_config.stats_matcher.inclusion_list.patterns;
  const standard = patterns({});
  for (const pattern of [
    { prefix: 'reporter=' },
    { prefix: 'cluster_manager' },
    { prefix: 'cluster.xds-grpc' },
    { suffix: 'rbac.allowed' },
    { prefix: 'istio' },
  ])
    assert.ok(
      standard.some((p) => JSON.stringify(p) === JSON.stringify(pattern)),
      JSON.stringify(pattern),
    );
  const added = patterns({
    proxyConfig: { proxyStatsMatcher: { inclusionPrefixes: ['http.{pod_ip}_'], inclusionSuffixes: ['upstream_rq'] } },
    options: { podAnnotations: { 'sidecar.istio.io/statsInclusionSuffixes': 'a,b' } },
    env: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' },
  });
  const news = added.filter((p) => !standard.some((s) => JSON.stringify(s) === JSON.stringify(p)));
  assert.deepEqual(news, [
    { prefix: 'http.127.64.0.3_' },
    { suffix: 'a' },
    { suffix: 'b' },
    { suffix: 'downstream_cx_active' },
  ]);
  const { stats_config } = build({
    proxyConfig: { extraStatTags: ['a.b'] },
    options: {
      podAnnotations: {
        'sidecar.istio.io/extraStatTags': 'c',
        'sidecar.istio.io/statsHistogramBuckets': '{"istiocustom":[1,5],"cluster":[10]}',
      },
    },
  });
  assert.ok(stats_config.stats_tags.some((t) => t.tag_name === 'a.b' && t.regex.includes('a\\.b')));
  assert.ok(stats_config.stats_tags.some((t) => t.tag_name === 'c'));
  assert.deepEqual(stats_config.histogram_bucket_settings, [
    { match: { prefix: 'cluster' }, buckets: [10] },
    { match: { prefix: 'istiocustom' }, buckets: [1, 5] },
  ]);
  const bad = { options: { podAnnotations: { 'sidecar.istio.io/statsHistogramBuckets': '[1]' } } };
  assert.throws(() => build(bad), /statsHistogramBuckets must be a JSON object/);
});

test('intervals of statistics, by annotations', () => {
  const of = (flush: string, eviction: string, forEnvoy = true) => {
    const podAnnotations = {
      'sidecar.istio.io/statsFlushInterval': flush,
      'sidecar.istio.io/statsEvictionInterval': eviction,
    };
    const { stats_flush_interval, stats_eviction_interval } = build({ options: { podAnnotations, forEnvoy } });
    return [stats_flush_interval, stats_eviction_interval];
  };
  assert.deepEqual(of('', ''), [undefined, undefined]);
  assert.deepEqual(of('1m30s', '3m'), ['90s', '180s']);
  assert.deepEqual(of('250ms', '500ms', false), ['0.25s', undefined]);
  assert.throws(() => of('', '11s'), /statsEvictionInterval must be a multiple/);
  assert.throws(() => of('soon', ''), /statsFlushInterval must be a duration such as 10s, not "soon"/);
});

test('labels are taken out of the names of statistics', () => {
  const { stats_tags } = build().stats_config;
  const table: [string, string, string, string][] = [
    ['cluster.xds-grpc.upstream_rq_total', 'cluster_name', 'xds-grpc', 'cluster.upstream_rq_total'],
    [
      'cluster.outbound|80||a.b.svc.cluster.local.lb',
      'cluster_name',
      'outbound|80||a.b.svc.cluster.local',
      'cluster.lb',
    ],
    ['http.127.0.0.1_80.downstream_rq_503', 'response_code', '503', 'http.127.0.0.1_80.downstream_rq'],
    ['http.127.0.0.1_80.downstream_rq_5xx', 'response_code_class', '5xx', 'http.127.0.0.1_80.downstream_rq'],
    ['http.127.0.0.1_80.rq', 'http_conn_manager_prefix', '127.0.0.1_80', 'http.rq'],
    ['listener.0.0.0.0_80.cx', 'listener_address', '0.0.0.0_80', 'listener.cx'],
    ['listener.[__]_80.cx', 'listener_address', '[__]_80', 'listener.cx'],
    ['http.x.rbac.denied', 'authz_enforce_result', 'denied', 'http.x.rbac'],
    ['tcp.a.downstream_cx', 'tcp_prefix', 'a', 'tcp.downstream_cx'],
    ['component.proxy.tag.1.31;.istio_build', 'component', 'proxy', 'tag.1.31;.istio_build'],
  ];
  for (const [name, tag, value, rest] of table) {
    const match = new RegExp(stats_tags.find((t) => t.tag_name === tag)!.regex).exec(name);
    assert.ok(match, `${tag} in ${name}`);
    assert.equal(match[2], value, name);
    assert.equal(name.replace(match[1], ''), rest, name);
  }
});

test('runtime flags of the user replace and remove', () => {
  const { layered_runtime } = build({
    proxyConfig: { runtimeValues: { 're2.max_program_size.error_level': '', a: 'true', b: '7' } },
  });
  const layer = layered_runtime.layers[0].static_layer;
  assert.equal('re2.max_program_size.error_level' in layer, false);
  assert.deepEqual([layer.a, layer.b], [true, '7']);
});

const VARIANTS: [string, More][] = [
  ['a sidecar', {}],
  ['a sidecar with metrics as they are', { proxyConfig: { statsCompression: false } }],
  [
    'statistics at intervals of their own',
    {
      options: {
        podAnnotations: {
          'sidecar.istio.io/statsFlushInterval': '500ms',
          'sidecar.istio.io/statsEvictionInterval': '2m',
        },
      },
    },
  ],
  [
    'discovery in clear, state of the world',
    { env: { ISTIO_DELTA_XDS: 'false' }, proxyConfig: { discoveryAddress: '127.0.0.1:15010' } },
  ],
  ['roots from a file', { options: { discoveryRoots: './root.pem' } }],
  ['a router on IPv6', { env: { INSTANCE_IP: '::1' }, options: { role: 'router' } }],
  ['spans to Zipkin', { proxyConfig: { tracing: { zipkin: { address: 'zipkin.istio-system:9411' } } } }],
  [
    'spans to Datadog over TLS',
    {
      env: { HOST_IP: '127.0.0.1' },
      proxyConfig: { tracing: { datadog: { address: '$(HOST_IP):8126' }, tlsSettings: { mode: 'SIMPLE' } } },
      options: { systemRoots: '/etc/ssl/cert.pem' },
    },
  ],
  [
    'statistics and access logs to services',
    {
      proxyConfig: {
        statsdUdpAddress: '127.0.0.1:8125',
        envoyMetricsService: {
          address: 'metrics.obs:15000',
          tlsSettings: { mode: 'ISTIO_MUTUAL' },
          tcpKeepalive: { probes: 3, time: 10_000, interval: 10_000 },
        },
        envoyAccessLogService: {
          address: '127.0.0.1:15001',
          tlsSettings: { mode: 'MUTUAL', clientCertificate: '/c.pem', privateKey: '/k.pem', caCertificates: '/r.pem' },
        },
      },
    },
  ],
  [
    'a pod of both families',
    {
      options: {
        environment: {
          ...readEnvironment({ ISTIO_DUAL_STACK: 'true' }, 'sidecar'),
          instanceIps: ['10.0.0.1', 'fd00::1'],
        },
      },
    },
  ],
  ['a limit of connections', { proxyConfig: { connectionSettings: { globalDownstreamConnectionLimit: 7 } } }],
  ['ejections in a file', { options: { outlierLogPath: '/dev/null' } }],
];

for (const [name, more] of VARIANTS) {
  test(`our proxy takes the bootstrap: ${name}`, async (t) => {
    const file = path.join(scratch(t), 'bootstrap.json');
    fs.writeFileSync(file, JSON.stringify(build(more)));
    const { bootstrap } = loadBootstrap(file, undefined);
    const logging = new Logging({ format: 'envoy', stream: { write() {} } });
    const proxy = new ProxyServer({ bootstrap, logging, drainMs: 0, commandLine: {} });
    await proxy.validate();
    proxy.stop();
  });

  test(`Envoy takes the bootstrap: ${name}`, { skip: withoutReference }, (t) => {
    const file = path.join(scratch(t), 'bootstrap.json');
    const bootstrap = build({ ...more, options: { ...more.options, forEnvoy: true } });
    assert.ok(bootstrap.bootstrap_extensions);
    fs.writeFileSync(file, JSON.stringify(bootstrap));
    execFileSync(referenceProgram('envoy'), ['-c', file, '--mode', 'validate', '-l', 'error'], { stdio: 'pipe' });
  });
}
