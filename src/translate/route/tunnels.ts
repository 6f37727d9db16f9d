import { create } from '@bufbuild/protobuf';
import { RouteSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { hostsMatch } from '../../registry/host.ts';
import { isTls } from '../../registry/protocol.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import type { EgressListener } from '../index/sidecar-scope.ts';
import { isMeant, type L4Match } from '../listener/outbound-chains.ts';
import { Memo } from '../memo.ts';
import { domainName, outboundCluster } from '../names.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { traceOperation } from './default-route.ts';
import { serviceDomains } from './domains.ts';
import { destinationCluster } from './http-route.ts';
import { RouteGroup } from './route-group.ts';
import { byName, type VirtualHostSpec, virtualHost } from './virtual-host.ts';

const withConnect = new Memo<readonly VirtualHostSpec[]>();

/** The hosts of the HTTP proxy port, which also tunnel (RFC 9110, section 9.3.6) to every port of every service. */
export function withTunnels(
  proxy: ProxyView,
  listener: EgressListener,
  hosts: readonly VirtualHostSpec[],
): readonly VirtualHostSpec[] {
  const { services, virtualServices } = listener;
  const { labels, node } = proxy;
  const bySource = virtualServices.some(({ tls, tcp }) =>
    [...tls, ...tcp].some(({ match }) => match.some((m) => m.sourceLabels !== undefined || m.sourceNamespace)),
  );
  const caller = bySource ? JSON.stringify([proxy.namespace, labels]) : '';
  const key = `${node.dnsDomain} ${proxy.ipMode} ${node.dnsAutoAllocate && node.dnsCapture} ${caller}`;
  return withConnect.get([hosts, services, virtualServices, proxy.scope.byHost, proxy.features], key, () => {
    const byHostName = new Map(hosts.map((host) => [host.name, host]));
    const taken = new Set(hosts.flatMap(({ domains }) => domains.map((domain) => domain.toLowerCase())));
    for (const service of services) {
      if (service.resolution === 'ALIAS') continue;
      for (const servicePort of service.ports) {
        const { port, protocol } = servicePort;
        if (protocol === 'UDP') continue;
        const name = domainName(service.hostname, port);
        const targets = targetsOf(proxy, listener, service, servicePort);
        const host = byHostName.get(name) ?? newHost(proxy, service, port, taken);
        if (host !== undefined)
          byHostName.set(name, { ...host, groups: [...host.groups, tunnelTo(service, port, targets)] });
      }
    }
    return [...byHostName.values()].sort(byName);
  });
}

function newHost(proxy: ProxyView, service: Service, port: number, taken: Set<string>): VirtualHostSpec | undefined {
  const { domains } = serviceDomains(service, proxy.addressesOf(service), port, proxy.node.dnsDomain);
  const free = domains.filter((domain) => domain.endsWith(`:${port}`) && !taken.has(domain.toLowerCase()));
  for (const domain of free) taken.add(domain.toLowerCase());
  return free.length === 0 ? undefined : virtualHost({ name: domainName(service.hostname, port), domains: free });
}

interface Target {
  readonly cluster: string;
  readonly weight: number;
}

/**
 * Where connections to a port of a service go: to what a TLS or TCP rule of a VirtualService says, as they would through a
 * listener of that port. The name that a program asks a tunnel for is the server name that it will ask for in it.
 */
function targetsOf(
  proxy: ProxyView,
  { virtualServices }: EgressListener,
  service: Service,
  port: ServicePort,
): Target[] {
  const { hostname } = service;
  for (const vs of virtualServices) {
    if (!vs.hosts.some((host) => hostsMatch(host, hostname))) continue;
    const isForAny = (match: L4Match) => isMeant(proxy, port.port, match) && !match.destinationSubnets?.length;
    const rule = isTls(port.protocol)
      ? vs.tls.find(({ match }) =>
          match.some((m) => isForAny(m) && m.sniHosts?.some((host) => hostsMatch(host, hostname))),
        )
      : vs.tcp.find(({ match }) => match.length === 0 || match.some(isForAny));
    const routes = (rule?.route ?? []).filter(({ weight }, _, all) => all.length === 1 || (weight ?? 0) > 0);
    if (routes.length === 0) continue;
    return routes.map(({ destination, weight = 0 }) => ({
      cluster: destinationCluster(destination, proxy.scope.byHost.get(destination.host), port.port),
      weight,
    }));
  }
  return [{ cluster: outboundCluster(port.port, '', hostname), weight: 0 }];
}

const tunnels = new Memo<RouteGroup>();

function tunnelTo(service: Service, port: number, targets: readonly Target[]): RouteGroup {
  const clusters = targets.map(({ cluster, weight }) => `${cluster}=${weight}`).join();
  return tunnels.get([service], `${port} ${clusters}`, () => {
    const route = create(RouteSchema, {
      name: 'connect',
      match: { pathSpecifier: { case: 'connectMatcher', value: {} } },
      decorator: { operation: traceOperation(service.hostname, port) },
      action: {
        case: 'route',
        value: {
          clusterSpecifier:
            targets.length === 1
              ? { case: 'cluster', value: targets[0]!.cluster }
              : {
                  case: 'weightedClusters',
                  value: { clusters: targets.map(({ cluster, weight }) => ({ name: cluster, weight })) },
                },
          timeout: duration(0),
          upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
        },
      },
    });
    return new RouteGroup([route], []);
  });
}
