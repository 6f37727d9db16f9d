import { fromBinary, type Message } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { type Cluster, Cluster_DnsLookupFamily } from '../../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { Address } from '../../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { TypedExtensionConfig } from '../../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { DnsResolverOptions } from '../../../api/gen/envoy/config/core/v3/resolver_pb.ts';
import type { DnsCluster } from '../../../api/gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts';
import type { CaresDnsResolverConfig } from '../../../api/gen/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.ts';
import { schemaOf, typeNameOf } from '../../../api/registry.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported } from '../../config/supported.ts';
import { durationMs } from '../../config/values.ts';
import { formatAddress } from '../../net/connection.ts';
import { socketAddress } from '../../net/socket-address.ts';
import { SUPPORTED } from '../supported.ts';
import { DEFAULT_RESOLVER, type LookupFamily, type ResolverOptions } from './resolver.ts';

/** How a cluster's names are resolved, and how often. Times in milliseconds. */
export interface DnsConfig {
  readonly refreshMs: number;
  /** Exponential from the first to the second; undefined for the same as `refreshMs`. */
  readonly failureRefreshMs: readonly [base: number, max: number] | undefined;
  readonly respectTtl: boolean;
  /** An answer is not asked for again sooner than this, however short its TTL. */
  readonly minRefreshMs: number;
  /** Up to this much later, so that not all ask at once. */
  readonly jitterMs: number;
  readonly family: LookupFamily;
  readonly resolver: ResolverOptions;
}

const DEFAULT_REFRESH_MS = 5000;

/** By the numbers of `Cluster.DnsLookupFamily`. */
export const FAMILIES: Readonly<Record<Cluster_DnsLookupFamily, LookupFamily>> = {
  [Cluster_DnsLookupFamily.AUTO]: 'auto',
  [Cluster_DnsLookupFamily.V4_ONLY]: 'v4-only',
  [Cluster_DnsLookupFamily.V6_ONLY]: 'v6-only',
  [Cluster_DnsLookupFamily.V4_PREFERRED]: 'v4-preferred',
  [Cluster_DnsLookupFamily.ALL]: 'all',
};

/** By the numbers of `envoy.extensions.clusters.common.dns.v3.DnsLookupFamily`. */
const TYPED_FAMILIES: readonly LookupFamily[] = ['auto', 'auto', 'v4-only', 'v6-only', 'v4-preferred', 'all'];

/** `dns_*` fields of a cluster of type STRICT_DNS or LOGICAL_DNS. */
export function dnsConfig(proto: Cluster, otherwise: ResolverOptions, errors: ConfigErrors): DnsConfig {
  return {
    ...refresh(proto, errors),
    respectTtl: proto.respectDnsTtl,
    minRefreshMs: 0,
    jitterMs: jitter(proto.dnsJitter, errors),
    family: FAMILIES[proto.dnsLookupFamily],
    resolver: resolverOptions(proto, otherwise, errors),
  };
}

/** `envoy.extensions.clusters.dns.v3.DnsCluster`; the cluster's own resolver counts where it names none. */
export function typedDnsConfig(
  config: DnsCluster,
  proto: Cluster,
  otherwise: ResolverOptions,
  errors: ConfigErrors,
): DnsConfig {
  const typed = config.typedDnsResolverConfig;
  return {
    ...refresh(config, errors),
    respectTtl: config.respectDnsTtl,
    minRefreshMs: durationMs(config.dnsMinRefreshRate, 0),
    jitterMs: jitter(config.dnsJitter, errors),
    family: TYPED_FAMILIES[config.dnsLookupFamily] ?? 'auto',
    resolver: typed
      ? typedResolver(typed, errors.at('typed_dns_resolver_config'))
      : resolverOptions(proto, otherwise, errors),
  };
}

interface RefreshFields {
  readonly dnsRefreshRate?: Duration;
  readonly dnsFailureRefreshRate?: { readonly baseInterval?: Duration; readonly maxInterval?: Duration };
}

