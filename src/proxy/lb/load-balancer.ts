import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';

/** Chooses among the hosts of one list; a new list means a new picker. */
export interface Picker {
  pick(context: LoadBalancerContext): Host | undefined;
}

/** What a policy gets to work with besides the hosts. */
export interface PickerEnvironment {
  readonly random: () => number;
  readonly now: () => number;
  /** Weight of a host at this moment, slow start included. */
  readonly weightOf: (host: Host) => number;
}

/**
 * A load balancing policy. `previous` is the picker of the list before, so that a rotation goes on where it was. Lists
 * are of healthy hosts, or of all in a panic.
 */
export interface Policy {
  readonly name: string;
  build(hosts: readonly Host[], environment: PickerEnvironment, previous: Picker | undefined): Picker;
  /**
   * Hash policies choose by the request's hash from all priorities' hosts as they are; localities and their weights are
   * part of their own table instead of a choice before it.
   */
  readonly ownLocalityWeights?: boolean;
}

/** Whether all weights are the same, in which case no policy needs a scheduler. */
export function equalWeights(hosts: readonly Host[]): boolean {
  for (let i = 1; i < hosts.length; i++) if (hosts[i].weight !== hosts[0].weight) return false;
  return true;
}
