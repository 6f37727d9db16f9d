import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { StatGroup } from '../observe/stats.ts';
import { BoundedLoad } from './bounded-load.ts';
import type { HashTable } from './hash-table.ts';
import { type HostSet, NO_HOSTS } from './host-set.ts';
import type { BalancerEnvironment, LoadBalancer, Policy } from './load-balancer.ts';
import { type HostShare, hostShares } from './normalized-weights.ts';
import { choosePriority, type PriorityState, priorityState } from './priority-load.ts';

/** What ring and Maglev tables have in common. */
export interface HashOptions {
  readonly useHostname: boolean;
  /** Percent of its share that a host takes at most; 0 for no bound. */
  readonly balanceFactor: number;
  readonly localityWeighted: boolean;
}

/** A kind of table, and the statistics that it leaves. */
export interface HashTableKind {
  readonly statPrefix: string;
  newStats(): StatGroup;
  /** `shares` is not empty. */
  build(shares: readonly HostShare[], stats: StatGroup): HashTable;
}

interface Level {
  readonly set: HostSet;
  readonly panic: boolean;
  readonly shares: readonly HostShare[];
  readonly table: HashTable;
}

const EMPTY: HashTable = { pick: () => undefined };

/** Chooses the priority by the request's hash, and the host by the priority's table. */
class HashBalancer implements LoadBalancer {
  readonly stats: { readonly prefix: string; readonly group: StatGroup };
  readonly #kind: HashTableKind;
  readonly #options: HashOptions;
  readonly #environment: BalancerEnvironment;
  #sets: readonly HostSet[] = NO_HOSTS;
  #state: PriorityState | undefined = undefined;
  #levels: readonly Level[] = [];

  constructor(kind: HashTableKind, options: HashOptions, environment: BalancerEnvironment) {
    this.#kind = kind;
    this.#options = options;
    this.#environment = environment;
    this.stats = { prefix: kind.statPrefix, group: kind.newStats() };
  }

  update(priorities: readonly HostSet[]): void {
    this.#sets = priorities;
    this.#state = undefined;
  }

  #refresh(): PriorityState {
    const state = priorityState(this.#sets, this.#environment.panicThreshold);
    const before = this.#levels;
    this.#levels = this.#sets.map((set, i) => this.#level(set, state.panic[i], before[i]));
    this.#state = state;
    return state;
  }

  #level(set: HostSet, panic: boolean, before: Level | undefined): Level {
    if (before?.set === set && before.panic === panic) return before;
    const shares = hostShares(set, panic, this.#options.localityWeighted);
    // A table is made of who is in it, in which order and with which weight, and of nothing else.
    if (before && sameShares(shares, before.shares)) return { set, panic, shares, table: before.table };
    return { set, panic, shares, table: this.#table(shares) };
  }

  #table(shares: readonly HostShare[]): HashTable {
    if (shares.length === 0) return EMPTY;
    const table = this.#kind.build(shares, this.stats.group);
    const { balanceFactor } = this.#options;
    return balanceFactor === 0 ? table : new BoundedLoad(table, shares, balanceFactor, this.#environment.counters);
  }

  pick(context: LoadBalancerContext): Host | undefined {
    const state = this.#state ?? this.#refresh();
    const { random, counters } = this.#environment;
    const hash = context.hash ?? randomHash(random);
    const loads = context.shiftPriorities?.(state) ?? state.loads;
    const decided = loads.healthy[0] === 100;
    const priority = decided ? 0 : choosePriority(1 + Number(hash % 100n), loads).priority;
    const { table, panic } = this.#levels[priority];
    if (panic) counters.lb_healthy_panic++;
    let host = table.pick(hash, 0);
    const attempts = context.hostAttempts ?? 1;
    for (let i = 1; i <= attempts && host !== undefined && context.rejects(host); i++) host = table.pick(hash, i);
    return host;
  }
}

function sameShares(a: readonly HostShare[], b: readonly HostShare[]): boolean {
  return a.length === b.length && a.every(({ host, share }, i) => host === b[i].host && share === b[i].share);
}

function randomHash(random: () => number): bigint {
  return (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32));
}

/** A policy that looks hosts up in a table by the request's hash. */
export function hashPolicy(name: string, kind: HashTableKind, options: HashOptions): Policy {
  return { name, create: (environment) => new HashBalancer(kind, options, environment) };
}
