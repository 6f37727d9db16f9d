import { isIP } from 'node:net';
import type { AgentEnvironment } from '../environment/environment.ts';

/** Where a proxy listens and looks, by the families of its pod. */
export interface ProxyAddresses {
  readonly localhost: string;
  readonly wildcard: string;
  /** The wildcard of the other family, for a pod that has both. */
  readonly otherWildcard: string | undefined;
  /** `Cluster.DnsLookupFamily`. */
  readonly lookupFamily: 'V4_ONLY' | 'V6_ONLY' | 'ALL';
}

/** A pod of both families has IPv4 only, unless `ISTIO_DUAL_STACK` says otherwise: then its first address comes first. */
export function proxyAddresses({ address, instanceIps, dualStack }: AgentEnvironment): ProxyAddresses {
  const families = new Set(instanceIps.map((ip) => isIP(ip)));
  const both = families.size > 1 && dualStack;
  const isV6 = families.size > 1 ? both && isIP(instanceIps[0] ?? '') === 6 : families.has(6);
  return {
    localhost: address ?? (isV6 ? '::1' : '127.0.0.1'),
    wildcard: address ?? (isV6 ? '::' : '0.0.0.0'),
    otherWildcard: both && address === undefined ? (isV6 ? '0.0.0.0' : '::') : undefined,
    lookupFamily: both ? 'ALL' : isV6 ? 'V6_ONLY' : 'V4_ONLY',
  };
}
