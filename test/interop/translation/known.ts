import type { JsonValue } from '@bufbuild/protobuf';
import type { Difference } from './diff.ts';
import type { Dump } from './resources.ts';

/** Where we differ from istiod on purpose. */
const KNOWN: readonly {
  readonly path: RegExp;
  /** What both values are; anything unless said. */
  readonly values?: RegExp;
  readonly why: string;
}[] = [
  {
    path: /tracing\.provider\.typedConfig\.collector(Cluster|Endpoint|Hostname)$/,
    why: 'Envoy passes them over where the service is given; proxies that are older than that field need them',
  },
  {
    path: /providers\.[^.]+\.localJwks\.inlineString$/,
    values: /"kty":\s*"RSA"/,
    why: "in the place of a key set that cannot be fetched stands a key that is nobody's: every istiod makes another",
  },
  {
    path: /metadata\.filterMetadata\.istio\.config$/,
    values: /\/sidecar\//,
    why: 'istiod says that the Sidecar of the whole mesh is in the namespace of the proxy, where there is none',
  },
  {
    path: /^routes http_proxy\.virtualHosts\[[^:]*:80\]$/,
    values: /^(undefined|\[object Object\])$/,
    why: 'of the ports of a host that no service has, istiod takes one at random, and drops the host unless that is 80',
  },
  {
    path: /^routes .*virtualHosts\[.*\]\.domains\[\d+\]$/,
    values: /^[[\]0-9a-f:./]+$/,
    why: 'of the addresses of one ServiceEntry istiod makes one a domain, another each time; we always take the last',
  },
];

export function isKnown({ path, expected, actual }: Difference): boolean {
  return KNOWN.some(
    (known) => known.path.test(path) && [expected, actual].every((value) => known.values?.test(String(value)) ?? true),
  );
}

/**
 * istiod sends an endpoint of a ServiceEntry once for each of the ServiceEntry's addresses. Envoy takes each host once, so
 * they only change weights, and all of those alike.
 */
export function withoutRepeatedEndpoints(dump: Dump): Dump {
  return JSON.parse(JSON.stringify(dump), (key, value: JsonValue) => {
    if (key !== 'endpoints' || !Array.isArray(value)) return value;
    return value.map(distinct);
  }) as Dump;
}

function distinct(group: JsonValue): JsonValue {
  const { lbEndpoints: all } = group as { lbEndpoints?: JsonValue[] };
  if (!Array.isArray(all)) return group;
  const seen = new Set<string>();
  const kept = all.filter((endpoint) => !seen.has(JSON.stringify(endpoint)) && seen.add(JSON.stringify(endpoint)));
  if (kept.length === all.length) return group;
  const weight = kept.reduce<number>(
    (sum, e) => sum + ((e as { loadBalancingWeight?: number }).loadBalancingWeight ?? 1),
    0,
  );
  return { ...(group as object), lbEndpoints: kept, loadBalancingWeight: weight } as JsonValue;
}
