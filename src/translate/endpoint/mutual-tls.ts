import type { Endpoint } from '../../registry/endpoint.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import type { ProxyView } from '../proxy-view.ts';
import { policyOf } from '../traffic-policy.ts';

/**
 * Whether a proxy may choose mutual TLS for an endpoint by itself: the endpoint can, no DestinationRule says otherwise,
 * and the endpoint's own PeerAuthentication does not turn it off for the port.
 */
export function acceptsMutualTls(
  proxy: ProxyView,
  endpoint: Endpoint,
  rule: DestinationRule | undefined,
  port: number,
  subset: string,
): boolean {
  if (endpoint.tlsMode === 'disabled') return false;
  const tls = policyOf(rule, subset, port)?.tls;
  if (tls !== undefined) return tls.mode === 'ISTIO_MUTUAL';
  if (endpoint.tlsMode !== 'istio') return false;
  const { peerAuthentication } = proxy.indexes;
  const policy = peerAuthentication.for({ namespace: endpoint.namespace, labels: endpoint.labels });
  return (policy.ports.get(endpoint.port) ?? policy.mode) !== 'DISABLE';
}
