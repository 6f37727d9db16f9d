import type { Timer, Timers } from '../../timers.ts';
import { HealthFlag, type Host } from '../host.ts';
import type { EjectionReason, OutlierConfig } from './config.ts';
import type { EjectionLog } from './ejection-log.ts';
import { HostMonitor } from './monitor.ts';
import type { OutlierStats } from './stats.ts';
import { type EjectionThreshold, ejectionThreshold, NO_THRESHOLD, type SuccessRate } from './success-rate.ts';

/** What the detector needs of its cluster. */
export interface OutlierContext {
  readonly timers: Timers;
  readonly random: () => number;
  readonly stats: OutlierStats;
  readonly log: EjectionLog | undefined;
  /** A host was ejected, or has come back. */
  changed(host: Host, ejected: boolean): void;
}

type Origin = 'external' | 'local';

/**
 * Passive health checking (Envoy's outlier detection): takes hosts out for a while that keep failing, or that fail much
 * more than the others.
 */
export class OutlierDetector {
  readonly config: OutlierConfig;
  /** What the success rates of the last interval were judged by, for `/clusters`. */
  thresholds: Readonly<Record<Origin, EjectionThreshold>> = { external: NO_THRESHOLD, local: NO_THRESHOLD };
  readonly #context: OutlierContext;
  readonly #monitors = new Map<Host, HostMonitor>();
  /** Hosts that are out. The statistic may be shared with the cluster that took the place of this one. */
  #active = 0;
  #timer: Timer | undefined = undefined;
  #closed = false;

  constructor(config: OutlierConfig, context: OutlierContext) {
    this.config = config;
    this.#context = context;
  }

  monitorOf(host: Host): HostMonitor | undefined {
    return this.#monitors.get(host);
  }

  add(host: Host): void {
    const monitor = new HostMonitor(host, this.config, (which, reason) => this.#onConsecutive(which, reason));
    this.#monitors.set(host, monitor);
    host.outcomes = monitor;
    // Without hosts there is nothing to look at.
    if (this.#timer === undefined && !this.#closed) this.#arm();
  }

  remove(host: Host): void {
    if (!this.#monitors.delete(host)) return;
    host.outcomes = undefined;
    if (host.has(HealthFlag.FailedOutlierCheck)) this.#count(-1);
    if (this.#monitors.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** An active check of a host has passed. */
  checkPassed(host: Host): void {
    const monitor = this.#monitors.get(host);
    if (monitor === undefined || !this.config.successfulCheckUnejects) return;
    if (host.has(HealthFlag.FailedOutlierCheck)) this.#uneject(monitor);
  }

  #arm(): void {
    this.#timer = this.#context.timers.start(this.config.intervalMs, () => {
      this.#onInterval();
      this.#arm();
    });
  }

  #onInterval(): void {
    const now = this.#context.timers.now();
    for (const monitor of this.#monitors.values()) {
      this.#checkEjected(monitor, now);
      monitor.external.tick();
      monitor.local.tick();
    }
    const external = this.#judge('external', 'success_rate', 'failure_percentage');
    const local = this.#judge('local', 'local_origin_success_rate', 'local_origin_failure_percentage');
    this.thresholds = { external, local };
  }

  #checkEjected(monitor: HostMonitor, now: number): void {
    if (!monitor.host.has(HealthFlag.FailedOutlierCheck)) {
      // It has behaved for an interval: the next ejection need not be as long.
      if (monitor.multiplier > 0) monitor.multiplier--;
      return;
    }
    const { baseEjectionMs, maxEjectionMs } = this.config;
    const time = Math.min(baseEjectionMs * monitor.multiplier, maxEjectionMs) + monitor.jitterMs;
    if (time <= now - monitor.lastEjection) this.#uneject(monitor);
  }

