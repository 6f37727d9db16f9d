import { create } from '@bufbuild/protobuf';
import type { Metadata } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { DownstreamTlsContext } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { afterTlsTermination, isHttp2, type ListenerProtocol, listenerProtocol } from '../../registry/protocol.ts';
import { statName } from '../cluster/stat-name.ts';
import { extensionFiltersBeforeHttp } from '../extension/traffic-extensions.ts';
import { httpConnectionManagerFilter } from '../http/connection-manager.ts';
import type { MutualTlsMode } from '../index/peer-authentication.ts';
import { configMetadata } from '../metadata.ts';
import {
  INBOUND_PASSTHROUGH_CLUSTER,
  listenerName,
  VIRTUAL_INBOUND,
  VIRTUAL_INBOUND_CATCH_ALL_HTTP,
} from '../names.ts';
import { exchangeFilters, networkFilters } from '../network/filters.ts';
import { protocolFilters } from '../network/protocol-filters.ts';
import { tcpProxyFilter } from '../network/tcp-proxy.ts';
import type { ProxyView } from '../proxy-view.ts';
import { inboundRouteTable } from '../route/inbound-table.ts';
import { downstreamSocket, mutualTlsContext, serverTlsContext } from '../tls/downstream.ts';
import {
  MESH_HTTP_PROTOCOLS,
  MESH_PROTOCOLS,
  MESH_TCP_PROTOCOLS,
  PLAIN_TRANSPORT,
  plainHttpProtocols,
  TLS_TRANSPORT,
} from './filter-chain.ts';
import type { InboundPort } from './inbound-ports.ts';

/** One way in which a client may come. */
interface Way {
  readonly transport: typeof TLS_TRANSPORT | typeof PLAIN_TRANSPORT;
  readonly alpn: readonly string[];
  readonly carries: 'http' | 'tcp';
  /** Whether TLS is taken off here, or goes on to the program. */
  readonly terminates: boolean;
}

/** The filter chains of one port: for each way in which clients may come, by what is known of the port and by who may come. */
export function inboundChains(proxy: ProxyView, port: InboundPort, mode: MutualTlsMode): FilterChain[] {
  // TLS of the program's own would be hidden inside the mesh's.
  const ownTls = mode === 'DISABLE' ? port.tls : undefined;
  const protocol = ownTls === undefined ? port.port.protocol : afterTlsTermination(port.port.protocol);
  const kind = listenerProtocol(protocol) ?? 'tcp';
  const ways = ownTls === undefined ? waysOf(proxy, kind, mode) : [terminated(kind)];
  const context = (carries: Way['carries']): DownstreamTlsContext =>
    ownTls === undefined ? mutualTlsContext(proxy, carries === 'http') : serverTlsContext(proxy, ownTls, true);
  const filters = { http: once(() => httpFilters(proxy, port)), tcp: once(() => tcpFilters(proxy, port)) };
  const sockets = {
    http: once(() => downstreamSocket(context('http'))),
    tcp: once(() => downstreamSocket(context('tcp'))),
  };
  return ways.map(({ alpn, carries, terminates, transport }) =>
    create(FilterChainSchema, {
      name: chainName(port, carries),
      filterChainMatch: {
        ...(port.targetPort > 0 ? { destinationPort: port.targetPort } : {}),
        applicationProtocols: [...alpn],
        transportProtocol: transport,
      },
      filters: [...filters[carries]()],
      ...(terminates ? { transportSocket: sockets[carries]() } : {}),
      ...(port.sidecar === undefined ? {} : { metadata: configMetadata(port.sidecar) as Metadata }),
    }),
  );
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function terminated(kind: ListenerProtocol): Way {
  return { transport: TLS_TRANSPORT, alpn: [], carries: kind === 'http' ? 'http' : 'tcp', terminates: true };
}

function waysOf(proxy: ProxyView, kind: ListenerProtocol, mode: MutualTlsMode): Way[] {
  const tls = (carries: Way['carries'], alpn: readonly string[], terminates = true): Way => ({
    transport: TLS_TRANSPORT,
    alpn,
    carries,
    terminates,
  });
  const plain = (carries: Way['carries'], alpn: readonly string[] = []): Way => ({
    transport: PLAIN_TRANSPORT,
    alpn,
    carries,
    terminates: false,
  });
  if (kind === 'auto') {
    const detected = plain('http', plainHttpProtocols(proxy));
    if (mode === 'STRICT') return [tls('http', MESH_HTTP_PROTOCOLS), tls('tcp', [])];
    if (mode === 'DISABLE') return [detected, plain('tcp')];
    return [
      tls('http', MESH_HTTP_PROTOCOLS),
      detected,
      tls('tcp', MESH_TCP_PROTOCOLS),
      plain('tcp'),
      tls('tcp', [], false),
    ];
  }
  if (mode === 'STRICT') return [tls(kind, [])];
  if (mode === 'DISABLE') return [plain(kind)];
  const ofProgram = kind === 'http' ? [] : [tls(kind, [], false)];
  return [tls(kind, MESH_PROTOCOLS), ...ofProgram, plain(kind)];
}

function chainName({ binding, cluster, targetPort }: InboundPort, carries: Way['carries']): string {
  if (cluster !== INBOUND_PASSTHROUGH_CLUSTER) return listenerName(binding.addresses[0]!, targetPort);
  return carries === 'http' ? VIRTUAL_INBOUND_CATCH_ALL_HTTP : VIRTUAL_INBOUND;
}

function httpFilters(proxy: ProxyView, port: InboundPort): Filter[] {
  const listener = { listenerClass: 'inbound', port: port.targetPort } as const;
  return [
    ...exchangeFilters(proxy),
    ...extensionFiltersBeforeHttp(proxy, listener),
    httpConnectionManagerFilter(proxy, {
      ...listener,
      statPrefix: port.statPrefix,
      routes: inboundRouteTable(proxy, port),
      grpcWeb: port.port.protocol === 'GRPC-Web',
      http2: isHttp2(port.port.protocol),
      forwardProxy: false,
    }),
  ];
}

function tcpFilters(proxy: ProxyView, { cluster, hostname, port, service, targetPort }: InboundPort): Filter[] {
  const pattern = proxy.mesh.inboundClusterStatName;
  const statPrefix = pattern
    ? statName(pattern, { hostname, subset: '', port, targetPort: undefined, service })
    : cluster;
  const terminal = tcpProxyFilter(proxy, { listenerClass: 'inbound', statPrefix, cluster });
  const ends = protocolFilters(proxy, port.protocol, terminal, statPrefix, cluster);
  return networkFilters(proxy, { listenerClass: 'inbound', port: targetPort }, ends, true);
}
