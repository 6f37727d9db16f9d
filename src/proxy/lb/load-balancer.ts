import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host, Locality } from '../cluster/host.ts';
import type { StatGroup } from '../observe/stats.ts';
import type { HostSet } from './host-set.ts';

/** Chooses a host for each request. One per cluster and worker; told when hosts, their weights or their health change. */
export interface LoadBalancer {
  /** Takes the priorities as they are now, at least one. Tables are made when the next request needs them. */
  update(priorities: readonly HostSet[]): void;
  /** Undefined if there is no host to use. */
  pick(context: LoadBalancerContext): Host | undefined;
  /** Statistics of the policy's own, under the cluster's prefix and this name. */
  readonly stats?: { readonly prefix: string; readonly group: StatGroup };
}

/** A load balancing policy with its options. */
export interface Policy {
  /** Envoy's name for it, such as `envoy.load_balancing_policies.round_robin`. */
  readonly name: string;
  create(environment: BalancerEnvironment): LoadBalancer;
  /** The same policy with the locality chosen first, by weight; only for policies that choose among the hosts of a list. */
  byLocality?(): Policy;
}

/** Counters of the cluster that balancing keeps: part of `ClusterStats`. */
export interface BalancerCounters {
  lb_healthy_panic: number;
  lb_local_cluster_not_ok: number;
  lb_recalculate_zone_structures: number;
  lb_zone_cluster_too_small: number;
  lb_zone_no_capacity_left: number;
  lb_zone_routing_all_directly: number;
  lb_zone_routing_cross_zone: number;
  lb_zone_routing_sampled: number;
  lb_subsets_active: number;
  lb_subsets_created: number;
  lb_subsets_fallback: number;
  lb_subsets_fallback_panic: number;
  lb_subsets_removed: number;
  lb_subsets_selected: number;
  /** Hosts that were left out of subsets of one host; undefined while there are no such subsets. */
  duplicatesInSubsets: number | undefined;
  /** Requests under way to the whole cluster, which bounded loads are measured against. */
  readonly upstream_rq_active: number;
}

/** The cluster that this proxy itself is part of (`local_cluster_name`), for zone aware routing. */
export interface LocalCluster {
  /** Its hosts of priority 0, or undefined while it is not known. */
  hostSet(): HostSet | undefined;
}

/** What a policy gets to work with besides the hosts. */
export interface BalancerEnvironment {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds of the worker's clock. */
  readonly now: () => number;
  readonly counters: BalancerCounters;
  /** Percent of available hosts below which health is ignored (`healthy_panic_threshold`); 0 disables. */
  readonly panicThreshold: number;
  /** Where this proxy is. */
  readonly locality: Locality;
  readonly local: LocalCluster | undefined;
}

/** Chooses among the hosts of one list; a new list means a new picker. */
export interface Picker {
  pick(context: LoadBalancerContext): Host | undefined;
}

/**
 * Makes pickers for lists of hosts that are never empty. `previous` is the picker of the list before, so that a rotation
 * goes on where it was.
 */
export interface PickerFactory {
  build(hosts: readonly Host[], environment: BalancerEnvironment, previous: Picker | undefined): Picker;
}
