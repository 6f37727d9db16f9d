import type { PublishedUrl } from '../config/control/mesh-api.ts';
import { ENROUTE_PORTS } from '../config/enroute-gateway.ts';
import { matchesLabels } from '../config/labels.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { PublishedPort } from './publication.ts';

/** What is served on a port, whichever kind says so. */
interface Server {
  readonly port: number;
  /** `HTTP`, `HTTPS`, `TLS` and so on. */
  readonly protocol: string;
  readonly hosts: readonly string[];
  /** Labels of the gateways that it is for; undefined for the one that Routes are for. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** Whether it is for EnRoute's gateways, whatever their labels. */
  readonly enroute?: boolean;
}

const USUAL_GATEWAY = { istio: 'ingressgateway' };

/** What can be typed to reach the gateways, and for which hosts. */
export function publishedUrls(config: Pick<ConfigSnapshot, 'list'>, ports: readonly PublishedPort[]): PublishedUrl[] {
  const servers = serversOf(config);
  return ports.map(({ service, port, targetPort, address, published, gateway, enroute }) => {
    const own = servers.filter(
      (server) =>
        (server.port === port || server.port === targetPort) &&
        (server.enroute ? enroute : matchesLabels(server.selector ?? USUAL_GATEWAY, gateway)),
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

function serversOf(config: Pick<ConfigSnapshot, 'list'>): Server[] {
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
      selector: undefined,
    }));
  });
  const ofEnroute = config.list('GatewayHost').flatMap(({ spec: { virtualhost, tcpproxy } }): Server[] => {
    if (virtualhost === undefined) return [];
    const { fqdn, tls } = virtualhost;
    const of = { hosts: [fqdn], selector: undefined, enroute: true };
    const plain = tcpproxy === undefined ? [{ ...of, port: ENROUTE_PORTS.http, protocol: 'HTTP' }] : [];
    const protocol = tcpproxy === undefined ? 'HTTPS' : 'TLS';
    return tls === undefined ? plain : [...plain, { ...of, port: ENROUTE_PORTS.https, protocol }];
  });
  return [...ofGateways, ...ofRoutes, ...ofEnroute];
}
