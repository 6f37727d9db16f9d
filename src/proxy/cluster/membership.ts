import { HostSet, type LocalityMembers, NO_HOSTS } from '../lb/host-set.ts';
import type { Assignment } from './endpoints.ts';
import { EDS_FLAGS, HealthFlag, Host, type HostDescription, type Locality } from './host.ts';

/** By what an endpoint is recognised when the list is sent anew. */
export type Identity =
  /** Its address; each counts once (EDS). */
  | 'address'
  /** Its address and name; it may be listed several times. */
  | 'endpoint'
  /** Its place in the list: its address may change, and connections to the old one stay (LOGICAL_DNS). */
  | 'place';

export interface MembershipOptions {
  /** Milliseconds of the worker's clock. */
  readonly now: () => number;
  /** Where this proxy is; undefined where nobody says. */
  readonly locality: Locality | undefined;
  readonly identity: Identity;
  /** Health checks decide: hosts begin as failed, and `ignore_new_hosts_until_first_hc` leaves them out until then. */
  readonly checked: boolean;
  readonly excludeUnchecked: boolean;
  /** A host that is no longer listed stays for as long as it passes its health checks. */
  readonly keepHealthy: boolean;
}

/** What an update changed. */
export interface MembershipChange {
  readonly added: readonly Host[];
  readonly removed: readonly Host[];
}

interface Group {
  readonly priority: number;
  readonly locality: Locality;
  weight: number;
  readonly hosts: Host[];
}

const FAILED = HealthFlag.FailedActiveHealthCheck | HealthFlag.FailedEdsHealth | HealthFlag.EdsDraining;

/** The hosts of a cluster: who is there, in which priority and locality, and in which state of health. */
export class Membership {
  readonly #options: MembershipOptions;
  #hosts = new Map<string, Host>();
  #groups: Group[] = [];
  #byName: Map<string, Host> | undefined = undefined;
  #policy: Pick<Assignment, 'overprovisioning' | 'weightedHealth'> = { overprovisioning: 140, weightedHealth: false };
  #sets: readonly HostSet[] | undefined = NO_HOSTS;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hosts.size;
  }

  get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  /** The host at an address such as `10.0.0.1:80`. */
  at(name: string): Host | undefined {
    this.#byName ??= new Map([...this.#hosts.values()].map((host) => [host.name, host]));
    return this.#byName.get(name);
  }

  /** The priorities as they are now, at least one; the same array until something changes. */
  get priorities(): readonly HostSet[] {
    return (this.#sets ??= this.#sortOut());
  }

  /** Health or weight of a host has changed. */
  touch(): void {
    this.#sets = undefined;
  }

  /** Takes a new list of endpoints. Hosts that stay are the same objects, with what is known of them. */
  update(assignment: Assignment): MembershipChange {
    const before = this.#hosts;
    const hosts = new Map<string, Host>();
    const added: Host[] = [];
    const groups = new Map<string, Group>();
    for (const { locality, priority, weight, hosts: descriptions } of assignment.localities) {
      const group = groupOf(groups, priority, locality);
      group.weight = weight;
      for (const description of descriptions) {
        const identity = this.#identify(description, hosts);
        if (identity === undefined) continue;
        let host = before.get(identity);
        if (host === undefined) added.push((host = this.#newHost(description)));
        else describeAnew(host, description);
        hosts.set(identity, host);
        group.hosts.push(host);
      }
    }
    const removed: Host[] = [];
    for (const [identity, host] of before) {
      if (hosts.has(identity)) continue;
      if (this.#options.keepHealthy && !host.has(FAILED)) {
        host.setHealthFlag(HealthFlag.PendingDynamicRemoval, true);
        hosts.set(identity, host);
        groupOf(groups, host.description.priority, host.description.locality).hosts.push(host);
      } else removed.push(host);
    }
    this.#hosts = hosts;
    this.#groups = [...groups.values()];
    this.#policy = assignment;
    this.#forgetTables();
    return { added, removed };
  }

  /** Removes hosts that discovery has dropped and that have failed their health check since. */
  dropFailed(): readonly Host[] {
    const gone = [...this.#hosts].filter(
      ([, host]) => host.has(HealthFlag.PendingDynamicRemoval) && host.has(HealthFlag.FailedActiveHealthCheck),
    );
    if (gone.length === 0) return [];
    for (const [identity, host] of gone) {
      this.#hosts.delete(identity);
      for (const { hosts } of this.#groups) {
        const at = hosts.indexOf(host);
        if (at >= 0) hosts.splice(at, 1);
      }
    }
    this.#forgetTables();
    return gone.map(([, host]) => host);
  }

  #forgetTables(): void {
    this.#byName = undefined;
    this.#sets = undefined;
  }

  #newHost(description: HostDescription): Host {
    const host = new Host(description, this.#options.now());
    if (this.#options.checked && !description.healthCheckDisabled) {
      host.setHealthFlag(HealthFlag.FailedActiveHealthCheck, true);
      if (this.#options.excludeUnchecked) host.setHealthFlag(HealthFlag.PendingActiveHealthCheck, true);
    }
    return host;
  }

  /** Undefined for an endpoint that is listed already. */
  #identify({ address, hostname }: HostDescription, seen: ReadonlyMap<string, Host>): string | undefined {
    const { identity: kind } = this.#options;
    if (kind === 'place') return String(seen.size);
    const key = address.family === 0 ? address.address : `${address.address}|${address.port}`;
    if (kind === 'address') return seen.has(key) ? undefined : key;
    const named = `${key}|${hostname}`;
    let identity = named;
    for (let i = 1; seen.has(identity); i++) identity = `${named}|${i}`;
    return identity;
  }

  #sortOut(): readonly HostSet[] {
    const members: LocalityMembers[][] = [[]];
    for (const group of this.#groups) {
      while (members.length <= group.priority) members.push([]);
      members[group.priority].push(group);
    }
    const { locality } = this.#options;
    return members.map(
      (list) =>
        new HostSet(
          list.flatMap(({ hosts }) => hosts),
          list,
          locality,
          { overprovisioning: this.#policy.overprovisioning, weightedHealth: this.#policy.weightedHealth },
        ),
    );
  }
}

function groupOf(groups: Map<string, Group>, priority: number, locality: Locality): Group {
  const key = JSON.stringify([priority, locality.region, locality.zone, locality.subZone]);
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = { priority, locality, weight: 0, hosts: [] }));
  return group;
}

function describeAnew(host: Host, description: HostDescription): void {
  host.health = (host.health & ~(EDS_FLAGS | HealthFlag.PendingDynamicRemoval)) | description.edsHealth;
  host.describe(description);
}
