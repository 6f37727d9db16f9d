import type { RefusalLog } from '../../base/refusal-log.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import type { WorkerContext } from '../context.ts';
import type { SocketAddress } from './connection.ts';
import type { FilterChain, ListenerConfig } from './listener-config.ts';
import type { ListenerStats } from './listener-stats.ts';
import type { SocketConnection } from './socket-connection.ts';

/** A listener as a connection sees it that has come and is on its way into one of the filter chains. */
export interface AcceptingListener {
  readonly name: string;
  readonly config: ListenerConfig;
  readonly stats: ListenerStats;
  readonly refusals: RefusalLog;
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly lookup: ListenerLookup;
  /** Counts a connection that has come to a filter chain, and its end. */
  opened(): void;
  closed(lengthMs: number): void;
  /** The connection is established and on its way into the chain. */
  track(chain: FilterChain, connection: SocketConnection): void;
  untrack(chain: FilterChain, connection: SocketConnection): void;
}

/** Finds the listener that a captured connection belongs to. */
export interface ListenerLookup {
  byAddress(address: SocketAddress): AcceptingListener | undefined;
}
