import type { Locality } from '../cluster/host.ts';
import type { HostSet, LocalityHosts } from './host-set.ts';
import type { BalancerEnvironment } from './load-balancer.ts';
import { inPanic } from './priority-load.ts';

/** `zone_aware_lb_config`, with Envoy's defaults filled in. */
export interface ZoneAware {
  /** Percent of requests for which zones count. */
  readonly routingEnabled: number;
  /** Upstream clusters with fewer healthy hosts are not divided by zone. */
  readonly minClusterSize: number;
  readonly failTrafficOnPanic: boolean;
}

export const DEFAULT_ZONE_AWARE: ZoneAware = { routingEnabled: 100, minClusterSize: 6, failTrafficOnPanic: false };

/** Shares are of this. */
const WHOLE = 10_000;

type Decision =
  | { readonly kind: 'none' }
  | { readonly kind: 'direct' }
  | {
      readonly kind: 'residual';
      /** Share of the requests that stay in this zone. */
      readonly local: number;
      /** Cumulative spare capacity of the localities. */
      readonly residual: readonly number[];
    };

const NONE: Decision = { kind: 'none' };
const DIRECT: Decision = { kind: 'direct' };

/**
 * Zone aware routing: keeps requests within this proxy's zone, and sends away only what the hosts there cannot carry if
 * every zone is to get its fair share of what all members of the local cluster send. For priority 0 only.
 */
export class ZoneRouting {
  readonly #environment: BalancerEnvironment;
  readonly #options: ZoneAware;
  #upstream: HostSet | undefined = undefined;
  #local: HostSet | undefined = undefined;
  #decision: Decision = NONE;

  constructor(environment: BalancerEnvironment, options: ZoneAware) {
    this.#environment = environment;
    this.#options = options;
  }

  /** Index of the locality whose healthy hosts to use, -1 where localities do not count, or -2 for no host at all. */
  choose(upstream: HostSet): number {
    const { local, random, counters, panicThreshold } = this.#environment;
    if (local === undefined) return -1;
    const localHosts = local.hostSet();
    if (upstream !== this.#upstream || localHosts !== this.#local) this.#decide(upstream, localHosts);
    if (this.#decision === NONE) return -1;
    if (this.#options.routingEnabled < 100 && random() * 100 >= this.#options.routingEnabled) return -1;
    if (inPanic(localHosts!, panicThreshold)) {
      counters.lb_local_cluster_not_ok++;
      return this.#options.failTrafficOnPanic ? -2 : -1;
    }
    return this.#chooseLocality();
  }

  #chooseLocality(): number {
    const { random, counters } = this.#environment;
    const decision = this.#decision;
    if (decision.kind !== 'residual') {
      counters.lb_zone_routing_all_directly++;
      return 0;
    }
    if (random() * WHOLE < decision.local) {
      counters.lb_zone_routing_sampled++;
      return 0;
    }
    counters.lb_zone_routing_cross_zone++;
    const { residual } = decision;
    const capacity = residual[residual.length - 1];
    if (capacity === 0) {
      counters.lb_zone_no_capacity_left++;
      return Math.floor(random() * residual.length);
    }
    const point = Math.floor(random() * capacity);
    return residual.findIndex((limit) => point < limit);
  }

  #decide(upstream: HostSet, local: HostSet | undefined): void {
    this.#upstream = upstream;
    this.#local = local;
    const { counters } = this.#environment;
    counters.lb_recalculate_zone_structures++;
    this.#decision = NONE;
    if (upstream.localities.length < 2) return;
    if (local === undefined || local.hosts.length === 0 || !local.hasLocal) {
      counters.lb_local_cluster_not_ok++;
      return;
    }
    if (upstream.healthy.length < this.#options.minClusterSize) {
      counters.lb_zone_cluster_too_small++;
      return;
    }
    this.#decision = decide(upstream, local);
  }
}

function decide(upstream: HostSet, local: HostSet): Decision {
  const shares = upstream.localities.map(({ locality, healthy }) => {
    if (healthy.length === 0) return { local: 0, upstream: 0 };
    const here = local.localities.find((l) => same(l.locality, locality));
    return { local: shareOf(here, local), upstream: Math.floor((WHOLE * healthy.length) / upstream.healthy.length) };
  });
  const [own] = shares;
  const { hasLocal } = upstream;
  if (hasLocal && own.upstream > 0 && own.upstream >= own.local) return DIRECT;
  let sum = 0;
  const residual = shares.map((share, i) => {
    const isOwn = i === 0 && hasLocal;
    if (!isOwn && share.upstream > share.local) sum += share.upstream - share.local;
    return sum;
  });
  const stays = hasLocal && own.local > 0 ? Math.floor((own.upstream * WHOLE) / own.local) : 0;
  return { kind: 'residual', local: stays, residual };
}

function shareOf(locality: LocalityHosts | undefined, local: HostSet): number {
  if (locality === undefined || local.healthy.length === 0) return 0;
  return Math.floor((WHOLE * locality.healthy.length) / local.healthy.length);
}

function same(a: Locality, b: Locality): boolean {
  return a.region === b.region && a.zone === b.zone && a.subZone === b.subZone;
}
