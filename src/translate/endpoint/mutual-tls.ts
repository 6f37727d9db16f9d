import type { ClientTls } from '../../config/kinds/shared/tls.ts';
import type { TrafficPolicy } from '../../config/kinds/shared/traffic-policy.ts';
import type { Endpoint } from '../../registry/endpoint.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import type { ProxyView } from '../proxy-view.ts';
import { subsetOf } from '../traffic-policy.ts';

/**
 * Whether a proxy uses mutual TLS with an endpoint: where a DestinationRule says so, else where the endpoint can and its
 * own PeerAuthentication does not turn it off for the port.
 */
export function acceptsMutualTls(
  proxy: ProxyView,
  endpoint: Endpoint,
  rule: DestinationRule | undefined,
  port: number,
  subset: string,
): boolean {
  const tls = tlsOf(rule, subset, port);
  if (tls !== undefined) return tls.mode === 'ISTIO_MUTUAL';
  if (endpoint.tlsMode !== 'istio') return false;
  return proxy.indexes.peerAuthentication.accepts(endpoint, endpoint.port);
}

/** What a rule says about TLS for a port, a subset's own policy first. */
function tlsOf(rule: DestinationRule | undefined, subset: string, port: number): ClientTls | undefined {
  return tlsForPort(subsetOf(rule, subset)?.trafficPolicy, port) ?? tlsForPort(rule?.spec.trafficPolicy, port);
}

function tlsForPort(policy: TrafficPolicy | undefined, port: number): ClientTls | undefined {
  const own = policy?.portLevelSettings?.find(
    (settings) => settings.port?.number === port && settings.tls !== undefined,
  );
  return own?.tls ?? policy?.tls;
}
