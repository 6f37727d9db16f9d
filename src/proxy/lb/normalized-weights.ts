import type { Host } from '../cluster/host.ts';
import type { HostSet } from './host-set.ts';

/** A host and its share of all requests of its priority, above 0 and up to 1. */
export interface HostShare {
  readonly host: Host;
  readonly share: number;
}

/**
 * The shares of the hosts of a priority that hash tables are made from: of healthy hosts only, or of all in a panic; with
 * `localityWeighted`, localities share by their weights and hosts share what their locality gets.
 */
export function hostShares(set: HostSet, panic: boolean, localityWeighted: boolean): HostShare[] {
  const part = panic ? 'hosts' : 'healthy';
  if (!localityWeighted) return shares(set[part], 1);
  const total = set.localities.reduce((n, locality) => n + locality.weight, 0);
  if (total === 0) return [];
  return set.localities.flatMap((locality) =>
    locality.weight === 0 ? [] : shares(locality[part], locality.weight / total),
  );
}

function shares(hosts: readonly Host[], whole: number): HostShare[] {
  const total = hosts.reduce((n, host) => n + host.weight, 0);
  // The order of these operations is Envoy's: another one rounds differently, and moves hosts on a ring.
  return hosts.map((host) => ({ host, share: (host.weight * whole) / total }));
}
