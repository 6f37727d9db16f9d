import type { SupportTable } from '../../config/supported.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';

/** Fields about resolving names that are honoured, or for which this runtime has no use. */
export const SUPPORTED: SupportTable = {
  'envoy.config.core.v3.DnsResolutionConfig': ['resolvers', 'dns_resolver_options'],
  'envoy.config.core.v3.DnsResolverOptions': ['use_tcp_for_dns_lookups', 'no_default_search_domain'],
  'envoy.extensions.clusters.dns.v3.DnsCluster': [
    'dns_refresh_rate',
    'dns_failure_refresh_rate',
    'respect_dns_ttl',
    'dns_jitter',
    'typed_dns_resolver_config',
    'dns_lookup_family',
    'all_addresses_in_single_endpoint',
    'dns_min_refresh_rate',
  ],
  'envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate': ['base_interval', 'max_interval'],
  [CARES]: [
    'resolvers',
    'use_resolvers_as_fallback',
    'filter_unroutable_families',
    'dns_resolver_options',
    // How much a UDP channel of the resolver library carries before it is opened anew.
    'udp_max_queries',
  ],
  'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig': [],
};

/** The same for caches of names (`DnsCacheConfig`). */
export const DNS_CACHE: SupportTable = {
  ...SUPPORTED,
  'envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig': [
    'name',
    'dns_lookup_family',
    'dns_refresh_rate',
    'dns_min_refresh_rate',
    'host_ttl',
    'max_hosts',
    'dns_failure_refresh_rate',
    'dns_cache_circuit_breaker',
    'use_tcp_for_dns_lookups',
    'dns_resolution_config',
    'typed_dns_resolver_config',
    'preresolve_hostnames',
    'dns_query_timeout',
  ],
  'envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers': ['max_pending_requests'],
  'envoy.config.cluster.v3.Cluster.RefreshRate': ['base_interval', 'max_interval'],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  'envoy.config.core.v3.Address': ['socket_address'],
  'envoy.config.core.v3.SocketAddress': ['protocol', 'address', 'port_value'],
};
