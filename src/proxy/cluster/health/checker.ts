import type { Timers } from '../../timers.ts';
import type { Cancelable } from '../cluster.ts';
import type { ConnectHandler } from '../connect-handler.ts';
import type { EventFile } from '../event-file.ts';
import type { Host } from '../host.ts';
import type { HealthCheckConfig } from './config.ts';
import { HealthEventLog } from './event-log.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { type CheckContext, HostCheck } from './host-check.ts';
import { HttpProbe } from './http-probe.ts';
import type { Probe, ProbeContext } from './probe.ts';
import type { HealthCheckStats } from './stats.ts';
import { TcpProbe } from './tcp-probe.ts';

/** What a health checker needs of its cluster. */
export interface CheckedCluster {
  readonly name: string;
  readonly timers: Timers;
  readonly random: () => number;
  readonly stats: HealthCheckStats;
  hasTraffic(): boolean;
  /** Connects to where a host is checked. */
  connect(host: Host, config: HealthCheckConfig, handler: ConnectHandler): Cancelable;
  /** A check is over. */
  checked(host: Host, passed: boolean, changed: boolean): void;
}

/** Active health checking of a cluster: asks each of its hosts in intervals. */
export class HealthChecker {
  readonly #config: HealthCheckConfig;
  readonly #cluster: CheckedCluster;
  readonly #context: CheckContext;
  readonly #checks = new Map<Host, HostCheck>();

  constructor(config: HealthCheckConfig, cluster: CheckedCluster, files: readonly EventFile[]) {
    this.#config = config;
    this.#cluster = cluster;
    const { timers } = cluster;
    this.#context = {
      config,
      stats: cluster.stats,
      events: new HealthEventLog(files, config.check.kind, cluster.name, () => timers.wallClock()),
      timers,
      random: cluster.random,
      hasTraffic: () => cluster.hasTraffic(),
      checked: (host, passed, changed) => cluster.checked(host, passed, changed),
    };
  }

  /** Whether some host was never checked to the end. */
  get pending(): boolean {
    for (const check of this.#checks.values()) if (check.pending) return true;
    return false;
  }

  add(host: Host): void {
    if (host.description.healthCheckDisabled || this.#checks.has(host)) return;
    this.#checks.set(host, new HostCheck(host, this.#probe(host), this.#context));
  }

  remove(host: Host): void {
    const check = this.#checks.get(host);
    if (check === undefined) return;
    this.#checks.delete(host);
    check.close();
  }

  #probe(host: Host): Probe {
    const { check, reuseConnection } = this.#config;
    const { timers, stats, name } = this.#cluster;
    const context: ProbeContext = {
      host,
      clusterName: name,
      reuseConnection,
      connect: (done) => this.#cluster.connect(host, this.#config, done),
    };
    switch (check.kind) {
      case 'HTTP':
        return new HttpProbe(check, context, timers, stats);
      case 'TCP':
        return new TcpProbe(check, context);
      default:
        return new GrpcProbe(check, context, timers);
    }
  }

  close(): void {
    for (const host of [...this.#checks.keys()]) this.remove(host);
  }
}