/** How often is asked, and after a failure. */
export function refresh(
  fields: RefreshFields,
  errors: ConfigErrors,
  otherwise = DEFAULT_REFRESH_MS,
): Pick<DnsConfig, 'refreshMs' | 'failureRefreshMs'> {
  const atLeast = (field: string, duration: Duration | undefined, unsaid: number) => {
    const ms = durationMs(duration, unsaid);
    if (ms <= 1) errors.add(field, 'must be above 1 ms');
    return ms;
  };
  const refreshMs = atLeast('dns_refresh_rate', fields.dnsRefreshRate, otherwise);
  const failure = fields.dnsFailureRefreshRate;
  if (failure === undefined) return { refreshMs, failureRefreshMs: undefined };
  const base = atLeast('dns_failure_refresh_rate.base_interval', failure.baseInterval, 0);
  const max = atLeast('dns_failure_refresh_rate.max_interval', failure.maxInterval, base * 10);
  if (max < base)
    errors.add('dns_failure_refresh_rate', 'must have a max_interval that is not below its base_interval');
  return { refreshMs, failureRefreshMs: [base, max] };
}

function jitter(duration: Duration | undefined, errors: ConfigErrors): number {
  const ms = durationMs(duration, 0);
  if (ms < 0) errors.add('dns_jitter', 'must not be negative');
  return ms;
}

interface ResolverFields {
  readonly typedDnsResolverConfig?: TypedExtensionConfig;
  readonly dnsResolutionConfig?: {
    readonly resolvers: readonly Address[];
    readonly dnsResolverOptions?: DnsResolverOptions;
  };
  readonly dnsResolvers?: readonly Address[];
  readonly useTcpForDnsLookups: boolean;
}

/** The resolver of a cluster or of the bootstrap, in any of the forms that Envoy has had for it. */
export function resolverOptions(
  fields: ResolverFields,
  otherwise: ResolverOptions,
  errors: ConfigErrors,
): ResolverOptions {
  if (fields.typedDnsResolverConfig) {
    return typedResolver(fields.typedDnsResolverConfig, errors.at('typed_dns_resolver_config'));
  }
  const { dnsResolutionConfig: resolution, dnsResolvers = [] } = fields;
  if (resolution) {
    const at = errors.at('dns_resolution_config');
    return {
      ...DEFAULT_RESOLVER,
      servers: serversOf(resolution.resolvers, at.at('resolvers')),
      ...optionsOf(resolution.dnsResolverOptions),
    };
  }
  if (dnsResolvers.length === 0 && !fields.useTcpForDnsLookups) return otherwise;
  return {
    ...(dnsResolvers.length === 0 ? otherwise : DEFAULT_RESOLVER),
    ...(dnsResolvers.length === 0 ? {} : { servers: serversOf(dnsResolvers, errors.at('dns_resolvers')) }),
    tcp: fields.useTcpForDnsLookups,
  };
}

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const GETADDRINFO = 'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig';

function typedResolver({ name, typedConfig }: TypedExtensionConfig, errors: ConfigErrors): ResolverOptions {
  const type = typedConfig && typeNameOf(typedConfig.typeUrl);
  const schema = type === CARES || type === GETADDRINFO ? schemaOf(type) : undefined;
  const at = errors.at('typed_config');
  if (schema === undefined) {
    at.add('', `${typedConfig?.typeUrl || name} is not supported`);
    return DEFAULT_RESOLVER;
  }
  const message: Message = fromBinary(schema, typedConfig!.value);
  checkSupported(schema, message, SUPPORTED, at);
  if (type === GETADDRINFO) return { ...DEFAULT_RESOLVER, system: true };
  const cares = message as CaresDnsResolverConfig;
  return {
    ...DEFAULT_RESOLVER,
    servers: serversOf(cares.resolvers, at.at('resolvers')),
    serversAsFallback: cares.useResolversAsFallback,
    filterUnroutable: cares.filterUnroutableFamilies,
    ...optionsOf(cares.dnsResolverOptions),
  };
}

function optionsOf(options: DnsResolverOptions | undefined): Pick<ResolverOptions, 'tcp' | 'searchDomains'> {
  return {
    tcp: options?.useTcpForDnsLookups ?? false,
    searchDomains: !(options?.noDefaultSearchDomain ?? false),
  };
}

function serversOf(addresses: readonly Address[], errors: ConfigErrors): string[] {
  return addresses.flatMap((address, i) => {
    const at = errors.at(i);
    const server = socketAddress(address, at);
    if (server?.family === 0) at.add('', 'must be an IP address and port');
    return server === undefined || server.family === 0 ? [] : [formatAddress({ ...server, port: server.port || 53 })];
  });
}
