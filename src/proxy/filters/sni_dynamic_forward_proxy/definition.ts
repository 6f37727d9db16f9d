import {
  type FilterConfig,
  FilterConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.ts';
import { DNS_CACHE } from '../../cluster/dns/supported.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { SniForwardProxyFilter } from './filter.ts';

const DEFAULT_PORT = 443;

/** Finds the address of the host that a client's SNI names, for clusters that go there. */
export const sniDynamicForwardProxy: NetworkFilterDefinition<FilterConfig> = {
  name: 'envoy.filters.network.sni_dynamic_forward_proxy',
  schema: FilterConfigSchema,
  supported: {
    ...DNS_CACHE,
    'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig': ['dns_cache_config', 'port_value'],
  },
  compile({ dnsCacheConfig, portSpecifier }, { worker }, errors) {
    const port = portSpecifier.case === 'portValue' ? portSpecifier.value : DEFAULT_PORT;
    if (port < 1 || port > 65_535) errors.add('port_value', 'must be from 1 to 65535');
    const lease = worker.dnsCaches.acquire(dnsCacheConfig, errors.at('dns_cache_config'));
    return {
      terminal: false,
      create: (callbacks) =>
        lease === undefined ? undefined : new SniForwardProxyFilter(lease.cache, port, callbacks),
      dispose: () => lease?.release(),
    };
  },
};
