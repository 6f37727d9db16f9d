import { type AbsentStats, StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['ejections_active']);
const ABSENT: AbsentStats = { counters: ['ejections_detected_degradation'] };

/** Envoy's `cluster.NAME.outlier_detection.`. */
export class OutlierStats extends StatGroup {
  readonly gauges = GAUGES;
  override readonly absent = ABSENT;
  ejections_active = 0;
  ejections_consecutive_5xx = 0;
  ejections_detected_consecutive_5xx = 0;
  ejections_detected_consecutive_gateway_failure = 0;
  ejections_detected_consecutive_local_origin_failure = 0;
  ejections_detected_failure_percentage = 0;
  ejections_detected_local_origin_failure_percentage = 0;
  ejections_detected_local_origin_success_rate = 0;
  ejections_detected_success_rate = 0;
  ejections_enforced_consecutive_5xx = 0;
  ejections_enforced_consecutive_gateway_failure = 0;
  ejections_enforced_consecutive_local_origin_failure = 0;
  ejections_enforced_failure_percentage = 0;
  ejections_enforced_local_origin_failure_percentage = 0;
  ejections_enforced_local_origin_success_rate = 0;
  ejections_enforced_success_rate = 0;
  ejections_enforced_total = 0;
  ejections_overflow = 0;
  ejections_success_rate = 0;
  ejections_total = 0;
}
