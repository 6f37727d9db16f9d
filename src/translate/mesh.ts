import type { ExtensionProvider, MeshConfig, MeshProxyConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ConfigSnapshot } from '../config/store/snapshot.ts';
import type { Registry } from '../registry/registry.ts';
import { perObject } from '../registry/reuse.ts';

/** All of a mesh at one moment: what translation starts from. */
export interface MeshSnapshot {
  readonly number: number;
  readonly config: ConfigSnapshot;
  readonly registry: Registry;
  /** As it was read, without defaults. The same object as long as it does not change. */
  readonly mesh: MeshConfig;
  /**
   * Key sets (RFC 7517, as JSON) that the control plane fetched for RequestAuthentication rules that carry none: by
   * `jwksUri`, or by issuer for those that only name that. Another map when any changes.
   */
  readonly jwks?: ReadonlyMap<string, string>;
}

/** MeshConfig with the defaults of istiod in it. */
export interface Mesh extends MeshConfig {
  readonly proxyListenPort: number;
  readonly proxyInboundListenPort: number;
  readonly proxyHttpPort: number;
  readonly connectTimeout: number;
  readonly protocolDetectionTimeout: number;
  readonly dnsRefreshRate: number;
  readonly enableAutoMtls: boolean;
  readonly enableTracing: boolean;
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly rootNamespace: string;
  readonly defaultConfig: MeshProxyConfig;
  readonly outboundTrafficPolicy: NonNullable<MeshConfig['outboundTrafficPolicy']>;
  readonly defaultServiceExportTo: readonly string[];
  readonly defaultVirtualServiceExportTo: readonly string[];
  readonly defaultDestinationRuleExportTo: readonly string[];
  readonly extensionProviders: readonly ExtensionProvider[];
  readonly defaultProviders: NonNullable<MeshConfig['defaultProviders']>;
}

const DEFAULT_PROVIDERS: readonly ExtensionProvider[] = [
  { name: 'prometheus', prometheus: {} },
  { name: 'stackdriver', stackdriver: {} },
  { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } },
];

/** Istio's defaults under what a person set. Of `defaultConfig` and `defaultProviders` single fields replace the default, of the rest whole ones. */
export const meshOf: (config: MeshConfig) => Mesh = perObject((config) => ({
  ...config,
  proxyListenPort: config.proxyListenPort ?? 15001,
  proxyInboundListenPort: config.proxyInboundListenPort ?? 15006,
  proxyHttpPort: config.proxyHttpPort ?? 0,
  connectTimeout: config.connectTimeout ?? 10_000,
  protocolDetectionTimeout: config.protocolDetectionTimeout ?? 0,
  dnsRefreshRate: config.dnsRefreshRate ?? 60_000,
  enableAutoMtls: config.enableAutoMtls ?? true,
  enableTracing: config.enableTracing ?? true,
  trustDomain: config.trustDomain ?? 'cluster.local',
  trustDomainAliases: [...new Set(config.trustDomainAliases)].sort(),
  rootNamespace: config.rootNamespace ?? 'istio-system',
  defaultConfig: config.defaultConfig ?? {},
  outboundTrafficPolicy: config.outboundTrafficPolicy ?? { mode: 'ALLOW_ANY' },
  localityLbSetting: config.localityLbSetting ?? { enabled: true },
  defaultServiceExportTo: config.defaultServiceExportTo ?? ['*'],
  defaultVirtualServiceExportTo: config.defaultVirtualServiceExportTo ?? ['*'],
  defaultDestinationRuleExportTo: config.defaultDestinationRuleExportTo ?? ['*'],
  extensionProviders: mergeProviders(config.extensionProviders ?? []),
  defaultProviders: config.defaultProviders ?? {},
}));

function mergeProviders(own: readonly ExtensionProvider[]): readonly ExtensionProvider[] {
  const byName = new Map(DEFAULT_PROVIDERS.map((provider) => [provider.name, provider]));
  for (const provider of own) byName.set(provider.name, provider);
  return [...byName.values()];
}
