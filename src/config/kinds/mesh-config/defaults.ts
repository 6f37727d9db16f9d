import type { MeshConfig, MeshProxyConfig } from './schema.ts';

/** What a proxy gets when its configuration says nothing, as in istiod 1.31. */
export const DEFAULT_PROXY_CONFIG = {
  configPath: './etc/istio/proxy',
  binaryPath: '/usr/local/bin/envoy',
  serviceCluster: 'istio-proxy',
  drainDuration: 45_000,
  terminationDrainDuration: 5_000,
  discoveryAddress: 'istiod.istio-system.svc:15012',
  proxyAdminPort: 15000,
  statusPort: 15020,
  controlPlaneAuthPolicy: 'MUTUAL_TLS',
  statNameLength: 189,
  interceptionMode: 'REDIRECT',
} as const satisfies MeshProxyConfig;

/** What a mesh is when its configuration says nothing, as in istiod 1.31. */
export const DEFAULT_MESH_CONFIG = {
  proxyListenPort: 15001,
  proxyInboundListenPort: 15006,
  connectTimeout: 10_000,
  protocolDetectionTimeout: 0,
  ingressClass: 'istio',
  ingressService: 'istio-ingressgateway',
  ingressControllerMode: 'STRICT',
  enableTracing: true,
  accessLogEncoding: 'TEXT',
  defaultConfig: DEFAULT_PROXY_CONFIG,
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  inboundTrafficPolicy: { mode: 'PASSTHROUGH' },
  enableAutoMtls: true,
  trustDomain: 'cluster.local',
  defaultServiceExportTo: ['*'],
  defaultVirtualServiceExportTo: ['*'],
  defaultDestinationRuleExportTo: ['*'],
  rootNamespace: 'istio-system',
  localityLbSetting: { enabled: true },
  dnsRefreshRate: 60_000,
  enablePrometheusMerge: true,
  extensionProviders: [
    { name: 'prometheus', prometheus: {} },
    { name: 'stackdriver', stackdriver: {} },
    { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } },
  ],
  defaultProviders: {},
} as const satisfies MeshConfig;

/** A configuration of which the fields that have a default are always there. */
export type CompleteMeshConfig = MeshConfig & {
  readonly [K in Exclude<keyof typeof DEFAULT_MESH_CONFIG, 'defaultConfig'>]-?: NonNullable<MeshConfig[K]>;
} & { readonly defaultConfig: CompleteProxyConfig };

export type CompleteProxyConfig = MeshProxyConfig & {
  readonly [K in Exclude<keyof typeof DEFAULT_PROXY_CONFIG, 'serviceCluster'>]-?: NonNullable<MeshProxyConfig[K]>;
};

/**
 * Lays a configuration over another as istiod does: a field that is set replaces the whole field below, but the default
 * proxy configuration is laid over in its turn, and extension providers are added to, or replaced by name.
 */
export function applyMeshConfig(over: MeshConfig, base: CompleteMeshConfig = DEFAULT_MESH_CONFIG): CompleteMeshConfig {
  const providers = new Map([...base.extensionProviders, ...(over.extensionProviders ?? [])].map((p) => [p.name, p]));
  return {
    ...base,
    ...over,
    defaultConfig: applyProxyConfig(over.defaultConfig ?? {}, base.defaultConfig),
    extensionProviders: [...providers.values()],
    ...(over.trustDomainAliases === undefined ? {} : { trustDomainAliases: [...new Set(over.trustDomainAliases)] }),
  };
}

/**
 * Lays the configuration of a proxy over another, such as the annotation `proxy.istio.io/config` of a pod over the
 * mesh's: environment and headers are merged, every other field that is set replaces the one below.
 */
export function applyProxyConfig(over: MeshProxyConfig, base: CompleteProxyConfig): CompleteProxyConfig {
  const merged: CompleteProxyConfig = { ...base, ...over };
  // The two are one choice, so that setting one unsets the other.
  const { serviceCluster: _s, tracingServiceName: _t, ...rest } = merged;
  const name =
    over.tracingServiceName !== undefined
      ? { tracingServiceName: over.tracingServiceName }
      : over.serviceCluster !== undefined
        ? { serviceCluster: over.serviceCluster }
        : { serviceCluster: base.serviceCluster, tracingServiceName: base.tracingServiceName };
  return {
    ...rest,
    ...name,
    ...mergeField('proxyMetadata', over, base),
    ...mergeField('runtimeValues', over, base),
    ...mergeField('proxyHeaders', over, base),
  };
}

function mergeField<K extends 'proxyMetadata' | 'runtimeValues' | 'proxyHeaders'>(
  field: K,
  over: MeshProxyConfig,
  base: MeshProxyConfig,
): Pick<MeshProxyConfig, K> | undefined {
  if (over[field] === undefined || base[field] === undefined) return undefined;
  return { [field]: { ...base[field], ...over[field] } } as Pick<MeshProxyConfig, K>;
}
