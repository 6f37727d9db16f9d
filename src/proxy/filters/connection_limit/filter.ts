import { type NetworkFilter, type NetworkFilterCallbacks, NetworkStatus } from '../../net/network-filter.ts';
import { StatGroup } from '../../observe/stats.ts';
import type { Timer } from '../../timers.ts';

const GAUGES: ReadonlySet<string> = new Set(['active_connections']);

/** Statistics under `connection_limit.STAT_PREFIX.`. */
export class ConnectionLimitStats extends StatGroup {
  readonly gauges = GAUGES;
  active_connections = 0;
  limited_connections = 0;
}

/** A limit, and the connections that count against it. */
export interface ConnectionLimitConfig {
  readonly stats: ConnectionLimitStats;
  readonly max: number;
  /** How long a connection that is one too many is kept waiting before it is closed, in milliseconds. */
  readonly delayMs: number;
  connections: number;
}

/** Closes connections that come while there are enough. Those that wait to be closed count as well. */
export class ConnectionLimitFilter implements NetworkFilter {
  readonly #config: ConnectionLimitConfig;
  readonly #callbacks: NetworkFilterCallbacks;
  #counted = false;
  #timer: Timer | undefined = undefined;

  constructor(config: ConnectionLimitConfig, callbacks: NetworkFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  onNewConnection(): NetworkStatus {
    const config = this.#config;
    const { connection, worker } = this.#callbacks;
    this.#counted = true;
    config.stats.active_connections++;
    if (config.connections++ < config.max) return NetworkStatus.Continue;
    config.stats.limited_connections++;
    const close = () => connection.close('over_connection_limit');
    if (config.delayMs > 0) this.#timer = worker.timers.start(config.delayMs, close);
    else close();
    return NetworkStatus.Stop;
  }

  onClose(): void {
    this.#timer?.cancel();
    if (!this.#counted) return;
    this.#config.connections--;
    this.#config.stats.active_connections--;
  }
}
