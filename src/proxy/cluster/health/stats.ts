import { StatGroup } from '../../observe/stats.ts';

const GAUGES: ReadonlySet<string> = new Set(['healthy', 'degraded']);

/** Envoy's `cluster.NAME.health_check.`. */
export class HealthCheckStats extends StatGroup {
  readonly gauges = GAUGES;
  attempt = 0;
  degraded = 0;
  failure = 0;
  healthy = 0;
  network_failure = 0;
  passive_failure = 0;
  success = 0;
  verify_cluster = 0;
}
