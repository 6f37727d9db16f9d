import type { StatLease } from '../observe/stats.ts';
import type { Cancelable } from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import type { ConnectHandler } from './connect-handler.ts';
import type { ClusterEnvironment } from './environment.ts';
import { HealthChecker } from './health/checker.ts';
import type { HealthCheckConfig } from './health/config.ts';
import { HealthCheckStats } from './health/stats.ts';
import type { Host } from './host.ts';
import { OutlierDetector } from './outlier/detector.ts';
import { EjectionLog } from './outlier/ejection-log.ts';
import { withRuntime } from './outlier/runtime.ts';
import { OutlierStats } from './outlier/stats.ts';

/** The cluster as those who watch its hosts see it. */
export interface WatchedCluster {
  readonly config: ClusterConfig;
  /** Whether the cluster ever made a connection. */
  hasTraffic(): boolean;
  connectForCheck(host: Host, check: HealthCheckConfig, handler: ConnectHandler): Cancelable;
  /** The health of a host has changed; `failed` if for the worse. */
  healthChanged(host: Host, failed: boolean): void;
  /** A first health check is over. */
  checked(): void;
}

/** Watches the hosts of a cluster as far as it is configured to: active health checks and outlier detection. */
export class HostWatch {
  readonly outliers: OutlierDetector | undefined;
  readonly #checker: HealthChecker | undefined;
  readonly #leases: StatLease<HealthCheckStats | OutlierStats>[] = [];

  constructor(cluster: WatchedCluster, environment: ClusterEnvironment) {
    const { healthCheck, outlierDetection } = cluster.config;
    if (outlierDetection) this.outliers = this.#newDetector(cluster, environment);
    if (healthCheck) this.#checker = this.#newChecker(healthCheck, cluster, environment);
  }

  /** Nothing where nothing is configured. */
  static of(cluster: WatchedCluster, environment: ClusterEnvironment): HostWatch | undefined {
    const { healthCheck, outlierDetection } = cluster.config;
    return healthCheck || outlierDetection ? new HostWatch(cluster, environment) : undefined;
  }

  #stats<Group extends HealthCheckStats | OutlierStats>(
    { config }: WatchedCluster,
    { worker }: ClusterEnvironment,
    name: string,
    make: new () => Group,
  ): Group {
    const lease = worker.stats.acquire(`cluster.${config.statName}.${name}.`, make);
    this.#leases.push(lease);
    return lease.group;
  }

  #newDetector(cluster: WatchedCluster, environment: ClusterEnvironment): OutlierDetector {
    const { timers, random, runtime } = environment.worker;
    const { outlierLogPath } = environment.defaults;
    const { name, outlierDetection } = cluster.config;
    return new OutlierDetector(withRuntime(outlierDetection!, runtime), {
      timers,
      random,
      stats: this.#stats(cluster, environment, 'outlier_detection', OutlierStats),
      log: outlierLogPath ? new EjectionLog(environment.files.get(outlierLogPath), name, timers) : undefined,
      changed: (host, ejected) => cluster.healthChanged(host, ejected),
    });
  }

  #newChecker(check: HealthCheckConfig, cluster: WatchedCluster, environment: ClusterEnvironment): HealthChecker {
    const { timers, random } = environment.worker;
    const stats = this.#stats(cluster, environment, 'health_check', HealthCheckStats);
    return new HealthChecker(
      check,
      {
        name: cluster.config.name,
        timers,
        random,
        stats,
        hasTraffic: () => cluster.hasTraffic(),
        connect: (host, config, handler) => cluster.connectForCheck(host, config, handler),
        checked: (host, passed, changed) => {
          if (changed) cluster.healthChanged(host, !passed);
          if (passed) this.outliers?.checkPassed(host);
          cluster.checked();
        },
      },
      check.eventLogPaths.map((path) => environment.files.get(path)),
    );
  }

  /** Whether some host was never checked to the end. */
  get pending(): boolean {
    return this.#checker?.pending ?? false;
  }

  add(host: Host): void {
    this.outliers?.add(host);
    this.#checker?.add(host);
  }

  remove(host: Host): void {
    this.#checker?.remove(host);
    this.outliers?.remove(host);
  }

  close(): void {
    this.#checker?.close();
    this.outliers?.close();
    for (const lease of this.#leases) lease.release();
  }
}
