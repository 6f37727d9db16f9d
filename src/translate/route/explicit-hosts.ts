import { create } from '@bufbuild/protobuf';
import { RouteSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { isHttpOrSniffed } from '../../registry/protocol.ts';
import type { Service } from '../../registry/service.ts';
import type { EgressListener } from '../index/sidecar-scope.ts';
import { Memo } from '../memo.ts';
import { domainName, outboundCluster } from '../names.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { traceOperation } from './default-route.ts';
import { serviceDomains } from './domains.ts';
import { RouteGroup } from './route-group.ts';
import { byName, type VirtualHostSpec, virtualHost } from './virtual-host.ts';

/** What clients that have only an address of their sidecar's put into the host header. */
const LOOPBACK_DOMAINS = ['localhost', '127.*'];

const withLoopback = new Memo<readonly VirtualHostSpec[]>();

/**
 * Where programs address their sidecar itself (explicit capture), a request on a port may name only that address. It is
 * for the one service that can be meant: the only one of the program's namespace on that port, else the only one at all.
 */
export function withLoopbackDomains(
  { node }: ProxyView,
  { services }: EgressListener,
  hosts: readonly VirtualHostSpec[],
  port: number,
): readonly VirtualHostSpec[] {
  return withLoopback.get([hosts, services], `${port} ${node.namespace}`, () => {
    const here = services.filter(({ ports }) => ports.some((p) => p.port === port && isHttpOrSniffed(p.protocol)));
    const own = here.filter(({ namespace }) => namespace === node.namespace);
    const candidates = own.length > 0 ? own : here;
    if (candidates.length !== 1) return hosts;
    const name = domainName(candidates[0]!.hostname, port);
    const taken = new Set(hosts.flatMap(({ domains }) => domains));
    const free = LOOPBACK_DOMAINS.filter((domain) => !taken.has(domain));
    return hosts.map((host) => (host.name === name ? { ...host, domains: [...host.domains, ...free] } : host));
  });
}

const withPort = new Memo<readonly VirtualHostSpec[]>();

/** The hosts of several ports in one table, where the host header tells them apart. A name without a port means port 80. */
export function withDomainsOfPorts(
  byPort: ReadonlyMap<number, readonly VirtualHostSpec[]>,
): readonly VirtualHostSpec[] {
  return withPort.get([...byPort.values()], [...byPort.keys()].join(), () =>
    [...byPort]
      .flatMap(([port, hosts]) =>
        hosts.map((host) => {
          const named = host.domains.map((domain) => `${domain}:${port}`);
          return { ...host, domains: port === 80 ? [...host.domains, ...named] : named };
        }),
      )
      .sort(byName),
  );
}

const withConnect = new Memo<readonly VirtualHostSpec[]>();

/** The hosts of the HTTP proxy port, which also tunnel (RFC 9110, section 9.3.6) to every port of every service. */
export function withTunnels(
  proxy: ProxyView,
  { services }: EgressListener,
  hosts: readonly VirtualHostSpec[],
): readonly VirtualHostSpec[] {
  const { dnsDomain, dnsAutoAllocate, dnsCapture } = proxy.node;
  const key = `${dnsDomain} ${proxy.ipMode} ${dnsAutoAllocate && dnsCapture}`;
  return withConnect.get([hosts, services, proxy.features], key, () => {
    const byHostName = new Map(hosts.map((host) => [host.name, host]));
    const taken = new Set(hosts.flatMap(({ domains }) => domains.map((domain) => domain.toLowerCase())));
    for (const service of services) {
      if (service.resolution === 'ALIAS') continue;
      for (const { port, protocol } of service.ports) {
        if (protocol === 'UDP') continue;
        const name = domainName(service.hostname, port);
        const host = byHostName.get(name) ?? newHost(proxy, service, port, taken);
        if (host !== undefined) byHostName.set(name, { ...host, groups: [...host.groups, tunnelTo(service, port)] });
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

const tunnels = new Memo<RouteGroup>();

function tunnelTo(service: Service, port: number): RouteGroup {
  return tunnels.get([service], String(port), () => {
    const route = create(RouteSchema, {
      name: 'connect',
      match: { pathSpecifier: { case: 'connectMatcher', value: {} } },
      decorator: { operation: traceOperation(service.hostname, port) },
      action: {
        case: 'route',
        value: {
          clusterSpecifier: { case: 'cluster', value: outboundCluster(port, '', service.hostname) },
          timeout: duration(0),
          upgradeConfigs: [{ upgradeType: 'CONNECT', connectConfig: {} }],
        },
      },
    });
    return new RouteGroup([route], []);
  });
}
