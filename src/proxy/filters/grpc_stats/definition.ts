import {
  type FilterConfig,
  FilterConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { GrpcStatsFilter } from './filter.ts';
import { GrpcStatGroups } from './stats.ts';

export const grpcStats: HttpFilterDefinition<FilterConfig> = {
  name: 'envoy.filters.http.grpc_stats',
  schema: FilterConfigSchema,
  supported: {
    'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig': [
      'emit_filter_state',
      'individual_method_stats_allowlist',
      'stats_for_all_methods',
      'enable_upstream_stats',
      'replace_dots_in_grpc_service_name',
    ],
    'envoy.config.core.v3.GrpcMethodList': ['services'],
    'envoy.config.core.v3.GrpcMethodList.Service': ['name', 'method_names'],
  },
  compile(proto, { worker }) {
    const specifier = proto.perMethodStatSpecifier;
    const allowed = specifier.case === 'individualMethodStatsAllowlist' ? specifier.value.services : [];
    const groups = new GrpcStatGroups(worker.stats);
    const config = {
      groups,
      emitFilterState: proto.emitFilterState,
      upstreamStats: proto.enableUpstreamStats,
      replaceDots: proto.replaceDotsInGrpcServiceName,
      methods:
        specifier.case === 'statsForAllMethods' && specifier.value.value
          ? ('all' as const)
          : new Set(allowed.flatMap(({ name, methodNames }) => methodNames.map((method) => `${name}/${method}`))),
    };
    return {
      create: (callbacks) => new GrpcStatsFilter(config, callbacks),
      dispose: () => groups.release(),
    };
  },
};
