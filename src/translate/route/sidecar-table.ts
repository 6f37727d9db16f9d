import { create } from '@bufbuild/protobuf';
import { RouteSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { HostMap, hostsMatch, isWildcard } from '../../registry/host.ts';
import { isHttpOrSniffed, parseProtocol } from '../../registry/protocol.ts';
import type { Service } from '../../registry/service.ts';
import { withPorts } from '../index/service-variants.ts';
import type { EgressListener } from '../index/sidecar-scope.ts';
import { MESH_GATEWAY, type VirtualService } from '../index/virtual-service.ts';
import { Memo } from '../memo.ts';
import {
  ALLOW_ANY_DYNAMIC_DNS_CLUSTER,
  bracketed,
  domainName,
  HTTP_PROXY_ROUTE,
  outboundCluster,
  PASSTHROUGH_CLUSTER,
} from '../names.ts';
import { duration } from '../proto/values.ts';
import { proxyHeaders } from '../proxy-headers.ts';
import { type ProxyView, rulesByWorkload } from '../proxy-view.ts';
import { defaultOutboundRoute, traceOperation } from './default-route.ts';
import { serviceDomains } from './domains.ts';
import { withDomainsOfPorts, withLoopbackDomains } from './explicit-hosts.ts';
import { hashOfService } from './hash-policy.ts';
import { destinationCluster, type RouteContext } from './http-route.ts';
import { matchAll } from './match.ts';
import { RouteGroup } from './route-group.ts';
import { emptyTable, type RouteTable } from './route-table.ts';
import { statefulSession } from './stateful-session.ts';
import { withTunnels } from './tunnels.ts';
import { byName, type VirtualHostSpec, virtualHost } from './virtual-host.ts';
import { callerKey, virtualServiceRoutes } from './virtual-service-routes.ts';

/** Names of the virtual host and route for hosts that are not known. */
const ALLOW_ANY = 'allow_any';
export const ALLOW_ANY_DYNAMIC_DNS = 'allow_any_dynamic_dns';
const BLOCK_ALL = 'block_all';

/** A route table's name taken apart. */
interface TableName {
  /** 0 for tables of HTTP proxies and Unix sockets. */
  readonly port: number;
  /** For the listener of one service whose protocol is detected: its address or name, and only its virtual host. */
  readonly host: string | undefined;
}

function parseTableName(name: string): TableName | undefined {
  if (name === HTTP_PROXY_ROUTE || name.startsWith('unix://')) return { port: 0, host: undefined };
  const colon = name.indexOf(':') === -1 ? -1 : name.lastIndexOf(':');
  const port = name.slice(colon + 1);
  if (!/^\d+$/.test(port)) return undefined;
  return { port: Number(port), host: colon === -1 ? undefined : name.slice(0, colon) };
}

/** The route table of that name of a sidecar. Empty if it has no listener that would ask for it. */
export function sidecarRouteTable(proxy: ProxyView, name: string): RouteTable {
  const parsed = parseTableName(name);
  const listener = parsed && egressListenerFor(proxy, parsed.port, name);
  if (parsed === undefined) return emptyTable(name);
  if (listener === undefined) return name === HTTP_PROXY_ROUTE ? unknownOnly(proxy, name) : emptyTable(name);
  const { explicitCapture } = proxy.node;
  const matchesPort = explicitCapture && (name === HTTP_PROXY_ROUTE || isHttpProxy(listener));
  const known = matchesPort
    ? everyPort(proxy, listener)
    : portHosts(proxy, listener, isHttpProxy(listener) ? 0 : parsed.port);
  const hosts = explicitCapture ? explicitHosts(proxy, listener, known, matchesPort ? 0 : parsed.port) : known;
  if (parsed.host === undefined) {
    const rest = unknownHosts(proxy);
    return tables.get([hosts, rest], `${name} ${matchesPort}`, () => ({
      name,
      hosts: [...hosts, rest],
      known: true,
      matchesPort,
    }));
  }
  const host = unbracketed(parsed.host);
  return tables.get([hosts], name, () => {
    const own = hosts.filter(({ domains }) => domains.includes(name) || domains.includes(host));
    const named = own.length === 1 ? [{ ...own[0]!, domains: ['*'] }] : own;
    return { name, hosts: named, known: true, matchesPort: false };
  });
}

/** The HTTP proxy's table for a Sidecar whose listeners all have a port of their own. */
/** A table of a name for nothing but hosts that the mesh does not know. */
export function unknownOnly(proxy: ProxyView, name: string): RouteTable {
  const rest = unknownHosts(proxy);
  return tables.get([rest], name, () => ({ name, hosts: [rest], known: true, matchesPort: false }));
}

/** Of port 0: the hosts of an HTTP proxy. */
function explicitHosts(
  proxy: ProxyView,
  listener: EgressListener,
  hosts: readonly VirtualHostSpec[],
  port: number,
): readonly VirtualHostSpec[] {
  return port === 0 ? withTunnels(proxy, listener, hosts) : withLoopbackDomains(proxy, listener, hosts, port);
}

/** The hosts of every port that the sidecar would have a listener for if all went there by itself. */
function everyPort(proxy: ProxyView, listener: EgressListener): readonly VirtualHostSpec[] {
  const ports = new Set([80]);
  for (const service of listener.services) {
    for (const { port, protocol } of service.ports) if (isHttpOrSniffed(protocol)) ports.add(port);
  }
  const byPort = new Map([...ports].sort((a, b) => a - b).map((port) => [port, portHosts(proxy, listener, port)]));
  return withDomainsOfPorts(byPort);
}

const tables = new Memo<RouteTable>();

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

function isHttpProxy({ spec }: EgressListener): boolean {
  return parseProtocol(spec?.port?.protocol) === 'HTTP_PROXY';
}

/** The Sidecar's listener for a port, or for a socket by its path; else the one for everything, which is the last. */
function egressListenerFor(proxy: ProxyView, port: number, name: string): EgressListener | undefined {
  return proxy.scope.egress.find(({ spec }) => {
    if (spec?.port === undefined) return true;
    if ((spec.port.number ?? 0) !== port) return false;
    return port !== 0 || spec.bind === name;
  });
}

const portTables = new Memo<readonly VirtualHostSpec[]>();

/** The virtual hosts of a port, by name. */
function portHosts(proxy: ProxyView, listener: EgressListener, port: number): readonly VirtualHostSpec[] {
  const { indexes, ipMode, node, scope } = proxy;
  const { attemptCount } = proxyHeaders(proxy.config, 'outbound');
  const key = [
    port,
    node.namespace,
    scope.namespace,
    node.dnsDomain,
    ipMode,
    node.dnsCapture && node.dnsAutoAllocate,
    attemptCount,
    rulesByWorkload(proxy),
    callerKey(listener.virtualServices, { labels: proxy.labels, namespace: node.namespace }),
  ].join(' ');
  const { services, virtualServices } = listener;
  const inputs = [services, virtualServices, scope.byHost, proxy.mesh, proxy.features, indexes.destinationRules];
  return portTables.get(inputs, key, () => new PortTable(proxy, listener, port, attemptCount).build());
}

/** A virtual host that one or more services and further hosts share routes with. */
interface Shared {
  readonly port: number;
  readonly services: readonly Service[];
  /** Hosts of a VirtualService that no service has. */
  readonly hosts: readonly string[];
  readonly routes: RouteGroup;
}

const defaultRoutes = new Memo<RouteGroup>();

/** Collects the virtual hosts of one port; of port 0, of all. */
class PortTable {
  readonly #proxy: ProxyView;
  readonly #listener: EgressListener;
  readonly #port: number;
  readonly #attemptCount: boolean;
  readonly #services = new HostMap<Service>();
  readonly #hostnames: string[] = [];
  readonly #names = new Set<string>();
  readonly #domains = new Set<string>();
  readonly #known = new Set<string>();

  constructor(proxy: ProxyView, listener: EgressListener, port: number, attemptCount: boolean) {
    this.#proxy = proxy;
    this.#listener = listener;
    this.#port = port;
    this.#attemptCount = attemptCount;
    for (const service of listener.services) {
      const reduced = port === 0 ? service : onPort(service, port);
      if (reduced === undefined) continue;
      const hostname = service.hostname.toLowerCase();
      if (this.#services.get(hostname) === undefined) this.#hostnames.push(hostname);
      this.#services.set(hostname, reduced);
    }
    this.#hostnames.sort();
  }

  build(): readonly VirtualHostSpec[] {
    const shared = this.#listener.virtualServices.flatMap((vs) => this.#ofVirtualService(vs));
    const taken = new Set(shared.flatMap(({ services }) => services));
    for (const hostname of this.#hostnames) {
      const service = this.#services.get(hostname)!;
      if (!taken.has(service) && service.resolution !== 'ALIAS') shared.push(...this.#ofService(service));
    }
    for (const { services, port } of shared) {
      for (const { hostname } of services) this.#known.add(hostname).add(domainName(hostname, port));
    }
    return shared.flatMap((wrapper) => this.#hostsOf(wrapper)).sort(byName);
  }

  #ofService(service: Service): Shared[] {
    const { mesh } = this.#proxy;
    return service.ports
      .filter(({ protocol }) => isHttpOrSniffed(protocol))
      .map(({ port }) => {
        const hash = hashOfService(this.#proxy.destinationRule(service), port);
        const routes = defaultRoutes.get([mesh, hash], `${service.hostname} ${port}`, () => {
          const { hostname } = service;
          const parts = { cluster: outboundCluster(port, '', hostname), operation: traceOperation(hostname, port) };
          return new RouteGroup([defaultOutboundRoute(parts, mesh.defaultHttpRetryPolicy, hash)], []);
        });
        return { port, services: [service], hosts: [], routes };
      });
  }

  #ofVirtualService(vs: VirtualService): Shared[] {
    const port = this.#port;
    // On port 80 VirtualServices may also be for hosts that are no services.
    if (port !== 80 && !this.#concerns(vs)) return [];
    const routes = virtualServiceRoutes(this.#context(), vs);
    if (routes.routes.length === 0) return [];
    const { hosts, services } = this.#splitHosts(vs);
    if (vs.semantics === 'gateway') {
      const own = services.some(({ namespace }) => [namespace, this.#proxy.namespace].includes(vs.namespace));
      if (!own) return [];
    }
    const byPort = new Map<number, Service[]>();
    for (const service of services) {
      for (const { port: number, protocol } of service.ports) {
        if (!isHttpOrSniffed(protocol)) continue;
        const list = byPort.get(number);
        if (list) list.push(service);
        else byPort.set(number, [service]);
      }
    }
    if (byPort.size === 0 && port === 80) byPort.set(80, []);
    return [...byPort].map(([number, list]) => ({ port: number, services: list, hosts, routes }));
  }

  /** Whether a VirtualService has a host that is a service's. */
  #concerns(vs: VirtualService): boolean {
    return vs.hosts.some((written) => {
      const host = written.toLowerCase();
      if (this.#services.get(host) !== undefined) return true;
      return isWildcard(host)
        ? this.#hostnames.some((hostname) => hostsMatch(host, hostname))
        : this.#services.mostSpecific(host) !== undefined;
    });
  }

  /** The services that a VirtualService is for, and its other hosts. A wildcard takes those that no longer one takes. */
  #splitHosts(vs: VirtualService): { readonly hosts: string[]; readonly services: Service[] } {
    const hosts: string[] = [];
    const services: Service[] = [];
    for (const written of vs.hosts) {
      const host = written.toLowerCase();
      if (isWildcard(host)) continue;
      const service = this.#services.get(host);
      if (service === undefined) hosts.push(written);
      else services.push(service);
    }
    for (const host of vs.hosts.map((written) => written.toLowerCase()).filter(isWildcard)) {
      if (vs.semantics === 'gateway') {
        hosts.push(host);
        continue;
      }
      const covered = this.#hostnames.filter((hostname) => hostsMatch(hostname, host));
      if (covered.length === 0) hosts.push(host);
      for (const hostname of covered) {
        if (this.#listener.wildcardOwner(hostname) === vs) services.push(this.#services.get(hostname)!);
      }
    }
    return { hosts, services };
  }

  #context(): RouteContext {
    const proxy = this.#proxy;
    return {
      mesh: proxy.mesh,
      features: proxy.features,
      labels: proxy.labels,
      namespace: proxy.namespace,
      port: this.#port,
      gateway: MESH_GATEWAY,
      isTls: false,
      service: (hostname) => this.#services.get(hostname),
      rule: (hostname) => proxy.destinationRuleFor(hostname),
    };
  }

  #hostsOf({ port, services, hosts, routes }: Shared): VirtualHostSpec[] {
    const common = { groups: [routes], includeRequestAttemptCount: this.#attemptCount };
    const all = [
      ...hosts.map((host) => this.#host(host.toLowerCase(), port, [bracketed(host.toLowerCase())], new Set(), common)),
      ...services.map((service) => {
        const { node } = this.#proxy;
        const addresses = this.#proxy.addressesOf(service);
        const number = this.#port === 0 ? port : undefined;
        const { domains, alternatives } = serviceDomains(service, addresses, number, node.dnsDomain);
        const session = statefulSession(service, this.#proxy.features);
        return this.#host(service.hostname, port, domains, alternatives, { ...common, typedPerFilterConfig: session });
      }),
    ].filter((host) => host !== undefined);
    if (this.#port !== 0 || port === 80) return all;
    // Through an HTTP proxy, names without a port mean port 80.
    return all
      .map((host) => ({ ...host, domains: host.domains.filter((domain) => domain.includes(':')) }))
      .filter(({ domains }) => domains.length > 0);
  }

  /** A virtual host with those domains that no earlier one has; undefined if there are none. */
  #host(
    hostname: string,
    port: number,
    domains: readonly string[],
    alternatives: ReadonlySet<string>,
    parts: Partial<VirtualHostSpec>,
  ): VirtualHostSpec | undefined {
    const name = domainName(hostname, port);
    if (this.#names.has(name)) return undefined;
    this.#names.add(name);
    const free: string[] = [];
    for (const domain of domains) {
      const key = domain.toLowerCase();
      if (this.#domains.has(key) || (alternatives.has(domain) && this.#known.has(domain))) continue;
      this.#domains.add(key);
      free.push(domain);
    }
    return free.length === 0 ? undefined : virtualHost({ name, domains: free, ...parts });
  }
}

function onPort(service: Service, number: number): Service | undefined {
  const port = service.ports.find((p) => p.port === number);
  return port && withPorts(service, [port]);
}

const unknown = new Memo<VirtualHostSpec>();

/** The virtual host for everything that the mesh does not know. */
function unknownHosts(proxy: ProxyView): VirtualHostSpec {
  const { attemptCount, forwardedHost } = proxyHeaders(proxy.config, 'outbound');
  const { egressProxy, mode } = proxy.scope.outbound;
  return unknown.get([egressProxy], `${mode} ${attemptCount} ${forwardedHost}`, () => {
    const allowed = mode !== 'REGISTRY_ONLY';
    const resolved = mode === 'ALLOW_ANY_DYNAMIC_DNS';
    const name = allowed ? (resolved ? ALLOW_ANY_DYNAMIC_DNS : ALLOW_ANY) : BLOCK_ALL;
    const otherwise = resolved ? ALLOW_ANY_DYNAMIC_DNS_CLUSTER : PASSTHROUGH_CLUSTER;
    const cluster = egressProxy === undefined ? otherwise : destinationCluster(egressProxy, undefined, 0);
    const route = create(RouteSchema, {
      name,
      match: matchAll(),
      action: allowed
        ? {
            case: 'route',
            value: {
              clusterSpecifier: { case: 'cluster', value: cluster },
              timeout: duration(0),
              maxGrpcTimeout: duration(0),
              appendXForwardedHost: forwardedHost,
            },
          }
        : { case: 'directResponse', value: { status: 502 } },
    });
    const groups = [new RouteGroup([route], [])];
    return virtualHost({ name, domains: ['*'], groups, includeRequestAttemptCount: attemptCount });
  });
}
