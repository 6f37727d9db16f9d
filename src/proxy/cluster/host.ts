import { type Connection, formatAddress, type SocketAddress } from '../net/connection.ts';

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export const NO_LOCALITY: Locality = { region: '', zone: '', subZone: '' };

/** Filter metadata as xDS carries it: filter name -> struct. */
export type Metadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

export const NO_METADATA: Metadata = new Map();

/** What is known of a host's health, as bits; 0 is healthy. The order is that of Envoy's `/clusters`. */
export const HealthFlag = {
  FailedActiveHealthCheck: 1 << 0,
  FailedOutlierCheck: 1 << 1,
  FailedEdsHealth: 1 << 2,
  DegradedActiveHealthCheck: 1 << 3,
  DegradedEdsHealth: 1 << 4,
  /** Discovery has dropped it; it stays until a health check fails. */
  PendingDynamicRemoval: 1 << 5,
  /** Not checked yet, and not to be counted until it is. */
  PendingActiveHealthCheck: 1 << 6,
  /** It answered with x-envoy-immediate-health-check-fail. */
  ExcludedViaImmediateHealthCheckFail: 1 << 7,
  ActiveHealthCheckTimeout: 1 << 8,
  EdsDraining: 1 << 9,
} as const;

/** Names of the flags in `/clusters`, by bit. */
export const HEALTH_FLAG_NAMES: readonly string[] = [
  'failed_active_hc',
  'failed_outlier_check',
  'failed_eds_health',
  'degraded_active_hc',
  'degraded_eds_health',
  'pending_dynamic_removal',
  'pending_active_hc',
  'excluded_via_immediate_hc_fail',
  'active_hc_timeout',
  'eds_status_draining',
];

/** Those of `envoy.config.core.v3.HealthStatus` that are asked for by name. */
export const HostStatus = { Unknown: 0, Healthy: 1, Unhealthy: 2, Degraded: 5 } as const;

/** Flags that EDS sets. */
export const EDS_FLAGS = HealthFlag.FailedEdsHealth | HealthFlag.DegradedEdsHealth | HealthFlag.EdsDraining;

const DEGRADED = HealthFlag.DegradedActiveHealthCheck | HealthFlag.DegradedEdsHealth;
const UNHEALTHY =
  HealthFlag.FailedActiveHealthCheck |
  HealthFlag.FailedOutlierCheck |
  HealthFlag.FailedEdsHealth |
  HealthFlag.EdsDraining;
const EXCLUDED =
  HealthFlag.PendingActiveHealthCheck | HealthFlag.ExcludedViaImmediateHealthCheckFail | HealthFlag.EdsDraining;

/** What the control plane or DNS says of one endpoint. */
export interface HostDescription {
  readonly address: SocketAddress;
  /** Further addresses of the same endpoint, to try when the first does not answer (happy eyeballs). */
  readonly otherAddresses: readonly SocketAddress[];
  /** Endpoint.hostname, or the name that DNS resolved. */
  readonly hostname: string;
  /** 1 to 2^32 - 1. */
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality;
  readonly metadata: Metadata;
  readonly localityMetadata: Metadata;
  /** Bits of HealthFlag that EDS sets. */
  readonly edsHealth: number;
  /** `LbEndpoint.health_status` itself, a number of `envoy.config.core.v3.HealthStatus`. */
  readonly edsStatus: number;
  readonly canary: boolean;
  /** Where health checks go, if not to the address. */
  readonly healthCheckAddress: SocketAddress | undefined;
  /** Host that HTTP health checks ask for; empty for what the health check says. */
  readonly healthCheckHostname: string;
  /** `disable_active_health_check`. */
  readonly healthCheckDisabled: boolean;
}

/** Statistics of one endpoint: the fields of Envoy's `/clusters`. */
export class HostStats {
  cx_active = 0;
  cx_connect_fail = 0;
  cx_total = 0;
  rq_active = 0;
  rq_error = 0;
  rq_pending_active = 0;
  rq_success = 0;
  rq_timeout = 0;
  rq_total = 0;
}

/** A pool of connections to one host. */
export interface HostPool {
  /** It has no connections that are in use, and nobody waits for one. */
  readonly idle: boolean;
  /** Closes idle connections, and the others when their streams are over; takes nothing new. */
  drain(): void;
  /** The same for the connections that there are; what comes next gets new ones. */
  drainExisting(): void;
  /** Drops all connections and resets their streams. */
  closeAll(): void;
}

