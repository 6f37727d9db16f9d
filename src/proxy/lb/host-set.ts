import type { Host, Locality } from '../cluster/host.ts';

/** The hosts of one locality within one priority. */
export interface LocalityHosts {
  readonly locality: Locality;
  /** LocalityLbEndpoints.load_balancing_weight; 0 means that the locality gets nothing where weights count. */
  readonly weight: number;
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
  /** Number of hosts that count neither as there nor as missing: they drain, or were never checked. */
  readonly excluded: number;
}

/** The localities of one priority as the control plane sent them. */
export interface LocalityMembers {
  readonly locality: Locality;
  readonly weight: number;
  readonly hosts: readonly Host[];
}

export interface HostSetOptions {
  /** Percent by which healthy hosts count for more than they are: 140. */
  readonly overprovisioning: number;
  /** `weighted_priority_health`: health of a priority by weight of its hosts instead of their number. */
  readonly weightedHealth: boolean;
}

/** The hosts of one priority, sorted out by health, at one moment. */
export class HostSet {
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
  readonly excluded: number;
  /** Hosts of this proxy's locality first if `hasLocal`, the others by name. */
  readonly localities: readonly LocalityHosts[];
  readonly hasLocal: boolean;
  readonly overprovisioning: number;
  readonly weightedHealth: boolean;
  readonly #own: Locality | undefined;

  /** `hosts` in the order in which they came. */
  constructor(
    hosts: readonly Host[],
    members: readonly LocalityMembers[],
    own: Locality | undefined,
    options: HostSetOptions,
  ) {
    const localities = members.map(sortOut);
    localities.sort((a, b) => compare(a.locality, b.locality));
    const at = own === undefined ? -1 : localities.findIndex((l) => compare(l.locality, own) === 0);
    if (at > 0) localities.unshift(...localities.splice(at, 1));
    this.hosts = hosts;
    this.healthy = all(hosts, isHealthy);
    this.degraded = all(hosts, isDegraded);
    this.excluded = localities.reduce((n, l) => n + l.excluded, 0);
    this.localities = localities;
    this.hasLocal = at >= 0;
    this.overprovisioning = options.overprovisioning;
    this.weightedHealth = options.weightedHealth;
    this.#own = own;
  }

  /** Those hosts of it that pass a test. Localities stay even if nobody in them does; `weigh` gives their new weights. */
  filter(test: (host: Host) => boolean, weigh: (hosts: readonly Host[], before: LocalityHosts) => number): HostSet {
    const members = this.localities.map((locality) => {
      const hosts = locality.hosts.filter(test);
      return { locality: locality.locality, weight: weigh(hosts, locality), hosts };
    });
    return new HostSet(this.hosts.filter(test), members, this.#own, this);
  }
}

export const NO_HOSTS: readonly HostSet[] = [
  new HostSet([], [], undefined, { overprovisioning: 140, weightedHealth: false }),
];

function sortOut({ locality, weight, hosts }: LocalityMembers): LocalityHosts {
  const excluded = hosts.reduce((n, host) => n + (host.excluded ? 1 : 0), 0);
  return { locality, weight, hosts, healthy: all(hosts, isHealthy), degraded: all(hosts, isDegraded), excluded };
}

function isHealthy(host: Host): boolean {
  return host.healthy;
}

function isDegraded(host: Host): boolean {
  return host.degraded;
}

/** The list itself if all are so: mostly all are healthy. */
function all(hosts: readonly Host[], test: (host: Host) => boolean): readonly Host[] {
  return hosts.every(test) ? hosts : hosts.filter(test);
}

/** Order of localities by region, zone and sub-zone. */
function compare(a: Locality, b: Locality): number {
  return order(a.region, b.region) || order(a.zone, b.zone) || order(a.subZone, b.subZone);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
