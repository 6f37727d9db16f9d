import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host, Locality } from '../cluster/host.ts';
import { EdfScheduler } from './edf.ts';
import type { Picker, PickerEnvironment, Policy } from './load-balancer.ts';

/** The hosts of one locality within one priority. */
export interface LocalityHosts {
  readonly locality: Locality;
  /** LocalityLbEndpoints.load_balancing_weight; 0 means that the locality gets nothing where weights count. */
  readonly weight: number;
  readonly hosts: readonly Host[];
}

/** One priority level as it came, before health is looked at. */
export interface PriorityHosts {
  readonly localities: readonly LocalityHosts[];
}

/** `common_lb_config` and `ClusterLoadAssignment.policy`, with Envoy's defaults filled in. */
export interface BalancingOptions {
  /** Percent of available hosts below which health is ignored; 0 disables. */
  readonly panicThreshold: number;
  /** In a panic, no host at all rather than any. */
  readonly failInPanic: boolean;
  readonly localityWeighted: boolean;
  /** Percent by which healthy hosts count for more than they are: 140. */
  readonly overprovisioning: number;
}

/** How the choice of one request went, for statistics. */
export interface ChoiceCounters {
  lb_healthy_panic: number;
}

/** Hosts of one priority and one state of health, with the pickers over them. */
class Tier {
  readonly hosts: readonly Host[];
  readonly picker: Picker;
  readonly #localities: EdfScheduler<{ weight: number; picker: Picker }> | undefined;

  constructor(
    localities: readonly LocalityHosts[],
    use: (host: Host) => boolean,
    policy: Policy,
    environment: PickerEnvironment,
    previous: Tier | undefined,
    localityWeighted: boolean,
    overprovisioning: number,
  ) {
    const usable = localities.map((l) => ({ ...l, usable: l.hosts.filter(use) }));
    this.hosts = usable.flatMap((l) => l.usable);
    this.picker = policy.build(this.hosts, environment, previous?.picker);
    if (!localityWeighted || policy.ownLocalityWeights || usable.length < 2) return;
    const scheduler = new EdfScheduler<{ weight: number; picker: Picker }>();
    let any = false;
    for (const { weight, hosts, usable: picked } of usable) {
      // A locality that has lost hosts gets less, once the spare capacity is used up.
      const available = hosts.length === 0 ? 0 : Math.min(1, ((picked.length / hosts.length) * overprovisioning) / 100);
      const effective = weight * available;
      if (effective <= 0) continue;
      any = true;
      scheduler.add(effective, { weight: effective, picker: policy.build(picked, environment, undefined) });
    }
    if (any) this.#localities = scheduler;
  }

  pick(context: LoadBalancerContext): Host | undefined {
    const locality = this.#localities?.pick((entry) => entry.weight);
    return (locality?.picker ?? this.picker).pick(context);
  }
}

interface Level {
  readonly healthy: Tier;
  readonly degraded: Tier;
  readonly all: Tier;
  panic: boolean;
}

const MAX_REJECTED_CHOICES = 8;

/**
 * Chooses a host over priorities, health, localities and a policy (Envoy's load balancing in that order). Rebuilt when
 * membership or health changes.
 */
export class HostSet {
  readonly #levels: Level[] = [];
  /** Cumulative shares of the load in percent, healthy before degraded: [limit, level, tier]. */
  readonly #shares: { readonly limit: number; readonly level: Level; readonly tier: Tier }[] = [];
  readonly #environment: PickerEnvironment;
  readonly #counters: ChoiceCounters;
  readonly #failInPanic: boolean;

  constructor(
    priorities: readonly PriorityHosts[],
    policy: Policy,
    options: BalancingOptions,
    environment: PickerEnvironment,
    counters: ChoiceCounters,
    previous: HostSet | undefined,
  ) {
    this.#environment = environment;
    this.#counters = counters;
    this.#failInPanic = options.failInPanic;
    priorities.forEach(({ localities }, i) => {
      const before = previous === undefined ? undefined : previous.#levels[i];
      const tier = (use: (host: Host) => boolean, old: Tier | undefined) =>
        new Tier(localities, use, policy, environment, old, options.localityWeighted, options.overprovisioning);
      const healthy = tier((host) => host.healthy, before?.healthy);
      const all = localities.reduce((n, l) => n + l.hosts.length, 0);
      this.#levels.push({
        healthy,
        degraded: tier((host) => host.degraded, before?.degraded),
        all: healthy.hosts.length === all ? healthy : tier(() => true, before?.all),
        panic: false,
      });
    });
    this.#share(options);
  }

  /** Spreads 100 % of the load over the priorities by how much of each is available. */
  #share(options: BalancingOptions): void {
    const percent = (part: Tier, level: Level) =>
      level.all.hosts.length === 0
        ? 0
        : Math.min(100, (options.overprovisioning * part.hosts.length) / level.all.hosts.length);
    const healthy = this.#levels.map((level) => Math.floor(percent(level.healthy, level)));
    const degraded = this.#levels.map((level) => Math.floor(percent(level.degraded, level)));
    const total = Math.min(
      100,
      [...healthy, ...degraded].reduce((a, b) => a + b, 0),
    );
    for (const level of this.#levels) {
      const available = level.healthy.hosts.length + level.degraded.hosts.length;
      const share = level.all.hosts.length === 0 ? 0 : (100 * available) / level.all.hosts.length;
      // While the whole can carry all of the load, a bad priority only sheds its part; below that, health is ignored.
      level.panic = total < 100 && level.all.hosts.length > 0 && share < options.panicThreshold;
    }
    if (total === 0) {
      const level = this.#levels.find((l) => l.all.hosts.length > 0);
      if (level) this.#shares.push({ limit: 100, level, tier: level.healthy });
      return;
    }
    let used = 0;
    const give = (part: readonly number[], tierOf: (level: Level) => Tier) => {
      this.#levels.forEach((level, i) => {
        const share = Math.min(100 - used, Math.round((part[i] * 100) / total));
        if (share <= 0) return;
        used += share;
        this.#shares.push({ limit: used, level, tier: tierOf(level) });
      });
    };
    give(healthy, (level) => level.healthy);
    give(degraded, (level) => level.degraded);
    const last = this.#shares.at(-1);
    if (last && used < 100) this.#shares[this.#shares.length - 1] = { ...last, limit: 100 };
  }

  pick(context: LoadBalancerContext): Host | undefined {
    let host = this.#pickOnce(context);
    for (let i = 0; i < MAX_REJECTED_CHOICES && host !== undefined && context.rejects(host); i++) {
      host = this.#pickOnce(context);
    }
    return host;
  }

  #pickOnce(context: LoadBalancerContext): Host | undefined {
    const shares = this.#shares;
    if (shares.length === 0) return undefined;
    let chosen = shares[0];
    if (shares.length > 1) {
      const point = context.hash === undefined ? this.#environment.random() * 100 : Number(context.hash % 100n);
      chosen = shares.find((s) => point < s.limit) ?? shares[shares.length - 1];
    }
    if (!chosen.level.panic) return chosen.tier.pick(context);
    this.#counters.lb_healthy_panic++;
    return this.#failInPanic ? undefined : chosen.level.all.pick(context);
  }
}
