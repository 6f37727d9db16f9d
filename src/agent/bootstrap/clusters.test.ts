import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyConfig } from '../environment/proxy-config.ts';
import { clusters } from './clusters.ts';

interface Validation {
  readonly default_validation_context: object;
  readonly validation_context_sds_secret_config: { readonly name: string };
}

interface Cluster {
  readonly name: string;
  readonly type: string;
  readonly dns_lookup_family?: string;
  readonly load_assignment: { endpoints: { lb_endpoints: { endpoint: { address: Record<string, object> } }[] }[] };
  readonly transport_socket?: {
    typed_config: { sni?: string; common_tls_context: { combined_validation_context: Validation } };
  };
}

function build(discovery: { host: string; serverName?: string }, discoveryRoots?: string): Map<string, Cluster> {
  const list = clusters({
    proxyConfig: { proxyAdminPort: 15000 } as ProxyConfig,
    statusPort: 15020,
    sdsSocket: './socket',
    discoveryRoots,
    discovery: { port: 15012, serverName: undefined, ...discovery },
    localhost: '127.64.0.3',
    lookupFamily: 'V4_ONLY',
  }) as Cluster[];
  return new Map(list.map((cluster) => [cluster.name, cluster]));
}

const addressOf = (cluster: Cluster | undefined) =>
  cluster?.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address;
const tcp = (address: string, port: number) => ({ socket_address: { protocol: 'TCP', address, port_value: port } });

test('what stands beside the proxy', () => {
  const all = build({ host: '10.0.0.1' });
  assert.deepEqual([...all.keys()], ['prometheus_stats', 'agent', 'sds-grpc', 'xds-grpc']);
  assert.deepEqual(addressOf(all.get('prometheus_stats')), tcp('127.64.0.3', 15000));
  assert.deepEqual(addressOf(all.get('agent')), tcp('127.64.0.3', 15020));
  assert.deepEqual(addressOf(all.get('sds-grpc')), { pipe: { path: './socket' } });
  assert.deepEqual(addressOf(all.get('xds-grpc')), tcp('10.0.0.1', 15012));
});

test('discovery is resolved by name, and not by address', () => {
  const named = build({ host: 'istiod.istio-system.svc' }).get('xds-grpc');
  assert.deepEqual([named?.type, named?.dns_lookup_family], ['STRICT_DNS', 'V4_ONLY']);
  const numbered = build({ host: '::1' }).get('xds-grpc');
  assert.deepEqual([numbered?.type, numbered?.dns_lookup_family], ['STATIC', undefined]);
});

test('discovery proves who it is, unless it is in clear', () => {
  const table: [string, string | undefined, object][] = [
    ['istiod.svc', 'istiod.svc', { san_type: 'DNS', matcher: { exact: 'istiod.svc' } }],
    ['10.0.0.1', undefined, { san_type: 'IP_ADDRESS', matcher: { exact: '10.0.0.1' } }],
  ];
  for (const [serverName, sni, matcher] of table) {
    const config = build({ host: 'istiod', serverName }).get('xds-grpc')?.transport_socket?.typed_config;
    assert.equal(config?.sni, sni);
    const validation = config?.common_tls_context.combined_validation_context;
    assert.deepEqual(validation?.default_validation_context, { match_typed_subject_alt_names: [matcher] });
  }
  assert.equal(build({ host: 'istiod' }).get('xds-grpc')?.transport_socket, undefined);
});

test('its roots are those of the mesh, or of a file', () => {
  const rootsOf = (file?: string) => {
    const { transport_socket: socket } = build({ host: 'istiod', serverName: 'istiod' }, file).get('xds-grpc')!;
    return socket?.typed_config.common_tls_context.combined_validation_context.validation_context_sds_secret_config
      .name;
  };
  assert.deepEqual([rootsOf(), rootsOf('/etc/root.pem')], ['ROOTCA', 'file-root:/etc/root.pem']);
});
