import type { PublishedUrl } from '../config/control/mesh-api.ts';
import { gatewaySelector } from '../config/default-gateway.ts';
import type { EnroutePorts } from '../config/enroute-gateway.ts';
import { isServedByMesh } from '../config/ingress-class.ts';
import type { MeshConfig } from '../config/kinds/mesh-config/schema.ts';
import { matchesLabels } from '../config/labels.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { PublishedPort } from './publication.ts';

/** What is served on a port, whichever kind says so. */
interface Server {
  /** A port of EnRoute's gateways goes by what it is for. */
  readonly port: number | keyof EnroutePorts;
  /** `HTTP`, `HTTPS`, `TLS` and so on. */
  readonly protocol: string;
  readonly hosts: readonly string[];
  /** Labels of the gateways that it is for; undefined for EnRoute's, whatever their labels. */
  readonly selector: Readonly<Record<string, string>> | undefined;
}

/** What can be typed to reach the gateways, and for which hosts. */
export function publishedUrls(
  config: Pick<ConfigSnapshot, 'get' | 'list'>,
  ports: readonly PublishedPort[],
  mesh: MeshConfig = {},
): PublishedUrl[] {
  const servers = serversOf(config, mesh);
  return ports.map(({ service, port, targetPort, address, published, gateway, enroute }) => {
    const own = servers.filter((server) =>
      typeof server.port === 'string'
        ? enroute?.[server.port] === targetPort
        : (server.port === port || server.port === targetPort) && matchesLabels(server.selector, gateway),
    );
    const protocol = own[0]?.protocol;
    const scheme =
      protocol === 'HTTPS' || (protocol === 'TLS' && port === 443)
        ? 'https://'
        : protocol === 'HTTP' || protocol === 'HTTP2'
          ? 'http://'
          : '';
    const hosts = own.flatMap((server) => server.hosts);
    return { gateway: service, port, url: `${scheme}${address}:${published}`, hosts: [...new Set(hosts)] };
  });
}

function serversOf(config: Pick<ConfigSnapshot, 'get' | 'list'>, mesh: MeshConfig): Server[] {
  const usual = gatewaySelector(mesh);
  const ofGateways = config.list('Gateway').flatMap(({ spec }) =>
    (spec.servers ?? []).map(({ port, hosts = [] }) => ({
      port: port?.number ?? 0,
      protocol: port?.protocol?.toUpperCase() ?? '',
      hosts: hosts.map((host) => host.slice(host.indexOf('/') + 1)),
      selector: spec.selector ?? {},
    })),
  );
  const ofRoutes = config.list('Route').flatMap(({ spec }): Server[] => {
    const { host, tls } = spec;
    if (!host) return [];
    const hosts = [spec.wildcardPolicy === 'Subdomain' ? host.replace(/^[^.]*/, '*') : host];
    const isPlain = tls === undefined || (tls.insecureEdgeTerminationPolicy ?? 'None') !== 'None';
    const secure = { port: 443, protocol: tls?.termination === 'passthrough' ? 'TLS' : 'HTTPS' };
    const plain = { port: 80, protocol: 'HTTP' };
    return [...(tls === undefined ? [] : [secure]), ...(isPlain ? [plain] : [])].map((server) => ({
      ...server,
      hosts,
      selector: usual,
    }));
  });
  const ofEnroute = config.list('GatewayHost').flatMap(({ spec: { virtualhost, tcpproxy } }): Server[] => {
    if (virtualhost === undefined) return [];
    const { fqdn, tls } = virtualhost;
    const of = { hosts: [fqdn], selector: undefined };
    const plain = tcpproxy === undefined ? [{ ...of, port: 'http' as const, protocol: 'HTTP' }] : [];
    const protocol = tcpproxy === undefined ? 'HTTPS' : 'TLS';
    return tls === undefined ? plain : [...plain, { ...of, port: 'https' as const, protocol }];
  });
  const ofIngresses = config.list('Ingress').flatMap((ingress): Server[] => {
    if (!isServedByMesh(ingress, config, mesh)) return [];
    const { tls = [], rules = [] } = ingress.spec;
    const secure = tls
      .filter(({ secretName }) => secretName)
      .map(({ hosts = [] }) => (hosts.length > 0 ? hosts : ['*']));
    // Without a host a rule is for every one.
    const plain = rules.map(({ host }) => host || '*');
    return [
      ...secure.map((hosts) => ({ port: 443, protocol: 'HTTPS', hosts, selector: usual })),
      { port: 80, protocol: 'HTTP', hosts: plain, selector: usual },
    ];
  });
  return [...ofGateways, ...ofRoutes, ...ofEnroute, ...ofIngresses];
}
