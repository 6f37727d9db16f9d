import { type HTTPFault, HTTPFaultSchema } from '../../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { MATCHERS } from '../common/supported.ts';
import { FaultFilter } from './filter.ts';
import { type FaultSettings, faultSettings, hasFaults } from './settings.ts';
import { FaultStats } from './stats.ts';

export const fault: HttpFilterDefinition<HTTPFault, HTTPFault> = {
  name: 'envoy.filters.http.fault',
  schema: HTTPFaultSchema,
  routeSchema: HTTPFaultSchema,
  supported: {
    ...MATCHERS,
    'envoy.extensions.filters.http.fault.v3.HTTPFault': [
      'delay',
      'abort',
      'upstream_cluster',
      'headers',
      'downstream_nodes',
      'max_active_faults',
      'response_rate_limit',
      'disable_downstream_cluster_stats',
      'filter_metadata',
      'delay_percent_runtime',
      'abort_percent_runtime',
      'delay_duration_runtime',
      'abort_http_status_runtime',
      'abort_grpc_status_runtime',
      'max_active_faults_runtime',
      'response_rate_limit_percent_runtime',
    ],
    'envoy.extensions.filters.http.fault.v3.FaultAbort': ['http_status', 'grpc_status', 'header_abort', 'percentage'],
    'envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort': [],
    'envoy.extensions.filters.common.fault.v3.FaultDelay': ['fixed_delay', 'header_delay', 'percentage'],
    'envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay': [],
    'envoy.extensions.filters.common.fault.v3.FaultRateLimit': ['fixed_limit', 'header_limit', 'percentage'],
    'envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit': ['limit_kbps'],
    'envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit': [],
  },
  compile(config, context, errors) {
    const stats = context.stats('fault.', FaultStats);
    const own = faultSettings(config, context.worker.runtime, errors);
    return {
      create(callbacks) {
        const settings = callbacks.routeConfig<FaultSettings>() ?? own;
        if (!hasFaults(settings)) return undefined;
        return new FaultFilter(stats, settings, callbacks.route?.bufferLimit ?? context.bufferLimit, callbacks);
      },
    };
  },
  compileRoute: (config, { worker }, errors) => faultSettings(config, worker.runtime, errors),
};
