import type { GatewaySpec, Server } from '../../config/kinds/gateway/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { isHttp, type Protocol, parseProtocol } from '../../registry/protocol.ts';
import type { ServiceTarget } from '../../registry/service.ts';

/** A server of a Gateway, on the port on which the proxy really listens. */
export interface GatewayServer {
  /** Hosts with `.` made the namespace and `*` in its place left out. */
  readonly server: Server;
  readonly gateway: ConfigObject<GatewaySpec>;
  /** `namespace/name`, as VirtualServices refer to it. */
  readonly gatewayName: string;
  /** Position in the Gateway's `servers`. */
  readonly index: number;
  /** Name of its route table; undefined for servers that do not read HTTP. */
  readonly routeName: string | undefined;
  /** Server names that lead to it, of TLS servers. */
  readonly sniHosts: readonly string[];
}

/** All servers on one port and address. */
export interface GatewayPort {
  readonly port: number;
  readonly protocol: Protocol;
  readonly bind: string;
  readonly servers: readonly GatewayServer[];
  /** Of plain HTTP: the route table that they share. */
  readonly routeName: string | undefined;
}

/** The Gateways of one proxy as one. */
export interface MergedGateway {
  readonly ports: readonly GatewayPort[];
  readonly byRouteName: ReadonlyMap<string, readonly GatewayServer[]>;
  readonly gatewayNames: readonly string[];
  readonly hasAutoPassthrough: boolean;
  /** Port on which the proxy listens -> ports under which its servers were declared. */
  readonly declaredPorts: ReadonlyMap<number, ReadonlySet<number>>;
}

/** Label of services whose ports Gateways do not mean. */
const NO_TRANSLATION_LABEL = 'experimental.istio.io/disable-gateway-port-translation';

/**
 * Lays the Gateways of a proxy over each other, the oldest first. A server that cannot share its port with those before
 * it is left out: plain HTTP goes with plain HTTP, TLS with TLS for other hosts, and nothing with opaque TCP.
 */
export function mergeGateways(
  gateways: readonly ConfigObject<GatewaySpec>[],
  targets: readonly ServiceTarget[],
): MergedGateway {
  const ports = new Map<
    string,
    { -readonly [K in keyof GatewayPort]: GatewayPort[K] } & { servers: GatewayServer[] }
  >();
  const plain = new Map<number, string>();
  const used = new Set<number>();
  const tlsBinds = new Map<number, Set<string>>();
  const tlsHosts = new Map<number, Map<string, string>>();
  const byRouteName = new Map<string, GatewayServer[]>();
  const declaredPorts = new Map<number, Set<number>>();
  let hasAutoPassthrough = false;

  const tlsHostsOf = (port: number) => {
    const known = tlsHosts.get(port) ?? new Map<string, string>();
    tlsHosts.set(port, known);
    return known;
  };
  const addTo = (key: string, port: Omit<GatewayPort, 'servers'>, server: GatewayServer) => {
    const existing = ports.get(key);
    if (existing) existing.servers.push(server);
    else ports.set(key, { ...port, servers: [server] });
  };
  const addRoute = (server: GatewayServer) => {
    const name = server.routeName ?? '';
    const servers = byRouteName.get(name);
    if (servers) servers.push(server);
    else byRouteName.set(name, [server]);
  };

  for (const gateway of gateways) {
    const { namespace, name } = gateway.metadata;
    const gatewayName = `${namespace}/${name}`;
    const services = servicesOfGateway(gateway);
    for (const [index, original] of gateway.spec.servers.entries()) {
      const server = { ...original, hosts: resolveHosts(original.hosts, namespace) };
      for (const number of resolvePorts(server.port.number ?? 0, targets, services)) {
        const protocol = parseProtocol(server.port.protocol);
        const bind = server.bind ?? '';
        const routeName = routeNameOf(server, number, name, namespace);
        if (server.tls !== undefined && !claimHosts(tlsHostsOf(number), server.hosts, bind)) continue;
        const entry: GatewayServer = {
          server,
          gateway,
          gatewayName,
          index,
          routeName,
          sniHosts: server.tls === undefined ? [] : sniHostsOf(server.hosts),
        };
        if (server.tls?.mode === 'AUTO_PASSTHROUGH') hasAutoPassthrough = true;
        const key = `${number} ${server.port.protocol ?? ''} ${bind}`;
        const shape = { port: number, protocol, bind, routeName };
        const plainKey = plain.get(number);
        if (!used.has(number)) {
          used.add(number);
          if (!isTlsServer(server)) plain.set(number, key);
          if (readsHttp(server)) byRouteName.set(routeName!, [entry]);
          ports.set(key, { ...shape, servers: [entry] });
        } else if (plainKey !== undefined) {
          const current = ports.get(plainKey)!;
          const same = current.bind === bind;
          if (same && !(isHttp(protocol) && isHttp(current.protocol))) continue;
          if (same) current.servers.push(entry);
          else addTo(key, shape, entry);
          addRoute(entry);
        } else {
          if (readsHttp(server)) {
            if (byRouteName.has(routeName!)) continue;
            byRouteName.set(routeName!, [entry]);
          }
          const binds = tlsBinds.get(number);
          const newBind = binds === undefined || !binds.has(bind);
          if (binds === undefined) tlsBinds.set(number, new Set([bind]));
          else binds.add(bind);
          if (server.tls === undefined && !newBind) continue;
          addTo(key, { ...shape, routeName: undefined }, entry);
        }
        const declared = declaredPorts.get(number);
        if (declared) declared.add(server.port.number ?? 0);
        else declaredPorts.set(number, new Set([server.port.number ?? 0]));
      }
    }
  }
  return {
    ports: [...ports.values()],
    byRouteName,
    gatewayNames: gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    hasAutoPassthrough,
    declaredPorts,
  };
}

