import type { Certificates, Hop } from './scenario.ts';

const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const UNLIMITED = 100_000;

/** The bootstrap that both Envoy and our proxy run. */
export function envoyBootstrap(hop: Hop, { cert, key, root }: Certificates): string {
  const certificate = { certificate_chain: { filename: cert }, private_key: { filename: key } };
  const common = {
    tls_certificates: [certificate],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
  };
  const trust = { validation_context: { trusted_ca: { filename: root } } };
  const socket = (type: string, fields: object) => ({
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: { '@type': `${TLS}.${type}`, ...fields } },
  });
  const downstream =
    hop.downstream === 'http1-tls'
      ? socket('DownstreamTlsContext', {
          common_tls_context: { ...common, ...(hop.requireClient ? trust : {}) },
          require_client_certificate: hop.requireClient,
        })
      : {};
  const upstream = hop.originate
    ? socket('UpstreamTlsContext', { common_tls_context: { ...common, ...trust }, sni: 'localhost' })
    : {};
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(hop.listen),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    '@type': HCM,
                    stat_prefix: 'front',
                    codec_type: hop.downstream === 'http2' ? 'HTTP2' : 'HTTP1',
                    route_config: {
                      name: 'all',
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/' }, route: { cluster: 'behind' } }],
                        },
                      ],
                    },
                    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
                  },
                },
              ],
              ...downstream,
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'behind',
          type: 'STATIC',
          connect_timeout: '5s',
          circuit_breakers: {
            thresholds: [{ max_connections: UNLIMITED, max_requests: UNLIMITED, max_pending_requests: UNLIMITED }],
          },
          load_assignment: {
            cluster_name: 'behind',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(hop.upstream) } }] }],
          },
          ...upstream,
        },
      ],
    },
  });
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
