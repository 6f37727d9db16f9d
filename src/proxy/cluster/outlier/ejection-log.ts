import type { EventFile } from '../event-file.ts';
import type { EjectionReason } from './config.ts';
import type { HostMonitor } from './monitor.ts';
import type { EjectionThreshold } from './success-rate.ts';

const TYPES: Readonly<Record<EjectionReason, string>> = {
  consecutive_5xx: 'CONSECUTIVE_5XX',
  consecutive_gateway_failure: 'CONSECUTIVE_GATEWAY_FAILURE',
  consecutive_local_origin_failure: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
  success_rate: 'SUCCESS_RATE',
  local_origin_success_rate: 'SUCCESS_RATE_LOCAL_ORIGIN',
  failure_percentage: 'FAILURE_PERCENTAGE',
  local_origin_failure_percentage: 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
};

/** Writes `envoy.data.cluster.v3.OutlierDetectionEvent` as JSON (`cluster_manager.outlier_detection.event_log_path`). */
export class EjectionLog {
  readonly #file: EventFile;
  readonly #cluster: string;
  readonly #wallClock: () => number;
  readonly #now: () => number;

  constructor(file: EventFile, cluster: string, clocks: { wallClock(): number; now(): number }) {
    this.#file = file;
    this.#cluster = cluster;
    this.#wallClock = () => clocks.wallClock();
    this.#now = () => clocks.now();
  }

  ejected(
    monitor: HostMonitor,
    reason: EjectionReason,
    thresholds: Readonly<Record<'external' | 'local', EjectionThreshold>>,
    enforced: boolean,
  ): void {
    const origin = reason.startsWith('local_origin') ? 'local' : 'external';
    const percent = Math.floor(monitor[origin].percent);
    let cause: object;
    if (reason.endsWith('success_rate')) {
      const { average, threshold } = thresholds[origin];
      cause = {
        eject_success_rate_event: {
          host_success_rate: percent,
          cluster_average_success_rate: Math.floor(average),
          cluster_success_rate_ejection_threshold: Math.floor(threshold),
        },
      };
    } else if (reason.endsWith('failure_percentage')) {
      cause = { eject_failure_percentage_event: { host_success_rate: percent } };
    } else cause = { eject_consecutive_event: {} };
    this.#file.write({
      type: TYPES[reason],
      ...this.#common(monitor, monitor.lastUnejection),
      action: 'EJECT',
      num_ejections: monitor.ejections,
      enforced,
      ...cause,
    });
  }

  unejected(monitor: HostMonitor): void {
    this.#file.write({
      type: TYPES.consecutive_5xx,
      ...this.#common(monitor, monitor.lastEjection),
      action: 'UNEJECT',
      num_ejections: monitor.ejections,
      enforced: false,
    });
  }

  #common({ host }: HostMonitor, lastAction: number): object {
    const seconds = Math.floor((this.#now() - lastAction) / 1000);
    return {
      timestamp: new Date(this.#wallClock()).toISOString(),
      ...(lastAction < 0 ? {} : { secs_since_last_action: String(seconds) }),
      cluster_name: this.#cluster,
      upstream_url: host.name,
    };
  }
}
