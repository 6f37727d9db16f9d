import { type Changing, type RuntimeSource, runtimeInteger } from '../config/runtime-values.ts';

/** One limit of a circuit breaker with what is in use of it. */
export class Resource {
  inUse = 0;
  readonly #limit: Changing<number>;

  constructor(limit: Changing<number>) {
    this.#limit = limit;
  }

  get max(): number {
    return this.#limit.value;
  }

  get canCreate(): boolean {
    return this.inUse < this.max;
  }
}

/** `envoy.config.cluster.v3.CircuitBreakers.Thresholds` with Envoy's defaults. */
export interface Thresholds {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  readonly maxConnectionPools: number;
  /** Share of active requests (0 to 100) that may be retries, instead of `maxRetries`; undefined if not configured. */
  readonly retryBudgetPercent: number | undefined;
  readonly retryBudgetMinConcurrency: number;
  /** Whether statistics say how much is left. */
  readonly trackRemaining: boolean;
  /** `per_host_thresholds`: connections to each host. */
  readonly maxConnectionsPerHost: number;
}

export const DEFAULT_THRESHOLDS: Thresholds = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  maxConnectionPools: Infinity,
  retryBudgetPercent: undefined,
  retryBudgetMinConcurrency: 3,
  trackRemaining: false,
  maxConnectionsPerHost: Infinity,
};

/** What one priority of a cluster may use at a time. */
export class ResourceManager {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;
  readonly connectionPools: Resource;
  readonly #thresholds: Thresholds;

  /** `prefix` is that of the runtime keys which override the limits: `circuit_breakers.CLUSTER.PRIORITY.` */
  constructor(thresholds: Thresholds, runtime: RuntimeSource, prefix: string) {
    const limit = (key: string, otherwise: number) => new Resource(runtimeInteger(prefix + key, otherwise, runtime));
    this.#thresholds = thresholds;
    this.connections = limit('max_connections', thresholds.maxConnections);
    this.pendingRequests = limit('max_pending_requests', thresholds.maxPendingRequests);
    this.requests = limit('max_requests', thresholds.maxRequests);
    this.retries = limit('max_retries', thresholds.maxRetries);
    this.connectionPools = limit('max_connection_pools', thresholds.maxConnectionPools);
  }

  get tracksRemaining(): boolean {
    return this.#thresholds.trackRemaining;
  }

  get hasRetryBudget(): boolean {
    return this.#thresholds.retryBudgetPercent !== undefined;
  }

  get maxConnectionsPerHost(): number {
    return this.#thresholds.maxConnectionsPerHost;
  }

  get canRetry(): boolean {
    const { retryBudgetPercent, retryBudgetMinConcurrency } = this.#thresholds;
    if (retryBudgetPercent === undefined) return this.retries.canCreate;
    const active = this.requests.inUse + this.pendingRequests.inUse;
    return this.retries.inUse < Math.max(Math.floor((active * retryBudgetPercent) / 100), retryBudgetMinConcurrency);
  }
}
