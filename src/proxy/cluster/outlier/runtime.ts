import { integerAt, type RuntimeSource } from '../../config/runtime-values.ts';
import type { EjectionReason, OutlierConfig } from './config.ts';

/** Keys below `outlier_detection.` by the reasons whose ejections they enforce. */
const ENFORCING: Readonly<Record<EjectionReason, string>> = {
  consecutive_5xx: 'enforcing_consecutive_5xx',
  consecutive_gateway_failure: 'enforcing_consecutive_gateway_failure',
  consecutive_local_origin_failure: 'enforcing_consecutive_local_origin_failure',
  success_rate: 'enforcing_success_rate',
  local_origin_success_rate: 'enforcing_local_origin_success_rate',
  failure_percentage: 'enforcing_failure_percentage',
  local_origin_failure_percentage: 'enforcing_failure_percentage_local_origin',
};

const STDEV_UNIT = 1000;

/** The configuration of all clusters may be overridden while they run, by the runtime keys `outlier_detection.*`. */
export function withRuntime(config: OutlierConfig, runtime: RuntimeSource): OutlierConfig {
  const at = (key: string, otherwise: number) => integerAt(runtime, `outlier_detection.${key}`, otherwise);
  const { successRate, failurePercentage, enforcing } = config;
  const enforced = {} as Record<EjectionReason, number>;
  for (const [reason, key] of Object.entries(ENFORCING) as [EjectionReason, string][]) {
    Object.defineProperty(enforced, reason, { enumerable: true, get: () => at(key, enforcing[reason]) });
  }
  return {
    alwaysEjectOneHost: config.alwaysEjectOneHost,
    successfulCheckUnejects: config.successfulCheckUnejects,
    splitLocalOrigin: config.splitLocalOrigin,
    get intervalMs() {
      return at('interval_ms', config.intervalMs);
    },
    get baseEjectionMs() {
      return at('base_ejection_time_ms', config.baseEjectionMs);
    },
    get maxEjectionMs() {
      return at('max_ejection_time_ms', config.maxEjectionMs);
    },
    get ejectionJitterMs() {
      return at('max_ejection_time_jitter_ms', config.ejectionJitterMs);
    },
    get maxEjectionPercent() {
      return at('max_ejection_percent', config.maxEjectionPercent);
    },
    get consecutive5xx() {
      return at('consecutive_5xx', config.consecutive5xx);
    },
    get consecutiveGatewayFailure() {
      return at('consecutive_gateway_failure', config.consecutiveGatewayFailure);
    },
    get consecutiveLocalOriginFailure() {
      return at('consecutive_local_origin_failure', config.consecutiveLocalOriginFailure);
    },
    successRate: {
      get minimumHosts() {
        return at('success_rate_minimum_hosts', successRate.minimumHosts);
      },
      get requestVolume() {
        return at('success_rate_request_volume', successRate.requestVolume);
      },
      get deviations() {
        return at('success_rate_stdev_factor', successRate.deviations * STDEV_UNIT) / STDEV_UNIT;
      },
    },
    failurePercentage: {
      get minimumHosts() {
        return at('failure_percentage_minimum_hosts', failurePercentage.minimumHosts);
      },
      get requestVolume() {
        return at('failure_percentage_request_volume', failurePercentage.requestVolume);
      },
      get threshold() {
        return at('failure_percentage_threshold', failurePercentage.threshold);
      },
    },
    enforcing: enforced,
  };
}
