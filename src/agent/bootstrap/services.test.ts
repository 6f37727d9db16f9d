import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { type ServicesOptions, services } from './services.ts';

interface Cluster {
  readonly name: string;
  readonly type: string;
  readonly dns_lookup_family?: string;
  readonly load_assignment: { endpoints: { lb_endpoints: { endpoint: { address: object } }[] }[] };
  readonly transport_socket?: { typed_config: { sni?: string; common_tls_context: Record<string, unknown> } };
  readonly upstream_connection_options?: object;
  readonly typed_extension_protocol_options?: object;
}

interface Fields {
  readonly tracing?: { http: { name: string; typed_config: Record<string, unknown> } };
  readonly stats_sinks?: { name: string; typed_config: Record<string, unknown> }[];
}

function build(proxyConfig: Partial<ProxyConfig>, more: Partial<ServicesOptions> = {}) {
  const built = services({
    proxyConfig: proxyConfig as ProxyConfig,
    hostIp: undefined,
    lookupFamily: 'V4_ONLY',
    serviceName: 'web.shop',
    systemRoots: undefined,
    ...more,
  });
  const clusters = built.clusters as readonly Cluster[];
  return { ...(built.fields as Fields), clusters, names: clusters.map(({ name }) => name) };
}

const addressOf = (cluster: Cluster) => cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address;
const tcp = (address: string, port: number) => ({ socket_address: { protocol: 'TCP', address, port_value: port } });

test('nobody is told of anything unless the configuration says so', () => {
  assert.deepEqual(build({}), { clusters: [], names: [] });
  assert.deepEqual(build({ tracing: {}, envoyMetricsService: {}, zipkinAddress: '' }).names, []);
});

test('spans go to Zipkin, by either way to say so', () => {
  const { clusters, tracing } = build({ tracing: { zipkin: { address: 'zipkin.obs:9411' } } });
  const [cluster] = clusters;
  assert.deepEqual([cluster.name, cluster.type, cluster.dns_lookup_family], ['zipkin', 'STRICT_DNS', 'V4_ONLY']);
  assert.deepEqual(addressOf(cluster), tcp('zipkin.obs', 9411));
  assert.equal(tracing?.http.name, 'envoy.tracers.zipkin');
  assert.equal(tracing?.http.typed_config.trace_id_128bit, true);
  assert.deepEqual(build({ zipkinAddress: '10.0.0.1:9411' }).names, ['zipkin']);
  assert.equal(build({ zipkinAddress: '10.0.0.1:9411' }).clusters[0].type, 'STATIC');
});

test('spans go to the Datadog agent of the machine, with the name of the workload', () => {
  const config = { tracing: { datadog: { address: '$(HOST_IP):8126' } }, zipkinAddress: 'old:1' };
  const { clusters, tracing } = build(config, { hostIp: 'fd00::1' });
  assert.deepEqual(addressOf(clusters[0]), tcp('fd00::1', 8126));
  assert.equal(tracing?.http.typed_config.service_name, 'web.shop');
  assert.throws(() => build(config), /^UserError: tracing\.datadog\.address is .*HOST_IP is not set/);
});

test('statistics go to a metrics service and to statsd', () => {
  const { names, stats_sinks, clusters } = build({
    statsdUdpAddress: '10.0.0.9:8125',
    envoyMetricsService: { address: 'm.obs:15000', tcpKeepalive: { probes: 3, time: 10_500, interval: 0 } },
  });
  assert.deepEqual(names, ['envoy_metrics_service']);
  assert.deepEqual(
    stats_sinks?.map(({ name }) => name),
    ['envoy.stat_sinks.metrics_service', 'envoy.stat_sinks.statsd'],
  );
  assert.deepEqual(clusters[0].upstream_connection_options, {
    tcp_keepalive: { keepalive_probes: 3, keepalive_time: 10 },
  });
  assert.ok(clusters[0].typed_extension_protocol_options, 'HTTP/2');
  assert.deepEqual(build({ envoyMetricsServiceAddress: 'm.obs:15000' }).names, ['envoy_metrics_service']);
  assert.throws(() => build({ statsdUdpAddress: 'statsd.obs:8125' }), /must be an IP address with a port/);
});

test('TLS by the mode of its settings', () => {
  const of = (tlsSettings: NonNullable<ProxyConfig['tracing']>['tlsSettings'], systemRoots?: string) =>
    build({ envoyAccessLogService: { address: 'a.obs:1', tlsSettings } as never }, { systemRoots }).clusters[0];
  const seen = (cluster: Cluster) => {
    const names = [...JSON.stringify(cluster.transport_socket).matchAll(/"name":"((?:file-|default|ROOTCA)[^"]*)"/g)];
    return [cluster.transport_socket?.typed_config.sni, ...names.map(([, name]) => name)];
  };
  assert.equal(of({ mode: 'DISABLE' }).transport_socket, undefined);
  assert.deepEqual(seen(of({ mode: 'SIMPLE', sni: 's' }, '/sys.pem')), ['s', 'file-root:/sys.pem']);
  assert.deepEqual(seen(of({ mode: 'SIMPLE', caCertificates: '/r' }, '/sys.pem')), [undefined, 'file-root:/r']);
  assert.deepEqual(seen(of({ mode: 'SIMPLE', insecureSkipVerify: true })), [undefined]);
  assert.deepEqual(seen(of({ mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k', caCertificates: '/r' })), [
    undefined,
    'file-cert:/c~/k',
    'file-root:/r',
  ]);
  assert.deepEqual(seen(of({ mode: 'ISTIO_MUTUAL' })), ['envoy_accesslog_service', 'default', 'ROOTCA']);
  const named = of({ mode: 'SIMPLE', caCertificates: '/r', subjectAltNames: ['a.obs', 'spiffe://a/b'] });
  assert.match(JSON.stringify(named), /"san_type":"DNS","matcher":\{"exact":"a\.obs"\}.*"san_type":"URI"/);
});
