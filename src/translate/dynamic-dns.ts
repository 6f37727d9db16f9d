import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { type Filter, FilterSchema } from '../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { ClusterConfigSchema } from '../api/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts';
import {
  type DnsCacheConfig,
  DnsCacheConfigSchema,
} from '../api/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts';
import { FilterConfigSchema as HttpFilterConfigSchema } from '../api/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { FilterConfigSchema as SniFilterConfigSchema } from '../api/gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.ts';
import { CaresDnsResolverConfigSchema } from '../api/gen/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.ts';
import type { Service } from '../registry/service.ts';
import { extension, filter } from './proto/any.ts';
import { socketAddress } from './proto/values.ts';
import type { ProxyView } from './proxy-view.ts';

/** Names that a proxy itself resolves as requests bring them: ServiceEntry `resolution: DYNAMIC_DNS`, and unknown hosts. */

const ALLOW_ANY_CACHE = 'allow_any_dfp_dns_cache';
const ALLOW_ANY_MAX_HOSTS = 1024;

/** Where queries are captured the agent is asked as programs ask it: it knows the mesh's own names as well. */
const AGENT_RESOLVER = extension('envoy.network.dns_resolver.cares', CaresDnsResolverConfigSchema, {
  resolvers: [socketAddress('127.0.0.1', 15053)],
});

/** Addresses of which families a proxy can reach. */
export function dnsLookupFamily({ features, ipMode }: ProxyView): Cluster_DnsLookupFamily {
  if (ipMode === 'IPv6') return Cluster_DnsLookupFamily.V6_ONLY;
  return ipMode === 'Dual' && features.dualStack ? Cluster_DnsLookupFamily.ALL : Cluster_DnsLookupFamily.V4_ONLY;
}

/** The cache of a service's names; undefined for services that name their endpoints. */
export function dnsCacheOf(proxy: ProxyView, service: Service): DnsCacheConfig | undefined {
  if (service.resolution !== 'DYNAMIC_DNS') return undefined;
  return create(DnsCacheConfigSchema, {
    name: `${service.hostname}_dfp_dns_cache`,
    dnsLookupFamily: dnsLookupFamily(proxy),
  });
}

/** The cache of hosts that the mesh does not know; undefined unless they are resolved (ALLOW_ANY_DYNAMIC_DNS). */
export function unknownHostsCache(proxy: ProxyView): DnsCacheConfig | undefined {
  if (!proxy.isSidecar || proxy.scope.outbound.mode !== 'ALLOW_ANY_DYNAMIC_DNS') return undefined;
  return create(DnsCacheConfigSchema, {
    name: ALLOW_ANY_CACHE,
    dnsLookupFamily: dnsLookupFamily(proxy),
    maxHosts: ALLOW_ANY_MAX_HOSTS,
    ...(proxy.node.dnsCapture ? { typedDnsResolverConfig: AGENT_RESOLVER } : {}),
  });
}

/** Makes a cluster one whose hosts are what requests name. `insecure`: SNI and validation need not follow the name. */
export function resolveByRequest(cluster: Cluster, dnsCacheConfig: DnsCacheConfig, insecure: boolean): void {
  cluster.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
  cluster.clusterDiscoveryType = create(ClusterSchema, {
    clusterDiscoveryType: {
      case: 'clusterType',
      value: extension('envoy.clusters.dynamic_forward_proxy', ClusterConfigSchema, {
        clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig },
        allowInsecureClusterOptions: insecure,
      }),
    },
  }).clusterDiscoveryType;
}

/** The HTTP filter that holds requests until their host has an address. */
export function dynamicForwardProxyFilter(dnsCacheConfig: DnsCacheConfig): HttpFilter {
  return create(
    HttpFilterSchema,
    filter('envoy.filters.http.dynamic_forward_proxy', HttpFilterConfigSchema, {
      implementationSpecifier: { case: 'dnsCacheConfig', value: dnsCacheConfig },
    }),
  );
}

/** The same for connections by their SNI, which says no port. */
export function sniForwardProxyFilter(dnsCacheConfig: DnsCacheConfig, port: number): Filter {
  return create(
    FilterSchema,
    filter('envoy.extensions.filters.network.sni_dynamic_forward_proxy', SniFilterConfigSchema, {
      dnsCacheConfig,
      portSpecifier: { case: 'portValue', value: port },
    }),
  );
}
