import type { ConfigObject } from '../../config/object.ts';
import type { Findings } from './findings.ts';
import type { Config } from './gateways.ts';
import type { GatewayHost } from './hosts.ts';
import type { Upstreams } from './upstreams.ts';

const MAX_DELEGATION = 10;

/** The TCP or TLS part of a VirtualService for a host with a `tcpproxy`; undefined where it leads nowhere. */
export function tcpRoutes({
  object,
  fqdn,
  passthrough,
  config,
  findings,
  upstreams,
}: {
  readonly object: GatewayHost;
  readonly fqdn: string;
  readonly passthrough: boolean;
  readonly config: Config;
  readonly findings: Findings;
  readonly upstreams: Upstreams;
}): object | undefined {
  const owner = ownerOf(object, config, findings);
  if (owner === undefined) return undefined;
  const services = owner.spec.tcpproxy?.services ?? [];
  const given = services.map(({ weight }) => weight ?? 0);
  const weights = given.every((weight) => weight === 0) ? given.map(() => 1) : given;
  const route = services.flatMap((service, i) => {
    const upstream = upstreams.reach(service, { object: owner, path: ['spec', 'tcpproxy', 'services', i] });
    return typeof upstream === 'string' ? [] : [{ destination: upstream.destination, weight: weights[i]! }];
  });
  // A share of the connections must not go where another share is meant to go.
  if (route.length < services.length || route.length === 0) return undefined;
  return passthrough ? { tls: [{ match: [{ sniHosts: [fqdn] }], route }] } : { tcp: [{ route }] };
}

/** The GatewayHost that says where the connections of another one go. */
function ownerOf(object: GatewayHost, config: Config, findings: Findings): GatewayHost | undefined {
  let owner: GatewayHost = object;
  for (let depth = 0; depth < MAX_DELEGATION; depth++) {
    const delegate = owner.spec.tcpproxy?.delegate;
    if (delegate === undefined) return owner;
    const { name, namespace = owner.metadata.namespace } = delegate;
    const next: ConfigObject | undefined = config.get('GatewayHost', namespace, name);
    const path = ['spec', 'tcpproxy', 'delegate'];
    if (next === undefined) {
      findings.add(owner, path, `names no GatewayHost: ${namespace}/${name}`, 'GatewayHost');
      return undefined;
    }
    owner = next as GatewayHost;
  }
  findings.add(object, ['spec', 'tcpproxy', 'delegate'], `is more than ${MAX_DELEGATION} deep`);
  return undefined;
}
