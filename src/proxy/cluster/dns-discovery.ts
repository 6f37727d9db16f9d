import { Backoff } from '../../base/backoff.ts';
import type { WorkerContext } from '../context.ts';
import type { Timer } from '../timers.ts';
import type { DnsOptions } from './config.ts';
import { resolve } from './dns.ts';
import type { Assignment, EndpointTemplate, LocalityTemplate } from './endpoints.ts';
import type { HostDescription } from './host.ts';

interface Target {
  readonly template: EndpointTemplate;
  readonly group: LocalityTemplate;
  readonly backoff: Backoff | undefined;
  hosts: readonly HostDescription[];
  answered: boolean;
  timer: Timer | undefined;
}

/** What the discovery of a cluster by DNS tells. */
export interface DnsEvents {
  /** The endpoints as they are known now. `complete` once every name has been asked at least once. */
  onEndpoints(assignment: Assignment, complete: boolean): void;
  onAttempt(): void;
  onFailure(name: string, error: unknown): void;
  onSuccess(): void;
}

/**
 * Keeps the endpoints of a STRICT_DNS or LOGICAL_DNS cluster up to date: each name is asked again when its time is up,
 * and a name that cannot be asked keeps what it had.
 */
export class DnsDiscovery {
  readonly #targets: Target[];
  readonly #policy: Pick<Assignment, 'overprovisioning' | 'drops'>;
  readonly #options: DnsOptions;
  readonly #logical: boolean;
  readonly #worker: WorkerContext;
  readonly #events: DnsEvents;
  #closed = false;

  constructor(
    groups: readonly LocalityTemplate[],
    policy: Pick<Assignment, 'overprovisioning' | 'drops'>,
    options: DnsOptions,
    logical: boolean,
    worker: WorkerContext,
    events: DnsEvents,
  ) {
    this.#policy = policy;
    this.#options = options;
    this.#logical = logical;
    this.#worker = worker;
    this.#events = events;
    const failure = options.failureRefreshMs;
    this.#targets = groups.flatMap((group) =>
      group.endpoints.map((template) => ({
        template,
        group,
        backoff: failure && new Backoff({ initialMs: failure[0], maxMs: failure[1], random: worker.random }),
        hosts: [],
        answered: false,
        timer: undefined,
      })),
    );
  }

  start(): void {
    if (this.#targets.length === 0) this.#publish();
    for (const target of this.#targets) void this.#ask(target);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#targets) timer?.cancel();
  }

  async #ask(target: Target): Promise<void> {
    const { template } = target;
    const { refreshMs, respectTtl, family } = this.#options;
    this.#events.onAttempt();
    let wait = refreshMs;
    try {
      const { addresses, ttl } = await resolve(template.host, family);
      if (this.#closed) return;
      const used = this.#logical ? addresses.slice(0, 1) : addresses;
      target.hosts = used.map((a) => template.describe({ ...a, port: template.port }, template.host));
      target.backoff?.reset();
      if (respectTtl && ttl !== undefined) wait = Math.max(1, ttl) * 1000;
      this.#events.onSuccess();
    } catch (error) {
      if (this.#closed) return;
      if (target.backoff) wait = target.backoff.next();
      this.#events.onFailure(template.host, error);
    }
    target.answered = true;
    target.timer = this.#worker.timers.start(wait, () => void this.#ask(target));
    this.#worker.flushQueue.run(() => this.#publish());
  }

  #publish(): void {
    const groups = new Map<LocalityTemplate, HostDescription[]>();
    for (const { group, hosts } of this.#targets) groups.set(group, [...(groups.get(group) ?? []), ...hosts]);
    const localities = [...groups].map(([group, hosts]) => ({
      locality: group.locality,
      priority: group.priority,
      weight: group.weight,
      hosts,
    }));
    this.#events.onEndpoints(
      { ...this.#policy, localities },
      this.#targets.every((t) => t.answered),
    );
  }
}
