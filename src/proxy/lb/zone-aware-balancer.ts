import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { type HostSet, NO_HOSTS } from './host-set.ts';
import type { BalancerEnvironment, LoadBalancer, Picker, PickerFactory, Policy } from './load-balancer.ts';
import { LocalityScheduler } from './locality-weights.ts';
import { choosePriority, type PriorityState, priorityState } from './priority-load.ts';
import { type ZoneAware, ZoneRouting } from './zone-routing.ts';

/** How localities count for policies that choose among the hosts of a list. */
export interface LocalityOptions {
  /** `locality_weighted_lb_config`. */
  readonly weighted: boolean;
  readonly zoneAware: ZoneAware;
}

/** A list of hosts to choose from, and what chooses: made when first needed, so that nobody pays for an unused list. */
class Source {
  readonly #factory: PickerFactory;
  readonly #environment: BalancerEnvironment;
  #hosts: readonly Host[] = [];
  #picker: Picker | undefined = undefined;
  #stale = true;

  constructor(factory: PickerFactory, environment: BalancerEnvironment) {
    this.#factory = factory;
    this.#environment = environment;
  }

  set hosts(hosts: readonly Host[]) {
    this.#hosts = hosts;
    this.#stale = true;
  }

  pick(context: LoadBalancerContext): Host | undefined {
    if (this.#stale) {
      this.#stale = false;
      if (this.#hosts.length > 0) this.#picker = this.#factory.build(this.#hosts, this.#environment, this.#picker);
    }
    return this.#hosts.length === 0 ? undefined : this.#picker!.pick(context);
  }
}

/** One priority with its lists: all hosts, those of each state of health, and the same by locality. */
class Level {
  readonly all: Source;
  readonly healthy: Source;
  readonly degraded: Source;
  healthyLocalities: LocalityScheduler | undefined = undefined;
  degradedLocalities: LocalityScheduler | undefined = undefined;
  readonly #source: () => Source;
  readonly #byLocality = { healthy: [] as Source[], degraded: [] as Source[] };
  set: HostSet = NO_HOSTS[0];

  constructor(source: () => Source) {
    this.#source = source;
    this.all = source();
    this.healthy = source();
    this.degraded = source();
  }

  take(set: HostSet): void {
    this.set = set;
    this.all.hosts = set.hosts;
    this.healthy.hosts = set.healthy;
    this.degraded.hosts = set.degraded;
    for (const part of ['healthy', 'degraded'] as const) {
      this.#byLocality[part].forEach((source, i) => {
        source.hosts = set.localities[i]?.[part] ?? [];
      });
    }
  }

  locality(part: 'healthy' | 'degraded', index: number): Source {
    const sources = this.#byLocality[part];
    let source = sources[index];
    if (source === undefined) {
      sources[index] = source = this.#source();
      source.hosts = this.set.localities[index][part];
    }
    return source;
  }
}

/**
 * Envoy's load balancing for policies that work on lists of hosts: chooses the priority, then the state of health, then
 * the locality where localities count, and leaves the list that remains to the policy.
 */
class ZoneAwareBalancer implements LoadBalancer {
  readonly #factory: PickerFactory;
  readonly #options: LocalityOptions;
  readonly #environment: BalancerEnvironment;
  readonly #zones: ZoneRouting | undefined;
  readonly #levels: Level[] = [];
  #sets: readonly HostSet[] = NO_HOSTS;
  #state: PriorityState | undefined = undefined;
  /** Everything goes to the healthy hosts of priority 0, and nothing is left to decide. */
  #single: Source | undefined = undefined;

  constructor(factory: PickerFactory, options: LocalityOptions, environment: BalancerEnvironment) {
    this.#factory = factory;
    this.#options = options;
    this.#environment = environment;
    if (environment.local && !options.weighted) this.#zones = new ZoneRouting(environment, options.zoneAware);
  }

  update(priorities: readonly HostSet[]): void {
    this.#sets = priorities;
    this.#state = undefined;
    this.#single = undefined;
  }

  #refresh(): PriorityState {
    const { random, panicThreshold } = this.#environment;
    const { weighted } = this.#options;
    const sets = this.#sets;
    this.#levels.length = Math.min(this.#levels.length, sets.length);
    sets.forEach((set, i) => {
      const level = (this.#levels[i] ??= new Level(() => new Source(this.#factory, this.#environment)));
      if (level.set === set) return;
      level.take(set);
      level.healthyLocalities = weighted ? LocalityScheduler.create(set, 'healthy', random) : undefined;
      level.degradedLocalities = weighted ? LocalityScheduler.create(set, 'degraded', random) : undefined;
    });
    const state = priorityState(sets, panicThreshold);
    this.#state = state;
    const decided = state.loads.healthy[0] === 100 && !state.panic[0] && !weighted && this.#zones === undefined;
    if (decided) this.#single = this.#levels[0].healthy;
    return state;
  }

  pick(context: LoadBalancerContext): Host | undefined {
    let host = this.#pickOnce(context);
    if (host === undefined || !context.rejects(host)) return host;
    for (let left = context.hostAttempts ?? 1; left > 0; left--) {
      host = this.#pickOnce(context);
      if (host === undefined || !context.rejects(host)) return host;
    }
    return host;
  }

  #pickOnce(context: LoadBalancerContext): Host | undefined {
    const state = this.#state ?? this.#refresh();
    if (this.#single !== undefined && context.shiftPriorities === undefined) return this.#single.pick(context);
    return this.#source(context, state)?.pick(context);
  }

  #source(context: LoadBalancerContext, state: PriorityState): Source | undefined {
    const { random, counters } = this.#environment;
    const loads = context.shiftPriorities?.(state) ?? state.loads;
    const { priority, degraded } = choosePriority(1 + Math.floor(random() * 100), loads);
    const level = this.#levels[priority];
    if (state.panic[priority]) {
      counters.lb_healthy_panic++;
      return this.#options.zoneAware.failTrafficOnPanic ? undefined : level.all;
    }
    const part = degraded ? 'degraded' : 'healthy';
    const localities = degraded ? level.degradedLocalities : level.healthyLocalities;
    if (localities !== undefined) return level.locality(part, localities.pick());
    if (this.#zones !== undefined && priority === 0) {
      const index = this.#zones.choose(level.set);
      if (index === -2) return undefined;
      if (index >= 0) return level.locality(part, index);
    }
    return level[part];
  }
}

/** Makes a policy of what chooses among the hosts of a list. */
export function listPolicy(name: string, factory: PickerFactory, options: LocalityOptions): Policy {
  return {
    name,
    create: (environment) => new ZoneAwareBalancer(factory, options, environment),
    byLocality: () => listPolicy(name, factory, { ...options, weighted: true }),
  };
}
