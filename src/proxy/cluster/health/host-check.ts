import type { Timer, Timers } from '../../timers.ts';
import { type ActiveCheck, HealthFlag, type Host } from '../host.ts';
import type { HealthCheckConfig } from './config.ts';
import type { FailureType, HealthEventLog } from './event-log.ts';
import type { Probe, ProbeResult } from './probe.ts';
import type { HealthCheckStats } from './stats.ts';

/** What checks of all hosts share. */
export interface CheckContext {
  readonly config: HealthCheckConfig;
  readonly stats: HealthCheckStats;
  readonly events: HealthEventLog;
  readonly timers: Timers;
  readonly random: () => number;
  /** Whether the cluster ever made a connection. */
  hasTraffic(): boolean;
  /** A check of a host is over; `changed` if that changed what its health is. */
  checked(host: Host, passed: boolean, changed: boolean): void;
}

type Transition = 'unchanged' | 'pending' | 'changed';

/** The checks of one host: when they are made, and what their results mean. */
export class HostCheck implements ActiveCheck {
  readonly #host: Host;
  readonly #probe: Probe;
  readonly #context: CheckContext;
  #timer: Timer | undefined = undefined;
  #first = true;
  /** Results of the same kind in a row. */
  #passed = 0;
  #failed = 0;
  #closed = false;

  constructor(host: Host, probe: Probe, context: CheckContext) {
    this.#host = host;
    this.#probe = probe;
    this.#context = context;
    const { initialJitterMs } = context.config;
    host.check = this;
    if (!host.has(HealthFlag.FailedActiveHealthCheck)) context.stats.healthy++;
    this.#sleep(initialJitterMs > 0 ? this.#jitter(0, initialJitterMs) : 0);
  }

  /** No check has been finished yet. */
  get pending(): boolean {
    return this.#first;
  }

  #sleep(ms: number): void {
    if (this.#closed) return;
    this.#timer = this.#context.timers.start(ms, () => this.#begin());
  }

  #begin(): void {
    const { stats, timers, config } = this.#context;
    stats.attempt++;
    this.#timer = timers.start(config.timeoutMs, () => {
      this.#probe.abort();
      this.#failure('NETWORK_TIMEOUT', false, 0);
    });
    this.#probe.start((result) => this.#finish(result));
  }

  #finish(result: ProbeResult): void {
    this.#timer?.cancel();
    if (result.kind === 'passed') this.#success(result.degraded);
    else if (result.kind === 'network') this.#failure('NETWORK', false, 0);
    else {
      if (result.excluded) this.#host.setHealthFlag(HealthFlag.ExcludedViaImmediateHealthCheckFail, true);
      this.#failure('ACTIVE', result.retriable, result.status);
    }
  }

  #success(degraded: boolean): void {
    const { stats, config, events, timers } = this.#context;
    const host = this.#host;
    this.#failed = 0;
    let transition: Transition = 'unchanged';
    if (host.has(HealthFlag.FailedActiveHealthCheck)) {
      // The first result of all counts at once, so that a start does not take several intervals.
      if (this.#first || ++this.#passed === config.healthyThreshold) {
        host.setHealthFlag(
          HealthFlag.ActiveHealthCheckTimeout |
            HealthFlag.ExcludedViaImmediateHealthCheckFail |
            HealthFlag.FailedActiveHealthCheck,
          false,
        );
        host.healthySince = timers.now();
        stats.healthy++;
        transition = 'changed';
        events.addHealthy(host, this.#first);
      } else transition = 'pending';
    }
    if (config.alwaysLogSuccess && transition !== 'changed') events.success(host);
    if (this.#clearPending()) transition = 'changed';
    if (degraded !== host.has(HealthFlag.DegradedActiveHealthCheck)) {
      host.setHealthFlag(HealthFlag.DegradedActiveHealthCheck, degraded);
      stats.degraded += degraded ? 1 : -1;
      if (degraded) events.degraded(host);
      else events.noLongerDegraded(host);
      transition = 'changed';
    }
    stats.success++;
    this.#first = false;
    this.#context.checked(host, true, transition === 'changed');
    this.#sleep(this.#interval(true, transition));
  }

  #failure(type: FailureType, retriable: boolean, status: number): void {
    const transition = this.#setUnhealthy(type, retriable, status);
    this.#sleep(this.#interval(false, transition));
  }

  #setUnhealthy(type: FailureType, retriable: boolean, status: number): Transition {
    const { stats, config, events } = this.#context;
    const host = this.#host;
    const network = type === 'NETWORK' || type === 'NETWORK_TIMEOUT';
    this.#passed = 0;
    let transition: Transition = 'unchanged';
    if (!host.has(HealthFlag.FailedActiveHealthCheck)) {
      // An answer that says no needs no second one, unless it is of those that may pass.
      if ((!network && !retriable) || ++this.#failed === config.unhealthyThreshold) {
        host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, true);
        stats.healthy--;
        transition = 'changed';
        events.ejectUnhealthy(host, type, status);
      } else transition = 'pending';
    }
    const timedOut = type === 'NETWORK_TIMEOUT';
    if (host.has(HealthFlag.FailedActiveHealthCheck) || !timedOut) {
      host.setHealthFlag(HealthFlag.ActiveHealthCheckTimeout, timedOut);
    }
    if (this.#clearPending()) transition = 'changed';
    if (this.#first || config.alwaysLogFailures) events.failure(host, type, this.#first, status);
    stats.failure++;
    if (network) stats.network_failure++;
    else if (type === 'PASSIVE') stats.passive_failure++;
    this.#first = false;
    this.#context.checked(host, false, transition === 'changed');
    return transition;
  }

  /** The host was not to be counted until a check was over. */
  #clearPending(): boolean {
    if (!this.#host.has(HealthFlag.PendingActiveHealthCheck)) return false;
    this.#host.setHealthFlag(HealthFlag.PendingActiveHealthCheck, false);
    return true;
  }

  failedImmediately(): void {
    this.#host.setHealthFlag(HealthFlag.ExcludedViaImmediateHealthCheckFail, true);
    this.#setUnhealthy('PASSIVE', false, 0);
  }

  #interval(healthy: boolean, transition: Transition): number {
    const { config } = this.#context;
    const edge = transition === 'pending';
    let ms: number;
    if (!this.#context.hasTraffic()) {
      ms = healthy && !edge ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
    } else if (healthy) ms = edge ? config.healthyEdgeIntervalMs : config.intervalMs;
    else ms = edge ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
    return this.#jitter(ms, config.intervalJitterMs);
  }

  #jitter(base: number, jitterMs: number): number {
    const { config, random } = this.#context;
    const byPercent = Math.floor((config.intervalJitterPercent * base) / 100);
    return base + Math.floor(random() * byPercent) + Math.floor(random() * jitterMs);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#probe.close();
    const { stats } = this.#context;
    this.#host.check = undefined;
    if (!this.#host.has(HealthFlag.FailedActiveHealthCheck)) stats.healthy--;
    if (this.#host.has(HealthFlag.DegradedActiveHealthCheck)) stats.degraded--;
  }
}
