import type { OutlierDetection } from '../../../api/gen/envoy/config/cluster/v3/outlier_detection_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';

/** `outlier_detection`, with Envoy's defaults filled in. Times in milliseconds, percentages from 0 to 100. */
export interface OutlierConfig {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly ejectionJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  readonly successfulCheckUnejects: boolean;
  /** Failures of our own making (connecting, timeouts, resets) are counted apart from the answers of hosts. */
  readonly splitLocalOrigin: boolean;
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  readonly successRate: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    /** Standard deviations below the mean. */
    readonly deviations: number;
  };
  readonly failurePercentage: {
    readonly minimumHosts: number;
    readonly requestVolume: number;
    readonly threshold: number;
  };
  /** How many of the ejections that a rule calls for are made. */
  readonly enforcing: Readonly<Record<EjectionReason, number>>;
}

/** Why a host is ejected; the words of Envoy's statistics. */
export type EjectionReason =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

/** Reads `outlier_detection`, with Envoy's defaults. */
export function outlierConfig(proto: OutlierDetection, errors: ConfigErrors): OutlierConfig {
  const percent = (field: string, value: number | undefined, otherwise: number) => {
    if (value !== undefined && value > 100) errors.add(field, 'must not be above 100');
    return value ?? otherwise;
  };
  const positive = (field: string, duration: Parameters<typeof durationMs>[0], otherwise: number) => {
    const ms = durationMs(duration, otherwise);
    if (duration !== undefined && ms <= 0) errors.add(field, 'must be above 0');
    return ms;
  };
  const baseEjectionMs = positive('base_ejection_time', proto.baseEjectionTime, 30_000);
  const maxEjectionMs = positive('max_ejection_time', proto.maxEjectionTime, Math.max(300_000, baseEjectionMs));
  if (maxEjectionMs < baseEjectionMs) errors.add('max_ejection_time', 'must not be less than base_ejection_time');
  return {
    intervalMs: positive('interval', proto.interval, 10_000),
    baseEjectionMs,
    maxEjectionMs,
    ejectionJitterMs: durationMs(proto.maxEjectionTimeJitter, 0),
    maxEjectionPercent: percent('max_ejection_percent', proto.maxEjectionPercent, 10),
    alwaysEjectOneHost: proto.alwaysEjectOneHost ?? false,
    successfulCheckUnejects: proto.successfulActiveHealthCheckUnejectHost ?? true,
    splitLocalOrigin: proto.splitExternalLocalOriginErrors,
    consecutive5xx: proto.consecutive5xx ?? 5,
    consecutiveGatewayFailure: proto.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: proto.consecutiveLocalOriginFailure ?? 5,
    successRate: {
      minimumHosts: proto.successRateMinimumHosts ?? 5,
      requestVolume: proto.successRateRequestVolume ?? 100,
      deviations: (proto.successRateStdevFactor ?? 1900) / 1000,
    },
    failurePercentage: {
      minimumHosts: proto.failurePercentageMinimumHosts ?? 5,
      requestVolume: proto.failurePercentageRequestVolume ?? 50,
      threshold: percent('failure_percentage_threshold', proto.failurePercentageThreshold, 85),
    },
    enforcing: {
      consecutive_5xx: percent('enforcing_consecutive_5xx', proto.enforcingConsecutive5xx, 100),
      consecutive_gateway_failure: percent(
        'enforcing_consecutive_gateway_failure',
        proto.enforcingConsecutiveGatewayFailure,
        0,
      ),
      consecutive_local_origin_failure: percent(
        'enforcing_consecutive_local_origin_failure',
        proto.enforcingConsecutiveLocalOriginFailure,
        100,
      ),
      success_rate: percent('enforcing_success_rate', proto.enforcingSuccessRate, 100),
      local_origin_success_rate: percent(
        'enforcing_local_origin_success_rate',
        proto.enforcingLocalOriginSuccessRate,
        100,
      ),
      failure_percentage: percent('enforcing_failure_percentage', proto.enforcingFailurePercentage, 0),
      local_origin_failure_percentage: percent(
        'enforcing_failure_percentage_local_origin',
        proto.enforcingFailurePercentageLocalOrigin,
        0,
      ),
    },
  };
}
