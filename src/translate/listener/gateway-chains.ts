import type { Filter } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { hostSubsetOf, hostsForNamespace, hostsMatch } from '../../registry/host.ts';
import { isHttp, parseProtocol } from '../../registry/protocol.ts';
import type { ServicePort } from '../../registry/service.ts';
import { extensionFiltersBeforeHttp } from '../extension/traffic-extensions.ts';
import { httpConnectionManagerFilter } from '../http/connection-manager.ts';
import {
  claimHosts,
  type GatewayPort,
  type GatewayServer,
  isPassthrough,
  terminatesHttps,
} from '../index/gateway-merge.ts';
import type { VirtualService } from '../index/virtual-service.ts';
import { delimited, listenerName, sniCluster } from '../names.ts';
import { outboundStatPrefix, ruleFilters } from '../network/destination-filters.ts';
import { tcpStatsFilters } from '../network/filters.ts';
import { tcpProxyFilter } from '../network/tcp-proxy.ts';
import type { ProxyView } from '../proxy-view.ts';
import { serverTlsContext } from '../tls/downstream.ts';
import { type ChainSpec, chain, MESH_PROTOCOLS } from './filter-chain.ts';

/** Server names that chains of a port lead somewhere already, with the address of the listener: Envoy takes none twice. */
export type ClaimedNames = Map<string, string>;

/** The filter chains of one port of a gateway: one for all of its plain HTTP, or those of each server. */
export function gatewayChains(proxy: ProxyView, port: GatewayPort, bind: string, claimed: ClaimedNames): ChainSpec[] {
  const statPrefix = delimited(`outbound_${listenerName(bind, port.port)}`);
  if (isHttp(port.protocol)) {
    const filters = () => httpFilters(proxy, port.port, port.routeName ?? '', statPrefix, port.protocol === 'GRPC-Web');
    return [chain({ sources: port.servers.map(originOf), filters })];
  }
  return port.servers.flatMap((entry) => {
    const { server, routeName = '' } = entry;
    if (terminatesHttps(server)) {
      return [
        chain({
          sniHosts: entry.sniHosts,
          tls: serverTlsContext(proxy, server.tls!, false),
          sources: [originOf(entry)],
          filters: () => httpFilters(proxy, port.port, routeName, server.name || statPrefix, false),
        }),
      ];
    }
    if (server.tls === undefined || !isPassthrough(server)) return forwarded(proxy, entry);
    if (server.tls.mode === 'AUTO_PASSTHROUGH') return toMutualTlsClusters(proxy, entry);
    return byServerName(proxy, entry, claimed);
  });
}

function originOf({ gateway, index }: GatewayServer) {
  return { object: gateway, path: ['spec', 'servers', index] };
}

function httpFilters(proxy: ProxyView, port: number, routes: string, statPrefix: string, grpcWeb: boolean): Filter[] {
  const listener = { listenerClass: 'gateway', port } as const;
  const manager = httpConnectionManagerFilter(proxy, {
    ...listener,
    statPrefix,
    routes,
    grpcWeb,
    http2: false,
    forwardProxy: false,
  });
  return [...extensionFiltersBeforeHttp(proxy, listener), manager];
}

/** VirtualServices that are bound to a server's Gateway for some of its hosts. */
function boundTo({ indexes, namespace }: ProxyView, { gatewayName, server }: GatewayServer): VirtualService[] {
  return indexes.virtualServices.forGateway(namespace, gatewayName).filter((vs) => {
    const hosts = hostsForNamespace(server.hosts, vs.namespace);
    return vs.hosts.some((own) => hosts.some((host) => hostsMatch(host, own)));
  });
}

interface L4Match {
  readonly port?: number | undefined;
  readonly gateways?: readonly string[] | undefined;
}

function isMeant(match: L4Match, { gatewayName, server }: GatewayServer): boolean {
  return (
    (!match.port || match.port === server.port.number) &&
    (!match.gateways?.length || match.gateways.includes(gatewayName))
  );
}

function portOf({ server }: GatewayServer): ServicePort {
  const { name = '', number = 0, protocol } = server.port;
  return { port: number, name, protocol: parseProtocol(protocol) };
}

/** Opaque TCP, whether TLS is taken off it or not: the first rule that is met takes all of it. */
function forwarded(proxy: ProxyView, entry: GatewayServer): ChainSpec[] {
  const { tls } = entry.server;
  for (const vs of boundTo(proxy, entry)) {
    for (const rule of vs.tcp) {
      const met = rule.match.length === 0 || rule.match.some((match) => isMeant(match, entry));
      if (!met || rule.route.length === 0) continue;
      return [
        chain({
          sniHosts: tls === undefined ? [] : entry.sniHosts,
          tls: tls && serverTlsContext(proxy, tls, true),
          sources: [rule.origin, originOf(entry)],
          filters: () => ruleFilters(proxy, rule.route, portOf(entry), vs, tls?.mode === 'ISTIO_MUTUAL'),
        }),
      ];
    }
  }
  return [];
}

/** TLS that goes through as it is, by the name that the client asks for. */
function byServerName(proxy: ProxyView, entry: GatewayServer, claimed: ClaimedNames): ChainSpec[] {
  const chains: ChainSpec[] = [];
  for (const vs of boundTo(proxy, entry)) {
    for (const rule of vs.tls) {
      if (rule.route.length === 0) continue;
      for (const match of rule.match) {
        if (!isMeant(match, entry)) continue;
        const sniHosts = match.sniHosts ?? [];
        if (!claimHosts(claimed, sniHosts, entry.server.bind ?? '')) continue;
        chains.push(
          chain({
            sniHosts,
            sources: [rule.origin, originOf(entry)],
            filters: () => ruleFilters(proxy, rule.route, portOf(entry), vs, false),
          }),
        );
      }
    }
  }
  return chains;
}

/**
 * Mutual TLS of the mesh that goes through to the cluster that the client names as server name. Only what says that it is
 * of the mesh does: the workload that it comes to checks who it is, so nobody else may come that far.
 */
function toMutualTlsClusters(proxy: ProxyView, entry: GatewayServer): ChainSpec[] {
  const chains: ChainSpec[] = [];
  for (const service of proxy.scope.services) {
    const { hostname } = service;
    if (service.meshExternal || !entry.sniHosts.some((host) => hostSubsetOf(hostname, host))) continue;
    const rule = proxy.destinationRule(service);
    const subsets = ['', ...(rule?.spec.subsets ?? []).map(({ name }) => name)];
    for (const port of service.ports) {
      if (port.protocol === 'UDP') continue;
      for (const subset of subsets) {
        const cluster = sniCluster(port.port, subset, hostname);
        const statPrefix = outboundStatPrefix(proxy, service, hostname, subset, port) ?? cluster;
        chains.push(
          chain({
            sniHosts: [cluster],
            applicationProtocols: MESH_PROTOCOLS,
            sources: [originOf(entry), service.source],
            filters: () => [
              ...tcpStatsFilters(proxy, 'gateway'),
              tcpProxyFilter(proxy, { listenerClass: 'gateway', statPrefix, cluster, rule, subset }),
            ],
          }),
        );
      }
    }
  }
  return chains;
}
