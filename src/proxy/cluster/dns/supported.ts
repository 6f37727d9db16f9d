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
