import {
  type FilterConfig,
  FilterConfigSchema,
  type PerRouteConfig,
  PerRouteConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.ts';
import { DNS_CACHE } from '../../cluster/dns/supported.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { DynamicForwardProxyFilter, type HostRewrite } from './filter.ts';

/** Finds the address of whatever host a request names, for clusters that go there. */
export const dynamicForwardProxy: HttpFilterDefinition<FilterConfig, PerRouteConfig> = {
  name: 'envoy.filters.http.dynamic_forward_proxy',
  schema: FilterConfigSchema,
  routeSchema: PerRouteConfigSchema,
  supported: {
    ...DNS_CACHE,
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig': ['dns_cache_config'],
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig': [
      'host_rewrite_literal',
      'host_rewrite_header',
    ],
  },
  compile({ implementationSpecifier: specifier }, { worker }, errors) {
    const proto = specifier.case === 'dnsCacheConfig' ? specifier.value : undefined;
    const lease = worker.dnsCaches.acquire(proto, errors.at('dns_cache_config'));
    return {
      create: (callbacks) => (lease === undefined ? undefined : new DynamicForwardProxyFilter(lease.cache, callbacks)),
      dispose: () => lease?.release(),
    };
  },
  compileRoute({ hostRewriteSpecifier: specifier }): HostRewrite | undefined {
    if (specifier.case === 'hostRewriteLiteral') return { literal: specifier.value };
    if (specifier.case === 'hostRewriteHeader') return { header: specifier.value.toLowerCase() };
    return undefined;
  },
};