/** Annotation by which adapters name the services, separated by commas, whose proxies a Gateway is for. */
const GATEWAY_SERVICE = 'internal.istio.io/gateway-service';

/** Whether a target is of the services that a Gateway was made for; undefined for Gateways that people write. */
export function servicesOfGateway(gateway: ConfigObject): ((target: ServiceTarget) => boolean) | undefined {
  const annotation = gateway.metadata.annotations[GATEWAY_SERVICE];
  if (annotation === undefined) return undefined;
  const hosts = new Set(annotation.split(','));
  return ({ service }) => hosts.has(service.hostname) && service.namespace === gateway.metadata.namespace;
}

/**
 * The port that a Gateway's port leads to: the target port of a service of the proxy that has the port, else itself, since
 * people also write the proxy's own ports. A Gateway for certain services means their ports and nothing else.
 */
function resolvePorts(
  number: number,
  targets: readonly ServiceTarget[],
  services: ((target: ServiceTarget) => boolean) | undefined,
): number[] {
  if (services !== undefined) {
    const own = targets.filter((target) => services(target) && target.port.port === number);
    return [...new Set(own.map((target) => target.targetPort))];
  }
  for (const { service, port, targetPort } of targets) {
    if (service.labels[NO_TRANSLATION_LABEL] !== undefined) continue;
    if (port.port === number) return [targetPort];
  }
  return [number];
}

/** `./host` belongs to the Gateway's own namespace, a host without one, or with `*`, to everybody. */
function resolveHosts(hosts: readonly string[], namespace: string): string[] {
  const resolved = hosts.map((host) => {
    if (host.startsWith('./')) return `${namespace}${host.slice(1)}`;
    return host.startsWith('*/') ? host.slice(2) : host;
  });
  return hosts.includes('*/*') ? ['*'] : resolved;
}

function sniHostsOf(hosts: readonly string[]): string[] {
  return [...new Set(hosts.map((host) => host.slice(host.indexOf('/') + 1)))].sort();
}

/** Marks hosts as taken on an address. False, and nothing is marked, if some of them are already, on the same address. */
export function claimHosts(taken: Map<string, string>, hosts: readonly string[], bind: string): boolean {
  if (hosts.some((host) => taken.get(host) === bind)) return false;
  for (const host of hosts) taken.set(host, bind);
  return true;
}

function isTlsServer(server: Server): boolean {
  return server.tls !== undefined && !isHttp(parseProtocol(server.port.protocol));
}

/** Whether TLS goes through the gateway as it is. */
export function isPassthrough(server: Server): boolean {
  const mode = server.tls?.mode;
  return server.tls !== undefined && (mode === undefined || mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH');
}

/** Whether the proxy takes TLS off and reads HTTP underneath. */
export function terminatesHttps(server: Server): boolean {
  return parseProtocol(server.port.protocol) === 'HTTPS' && server.tls !== undefined && !isPassthrough(server);
}

function readsHttp(server: Server): boolean {
  return isHttp(parseProtocol(server.port.protocol)) || terminatesHttps(server);
}

/** `http.PORT`, shared by all plain servers of the port, or `https.PORT.PORTNAME.GATEWAY.NAMESPACE`. */
function routeNameOf(server: Server, port: number, gateway: string, namespace: string): string | undefined {
  if (isHttp(parseProtocol(server.port.protocol))) {
    const bind = server.bind ? `.${server.bind}` : '';
    return `http.${port}${bind}`;
  }
  if (terminatesHttps(server)) {
    const bind = server.bind ? `.${server.bind}` : '';
    return `https.${server.port.number}.${server.port.name ?? ''}.${gateway}.${namespace}${bind}`;
  }
  return undefined;
}
