import { Histogram } from '../../observe/histogram.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { StatGroup, type StatsStore } from '../../observe/stats.ts';
import type { QueryType } from './query.ts';

const GAUGES: ReadonlySet<string> = new Set(['op_query_active']);

/** Statistics of one filter (Envoy's `mongo.STAT_PREFIX.`). */
export class MongoStats extends StatGroup {
  readonly gauges = GAUGES;
  cx_destroy_local_with_active_rq = 0;
  cx_destroy_remote_with_active_rq = 0;
  cx_drain_close = 0;
  decoding_error = 0;
  delays_injected = 0;
  op_command = 0;
  op_command_reply = 0;
  op_get_more = 0;
  op_insert = 0;
  op_kill_cursors = 0;
  op_query = 0;
  op_query_active = 0;
  op_query_await_data = 0;
  op_query_exhaust = 0;
  op_query_multi_get = 0;
  op_query_no_cursor_timeout = 0;
  op_query_no_max_time = 0;
  op_query_scatter_get = 0;
  op_query_tailable_cursor = 0;
  op_reply = 0;
  op_reply_cursor_not_found = 0;
  op_reply_query_failure = 0;
  op_reply_valid_cursor = 0;
}

const NO_GAUGES: ReadonlySet<string> = new Set();

/** What is counted of one command (`cmd.NAME.`), or of the queries of one collection or caller (`....query.`). */
export class MongoCallStats extends StatGroup {
  readonly gauges = NO_GAUGES;
  readonly reply_num_docs = new Histogram(true);
  readonly reply_size = new Histogram(true);
  readonly reply_time_ms = new Histogram(true);
  readonly #counters = new Map<string, number>();

  count(name: 'total' | QueryType): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1);
  }

  override dynamic(): Iterable<readonly [string, number]> {
    return this.#counters;
  }

  override clearDynamic(): void {
    this.#counters.clear();
  }
}

/** Names of collections and of callers come from clients, so there is an end to them. */
const MAX_GROUPS = 1000;
const OVERFLOW = 'overflow';

/** The statistics of calls of one filter, which come up as calls do. */
export class MongoCalls {
  readonly #leases: StatLeases;
  readonly #groups = new Map<string, MongoCallStats>();

  /** `prefix` is `mongo.STAT_PREFIX.`. */
  constructor(store: StatsStore, prefix: string) {
    this.#leases = new StatLeases(store, prefix);
  }

  command(name: string): MongoCallStats {
    return this.#get(`cmd.${name}.`, 'cmd.overflow.');
  }

  collection(name: string): MongoCallStats {
    return this.#get(`collection.${name}.query.`, `collection.${OVERFLOW}.query.`);
  }

  callsite(collection: string, name: string): MongoCallStats {
    const overflow = `collection.${OVERFLOW}.callsite.${OVERFLOW}.query.`;
    return this.#get(`collection.${collection}.callsite.${name}.query.`, overflow);
  }

  #get(prefix: string, overflow: string): MongoCallStats {
    const known = this.#groups.get(prefix);
    if (known !== undefined) return known;
    if (this.#groups.size >= MAX_GROUPS && prefix !== overflow) return this.#get(overflow, overflow);
    const group = this.#leases.acquire(prefix, MongoCallStats);
    this.#groups.set(prefix, group);
    return group;
  }

  release(): void {
    this.#leases.release();
  }
}