/** Watches the outcome of requests to a host: outlier detection. */
export interface OutcomeSink {
  httpResponse(status: number): void;
  /** Local-origin outcome of a request: connecting succeeded or failed; later it timed out or was reset. */
  localOrigin(result: 'success' | 'connect-failed' | 'timeout' | 'reset'): void;
  /** Outcome of connecting for TCP, where nothing else will tell whether the host works. */
  connectionOutcome(result: 'success' | 'connect-failed' | 'timeout'): void;
}

/** Watches one host by requests of its own: active health checking. */
export interface ActiveCheck {
  /** The host answered a request with x-envoy-immediate-health-check-fail. */
  failedImmediately(): void;
}

/**
 * One endpoint of a cluster, with what this worker knows of it. It lives as long as the endpoint stays in the cluster,
 * whatever else about it changes.
 */
export class Host {
  description: HostDescription;
  readonly stats = new HostStats();
  /** `10.0.0.1:8080`, as logs show it. */
  name: string;
  /** Bits of HealthFlag. */
  health: number;
  /** Set while outlier detection watches this host. */
  outcomes: OutcomeSink | undefined = undefined;
  /** Set while health checks watch this host. */
  check: ActiveCheck | undefined = undefined;
  /** When the host came, or last passed a health check after failing, by the worker's clock: slow start counts from here. */
  healthySince: number;
  /** The transport socket match that its metadata selects; worked out by the cluster when the host comes. */
  transportIndex = -1;
  removed = false;
  /** Connection pools to this host, by what requests want of a connection. */
  #pools: Map<string, HostPool> | undefined = undefined;
  /** Connections to it that stand for one downstream connection each. */
  #tcpConnections: Set<Connection> | undefined = undefined;

  constructor(description: HostDescription, now: number) {
    this.description = description;
    this.name = formatAddress(description.address);
    this.health = description.edsHealth;
    this.healthySince = now;
  }

  /** Most hosts of a large mesh are never connected to, and pay for no tables. */
  get pools(): Map<string, HostPool> {
    return (this.#pools ??= new Map());
  }

  get tcpConnections(): Set<Connection> {
    return (this.#tcpConnections ??= new Set());
  }

  /** Lets requests under way finish; what comes next, if anything, gets new pools. */
  drainPools(): void {
    for (const pool of [...(this.#pools?.values() ?? [])]) pool.drain();
  }

  /** The same, in the pools that there are. */
  drainConnections(): void {
    for (const pool of [...(this.#pools?.values() ?? [])]) pool.drainExisting();
  }

  closeTcpConnections(): void {
    for (const connection of [...(this.#tcpConnections ?? [])]) connection.close();
  }

  describe(description: HostDescription): void {
    if (description.address !== this.description.address) this.name = formatAddress(description.address);
    this.description = description;
  }

  get address(): SocketAddress {
    return this.description.address;
  }

  get weight(): number {
    return this.description.weight;
  }

  get healthy(): boolean {
    return (this.health & (UNHEALTHY | DEGRADED)) === 0;
  }

  get degraded(): boolean {
    return (this.health & UNHEALTHY) === 0 && (this.health & DEGRADED) !== 0;
  }

  /** What the host is as a number of `envoy.config.core.v3.HealthStatus`, for who insists on a host. */
  get status(): number {
    const { edsStatus } = this.description;
    if (this.has(HealthFlag.FailedActiveHealthCheck | HealthFlag.FailedOutlierCheck)) return HostStatus.Unhealthy;
    if (this.has(HealthFlag.FailedEdsHealth | HealthFlag.EdsDraining)) return edsStatus;
    return this.has(HealthFlag.DegradedActiveHealthCheck) ? HostStatus.Degraded : edsStatus;
  }

  /** Whether it counts neither as there nor as missing when the health of its priority is worked out. */
  get excluded(): boolean {
    return (this.health & EXCLUDED) !== 0;
  }

  has(flag: number): boolean {
    return (this.health & flag) !== 0;
  }

  setHealthFlag(flag: number, on: boolean): void {
    this.health = on ? this.health | flag : this.health & ~flag;
  }
}
