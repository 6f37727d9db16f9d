import type { RouterStats } from './stats.ts';

/** What the router's configuration decides. */
export interface RouterConfig {
  readonly stats: RouterStats;
  readonly suppressEnvoyHeaders: boolean;
  /** Answers are counted by cluster, virtual cluster and route. */
  readonly dynamicStats: boolean;
  /** Attempts have spans of their own, whatever the connection manager says. */
  readonly startChildSpan: boolean;
  /** Address of this proxy, which it appends to x-forwarded-for of requests of its own. */
  readonly localAddress: string;
}
