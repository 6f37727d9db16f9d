import { SPIFFE_SCHEME } from '../../base/spiffe.ts';
import type { LoadBalancer } from '../../config/kinds/shared/traffic-policy.ts';
import { servesPort } from '../../registry/endpoint.ts';
import { reuseList } from '../../registry/reuse.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { Memo } from '../memo.ts';
import type { Mesh } from '../mesh.ts';
import type { ProxyView } from '../proxy-view.ts';

/**
 * Whether callers may try mutual TLS with a service by themselves. PeerAuthentication of single workloads is not looked
 * at: the endpoints themselves tell whether they take it. Where there is no list of endpoints to choose from, all must.
 */
export function expectsMutualTls(
  proxy: ProxyView,
  service: Service,
  port: ServicePort,
  loadBalancer: LoadBalancer | undefined,
): boolean {
  if (service.meshExternal) return false;
  if (service.resolution === 'PASSTHROUGH' || loadBalancer?.simple === 'PASSTHROUGH') {
    const endpoints = proxy.indexes.registry
      .endpoints(service)
      .endpoints.filter((endpoint) => servesPort(endpoint, port));
    if (endpoints.length === 0 || endpoints.some((endpoint) => endpoint.tlsMode === 'disabled')) return false;
  }
  return proxy.indexes.peerAuthentication.expected(service.namespace) !== 'DISABLE';
}

const expanded = new Memo<readonly string[]>();

/** The identities that a service's endpoints may have, those in other names of the trust domain included, sorted. */
export function identitiesOf({ indexes, mesh }: ProxyView, service: Service): readonly string[] {
  const { serviceAccounts } = indexes.registry.endpoints(service);
  return expanded.get([serviceAccounts, service, mesh], '', () =>
    reuseList(undefined, [...new Set(withAliases([...serviceAccounts, ...service.serviceAccounts], mesh))].sort()),
  );
}

function withAliases(identities: readonly string[], { trustDomainAliases }: Mesh): string[] {
  return identities.flatMap((identity) => {
    if (!identity.startsWith(SPIFFE_SCHEME)) return [identity];
    const path = identity.slice(identity.indexOf('/', SPIFFE_SCHEME.length));
    return [identity, ...trustDomainAliases.map((domain) => `${SPIFFE_SCHEME}${domain}${path}`)];
  });
}
