import type { Headers } from '../../../wire/headers.ts';
import type { ServerHealth } from '../../context.ts';
import { DataStatus, type FilterCallbacks, HeadersStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';
import { StatGroup } from '../../observe/stats.ts';
import type { HeaderTest } from '../../router/header-match.ts';
import type { Timers } from '../../timers.ts';

const GAUGES: ReadonlySet<string> = new Set();

/** Statistics of the health check filter (Envoy's `http.STAT_PREFIX.health_check.`). */
export class HealthCheckStats extends StatGroup {
  readonly gauges = GAUGES;
  cached_response = 0;
  degraded = 0;
  failed = 0;
  failed_cluster_empty = 0;
  failed_cluster_not_found = 0;
  failed_cluster_unhealthy = 0;
  ok = 0;
  request_total = 0;
}

export interface HealthCheckConfig {
  readonly stats: HealthCheckStats;
  /** All of them make a request a health check. */
  readonly tests: readonly HeaderTest[];
  /** Health checks go to the service behind. */
  readonly passThrough: boolean;
  /** Percent of the hosts of a cluster that have to be healthy or degraded. */
  readonly minimums: readonly (readonly [cluster: string, percent: number])[];
  readonly cache: ResponseCache | undefined;
  readonly localCluster: string;
  readonly health: ServerHealth;
}

interface Answer {
  readonly status: number;
  readonly degraded: boolean;
}

/** The service's last answer, kept until the next of the moments that come every `ms`. */
export class ResponseCache {
  readonly #ms: number;
  readonly #timers: Timers;
  readonly #start: number;
  #answer: Answer | undefined = undefined;
  #interval = 0;

  constructor(ms: number, timers: Timers) {
    this.#ms = ms;
    this.#timers = timers;
    this.#start = timers.now();
  }

  get #now(): number {
    return Math.floor((this.#timers.now() - this.#start) / this.#ms);
  }

  get(): Answer | undefined {
    return this.#interval === this.#now ? this.#answer : undefined;
  }

  set(answer: Answer): void {
    this.#answer = answer;
    this.#interval = this.#now;
  }
}

/** Answers health checks, from what is known here or from what the service said lately. */
export class HealthCheckFilter implements HttpFilter {
  readonly #config: HealthCheckConfig;
  readonly #callbacks: FilterCallbacks;
  #healthCheck = false;
  /** We answer. */
  #handled = false;

  constructor(config: HealthCheckConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers, end: boolean): HeadersStatus {
    const { tests, passThrough, cache, health } = this.#config;
    if (!tests.every((test) => test(headers))) return HeadersStatus.Continue;
    this.#healthCheck = true;
    this.#callbacks.info.healthCheck = true;
    this.#handled = !passThrough || health.failed || cache?.get() !== undefined;
    if (!this.#handled) return HeadersStatus.Continue;
    if (end) this.#answer();
    return HeadersStatus.StopIteration;
  }

  requestData(_chunk: Uint8Array, end: boolean): DataStatus {
    if (!this.#handled) return DataStatus.Continue;
    if (end) this.#answer();
    return DataStatus.StopNoBuffer;
  }

  requestTrailers(): TrailersStatus {
    if (!this.#handled) return TrailersStatus.Continue;
    this.#answer();
    return TrailersStatus.Stop;
  }

  #answer(): void {
    const { stats } = this.#config;
    stats.request_total++;
    const { status, details, degraded } = this.#verdict();
    const ok = status >= 200 && status < 300;
    if (ok) stats.ok++;
    else stats.failed++;
    if (degraded) stats.degraded++;
    this.#callbacks.sendLocalReply({
      status,
      body: '',
      details,
      flags: ok ? 0 : ResponseFlag.FailedLocalHealthCheck,
      edit: (headers) => degraded && headers.set('x-envoy-degraded', ''),
    });
  }

  #verdict(): Answer & { readonly details: string } {
    const { health, cache, stats } = this.#config;
    if (health.failed) return { status: 503, degraded: false, details: 'health_check_failed' };
    const cached = cache?.get();
    if (cached !== undefined) {
      stats.cached_response++;
      return { ...cached, details: 'health_check_cached' };
    }
    const details = this.#clusters();
    return { status: details.startsWith('health_check_ok') ? 200 : 503, degraded: false, details };
  }

  #clusters(): string {
    const { minimums, stats } = this.#config;
    for (const [name, percent] of minimums) {
      const cluster = this.#callbacks.clusters.get(name);
      if (cluster === undefined) {
        stats.failed_cluster_not_found++;
        return 'health_check_failed_no_cluster_found';
      }
      const { membership_total: total, membership_healthy: healthy, membership_degraded: degraded } = cluster.stats;
      if (total === 0) {
        if (percent === 0) continue;
        stats.failed_cluster_empty++;
        return 'health_check_failed_cluster_empty';
      }
      if (100 * (healthy + degraded) < total * percent) {
        stats.failed_cluster_unhealthy++;
        return 'health_check_failed_cluster_unhealthy';
      }
    }
    return minimums.length > 0 ? 'health_check_ok_cluster_healthy' : 'health_check_ok';
  }

  responseHeaders(headers: Headers): HeadersStatus {
    const { cache, localCluster, health } = this.#config;
    if (this.#healthCheck) {
      cache?.set({ status: headers.status, degraded: headers.has('x-envoy-degraded') });
      headers.set('x-envoy-upstream-healthchecked-cluster', localCluster);
    } else if (health.failed) headers.set('x-envoy-immediate-health-check-fail', 'true');
    return HeadersStatus.Continue;
  }
}
