import type { EnroutePorts } from '../../config/enroute-gateway.ts';
import type { FieldPath } from '../../config/object.ts';
import type { MadeObject } from '../adapter.ts';
import type { Findings } from './findings.ts';
import type { Config, EnrouteGateway } from './gateways.ts';
import type { ServedHost } from './hosts.ts';
import { madeObject, type Source } from './made.ts';
import type { MadeRule } from './routes.ts';
import type { Secrets } from './secrets.ts';
import { tcpRoutes } from './tcp.ts';
import type { Upstreams } from './upstreams.ts';

export interface HostSurroundings {
  readonly config: Config;
  readonly findings: Findings;
  readonly secrets: Secrets;
  readonly upstreams: Upstreams;
}

/** The Gateways of a host, one for each EnRoute gateway, and its VirtualService, one for all with the same ports. */
export function hostObjects(
  { source: object, fqdn }: ServedHost,
  rules: readonly MadeRule[],
  gateways: readonly EnrouteGateway[],
  around: HostSurroundings,
): MadeObject[] {
  const { name, namespace } = object.metadata;
  const source = { object, path: ['spec', 'virtualhost'] };
  const { tls } = object.spec.virtualhost ?? {};
  const isTcp = object.spec.tcpproxy !== undefined;
  // Nobody else may add routes to the host, past its filters.
  const servers = serversOf(`${namespace}/${fqdn}`, object.spec, around.secrets, source);
  const tcp = isTcp ? tcpRoutes({ object, fqdn, passthrough: tls?.passthrough ?? false, ...around }) : undefined;
  if (servers === undefined) return [];
  const ownName = `${name}-${namespace}-enroute`;
  const made = gateways.map((gateway) => {
    const spec = { selector: gateway.labels, servers: servers(gateway.ports) };
    return madeObject('Gateway', gateway.namespace, `${ownName}-${gateway.name}`, { spec }, source);
  });
  if (isTcp ? tcp === undefined : rules.length === 0) return made;
  const origin = ([, field, index]: FieldPath) =>
    field === 'http' && typeof index === 'number' ? rules[index]?.source : undefined;
  const groups = Map.groupBy(gateways, ({ ports }) => `${ports.http}-${ports.https}`);
  const services = [...groups].map(([ports, group], i) => {
    const spec = {
      hosts: [fqdn],
      gateways: group.map((gateway) => `${gateway.namespace}/${ownName}-${gateway.name}`),
      ...(tcp ?? { http: rules.map(({ rule }) => rule(group[0]!.ports)) }),
    };
    return madeObject('VirtualService', namespace, i === 0 ? ownName : `${ownName}-${ports}`, { spec }, source, origin);
  });
  return [...made, ...services];
}

const VERSIONS: Readonly<Record<string, string>> = {
  '1.0': 'TLSV1_0',
  '1.1': 'TLSV1_1',
  '1.2': 'TLSV1_2',
  '1.3': 'TLSV1_3',
};

/** The servers of a host, for a gateway with these ports; undefined where there is nothing to serve it with. */
function serversOf(
  host: string,
  { virtualhost, tcpproxy }: ServedHost['source']['spec'],
  secrets: Secrets,
  source: Source,
): ((ports: EnroutePorts) => object[]) | undefined {
  const { tls } = virtualhost ?? {};
  const server = (number: number, protocol: string, rest: object = {}) => ({
    port: { number, protocol, name: protocol.toLowerCase() },
    hosts: [host],
    ...rest,
  });
  if (tls === undefined) return ({ http }) => [server(http, 'HTTP')];
  if (tls.passthrough) return ({ https }) => [server(https, 'TLS', { tls: { mode: 'PASSTHROUGH' } })];
  const credentialName = secrets.certificate(tls.secretName ?? '', {
    object: source.object,
    path: [...source.path, 'tls', 'secretName'],
  });
  const minProtocolVersion = VERSIONS[tls.minimumProtocolVersion ?? ''];
  const secured = { mode: 'SIMPLE', credentialName, ...(minProtocolVersion && { minProtocolVersion }) };
  const isTcp = tcpproxy !== undefined;
  if (credentialName === undefined) return isTcp ? undefined : ({ http }) => [server(http, 'HTTP')];
  return ({ http, https }) => [
    ...(isTcp ? [] : [server(http, 'HTTP')]),
    server(https, isTcp ? 'TLS' : 'HTTPS', { tls: secured }),
  ];
}