  #judge(origin: Origin, byRate: EjectionReason, byPercentage: EjectionReason): EjectionThreshold {
    const { successRate, failurePercentage } = this.config;
    const count = this.#monitors.size;
    if (count < successRate.minimumHosts && count < failurePercentage.minimumHosts) return NO_THRESHOLD;
    const monitors = [...this.#monitors.values()].filter(
      (m) => m[origin].volume > 0 && !m.host.has(HealthFlag.FailedOutlierCheck),
    );
    const enough = Math.min(successRate.requestVolume, failurePercentage.requestVolume);
    for (const { [origin]: rate } of monitors) if (rate.volume >= enough) rate.shown = rate.percent;
    const withVolume = (volume: number) => monitors.filter((m) => m[origin].volume >= volume);
    const rated = withVolume(successRate.requestVolume);
    let result = NO_THRESHOLD;
    if (rated.length > 0 && rated.length >= successRate.minimumHosts) {
      const percentOf = ({ [origin]: rate }: HostMonitor) => (rate as SuccessRate).percent;
      result = ejectionThreshold(rated.map(percentOf), successRate.deviations);
      for (const monitor of rated) if (percentOf(monitor) < result.threshold) this.#eject(monitor, byRate);
    }
    const measured = withVolume(failurePercentage.requestVolume);
    if (measured.length > 0 && measured.length >= failurePercentage.minimumHosts) {
      for (const monitor of measured) {
        if (100 - monitor[origin].percent >= failurePercentage.threshold) this.#eject(monitor, byPercentage);
      }
    }
    return result;
  }

  #onConsecutive(monitor: HostMonitor, reason: EjectionReason): void {
    if (this.#monitors.get(monitor.host) !== monitor || monitor.host.has(HealthFlag.FailedOutlierCheck)) return;
    this.#eject(monitor, reason);
    monitor.reset(reason);
  }

  #eject(monitor: HostMonitor, reason: EjectionReason): void {
    const { stats, random, log } = this.#context;
    if (reason === 'consecutive_5xx') stats.ejections_consecutive_5xx++;
    if (reason === 'success_rate' || reason === 'local_origin_success_rate') stats.ejections_success_rate++;
    stats[`ejections_detected_${reason}`]++;
    // A host that fails by several rules in one interval is ejected once.
    if (monitor.host.has(HealthFlag.FailedOutlierCheck)) return;
    if (!this.#mayEject()) {
      stats.ejections_overflow++;
      return;
    }
    // Older than the other counters of ejections: of two rules, enforced or not.
    if (reason === 'consecutive_5xx' || reason === 'success_rate') stats.ejections_total++;
    if (random() * 100 >= this.config.enforcing[reason]) {
      log?.ejected(monitor, reason, this.thresholds, false);
      return;
    }
    this.#takeOut(monitor, reason);
    log?.ejected(monitor, reason, this.thresholds, true);
  }

  #mayEject(): boolean {
    const { alwaysEjectOneHost, maxEjectionPercent } = this.config;
    if (alwaysEjectOneHost && this.#active === 0) return true;
    return (100 * (this.#active + 1)) / this.#monitors.size <= maxEjectionPercent;
  }

  #count(change: number): void {
    this.#active += change;
    this.#context.stats.ejections_active += change;
  }

  #takeOut(monitor: HostMonitor, reason: EjectionReason): void {
    const { stats, timers, random } = this.#context;
    const { baseEjectionMs, maxEjectionMs, ejectionJitterMs } = this.config;
    this.#count(1);
    stats.ejections_enforced_total++;
    stats[`ejections_enforced_${reason}`]++;
    monitor.ejections++;
    monitor.lastEjection = timers.now();
    monitor.jitterMs = ejectionJitterMs === 0 ? 0 : Math.floor(random() * (ejectionJitterMs + 1));
    if (monitor.multiplier * baseEjectionMs < maxEjectionMs + baseEjectionMs) monitor.multiplier++;
    monitor.host.setHealthFlag(HealthFlag.FailedOutlierCheck, true);
    this.#context.changed(monitor.host, true);
  }

  #uneject(monitor: HostMonitor): void {
    const { timers, log } = this.#context;
    this.#count(-1);
    monitor.host.setHealthFlag(HealthFlag.FailedOutlierCheck, false);
    monitor.resetAll();
    monitor.lastUnejection = timers.now();
    this.#context.changed(monitor.host, false);
    log?.unejected(monitor);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const host of [...this.#monitors.keys()]) this.remove(host);
  }
}
