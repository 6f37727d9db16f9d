import { hostsMatch } from '../../registry/host.ts';
import { selects } from '../../registry/labels.ts';
import { isTls } from '../../registry/protocol.ts';
import { type Service, type ServicePort, UNSPECIFIED } from '../../registry/service.ts';
import { MESH_GATEWAY, type VirtualService } from '../index/virtual-service.ts';
import { configMetadata } from '../metadata.ts';
import { ruleFilters, serviceFilters } from '../network/destination-filters.ts';
import type { ProxyView } from '../proxy-view.ts';
import { serviceDomains } from '../route/domains.ts';
import { type ChainSpec, chain } from './filter-chain.ts';

export interface OutboundChains {
  readonly service: Service;
  readonly port: ServicePort;
  /** Address of the listener. */
  readonly bind: string;
  /** Prefixes of the service, where the listener stands on all addresses. */
  readonly destinations: readonly string[];
  readonly virtualServices: readonly VirtualService[];
}

/** The filter chains through which connections to a service that carry no HTTP go. */
export function tcpChains(proxy: ProxyView, request: OutboundChains): ChainSpec[] {
  const { service } = request;
  const own = request.virtualServices.filter((vs) => vs.hosts.some((host) => hostsMatch(host, service.hostname)));
  return isTls(request.port.protocol) ? byServerName(proxy, request, own) : byAddress(proxy, request, own);
}

export interface L4Match {
  readonly gateways?: readonly string[] | undefined;
  readonly sourceLabels?: Readonly<Record<string, string>> | undefined;
  readonly sourceNamespace?: string | undefined;
  readonly port?: number | undefined;
  readonly destinationSubnets?: readonly string[] | undefined;
}

/** Whether a condition can hold for connections to a port through this proxy. */
export function isMeant({ labels, namespace }: ProxyView, port: number, match: L4Match): boolean {
  return (
    (!match.gateways?.length || match.gateways.includes(MESH_GATEWAY)) &&
    selects(match.sourceLabels, labels) &&
    (!match.port || match.port === port) &&
    (!match.sourceNamespace || match.sourceNamespace === namespace)
  );
}

function byServerName(proxy: ProxyView, request: OutboundChains, own: readonly VirtualService[]): ChainSpec[] {
  const { service, port } = request;
  const chains: ChainSpec[] = [];
  const handled = new Set<string>();
  let { destinations } = request;
  for (const vs of own) {
    for (const rule of vs.tls) {
      for (const match of rule.match) {
        if (!isMeant(proxy, port.port, match)) continue;
        const { sniHosts = [], destinationSubnets = [] } = match;
        // A Unix socket has no addresses.
        if (destinationSubnets.length > 0 && port.port > 0) destinations = destinationSubnets;
        const key = `${sniHosts.join()}|${destinationSubnets.join()}`;
        if (handled.has(key)) continue;
        handled.add(key);
        chains.push(
          chain({
            metadata: configMetadata(vs.source),
            sniHosts,
            destinations,
            sources: [rule.origin, service.source],
            filters: () => ruleFilters(proxy, rule.route, port, vs, false),
          }),
        );
      }
    }
  }
  if (chains.length > 0) return chains;
  return [
    chain({
      sniHosts: namesOf(proxy, request),
      destinations: request.destinations,
      sources: [service.source],
      filters: () => serviceFilters(proxy, service, port),
    }),
  ];
}

/** Where services share a listener, their names tell connections apart; with an address of its own, a service needs none. */
function namesOf(proxy: ProxyView, { bind, destinations, service }: OutboundChains): string[] {
  const [wildcard] = proxy.wildcards;
  const [address = UNSPECIFIED] = proxy.addressesOf(service);
  const everywhere = address === UNSPECIFIED ? wildcard : address;
  const named = service.resolution === 'DYNAMIC_DNS';
  const shared =
    named || destinations.length > 0 || address.includes('/') || (everywhere === wildcard && bind === wildcard);
  if (!shared) return [];
  const names = [service.hostname];
  for (const { hostname } of service.aliases) {
    const alias = { ...service, hostname, aliases: [], resolution: 'STATIC' as const };
    names.push(...serviceDomains(alias, [], undefined, proxy.node.dnsDomain).domains);
  }
  return names;
}

function byAddress(proxy: ProxyView, request: OutboundChains, own: readonly VirtualService[]): ChainSpec[] {
  const { destinations, port, service } = request;
  const chains: ChainSpec[] = [];
  let covered = false;
  for (const vs of own) {
    for (const rule of vs.tcp) {
      const sources = [rule.origin, service.source];
      const filters = () => ruleFilters(proxy, rule.route, port, vs, false);
      const met = rule.match.filter((match) => isMeant(proxy, port.port, match));
      // The first rule for any address is the last one that is ever reached.
      const anyAddress = met.some((match) => !match.destinationSubnets?.length || port.port === 0);
      if (rule.match.length === 0 || anyAddress) {
        chains.push(chain({ metadata: configMetadata(vs.source), destinations, sources, filters }));
        return chains;
      }
      const subnets = met.flatMap((match) => match.destinationSubnets ?? []);
      if (subnets.length === 0) continue;
      chains.push(chain({ destinations: subnets, sources, filters }));
      if ([...subnets].sort().join() === [...destinations].sort().join()) covered = true;
    }
  }
  if (covered) return chains;
  const filters = () => serviceFilters(proxy, service, port);
  return [...chains, chain({ destinations, sources: [service.source], filters })];
}
