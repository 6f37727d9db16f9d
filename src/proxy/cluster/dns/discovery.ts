import { Backoff } from '../../../base/backoff.ts';
import type { WorkerContext } from '../../context.ts';
import type { SocketAddress } from '../../net/connection.ts';
import type { Timer } from '../../timers.ts';
import type { Assignment, AssignmentPolicy, EndpointTemplate, LocalityTemplate } from '../endpoints.ts';
import type { HostDescription } from '../host.ts';
import type { DnsConfig } from './config.ts';
import type { DnsAnswer, DnsResolver } from './resolver.ts';

interface Target {
  readonly template: EndpointTemplate;
  readonly group: LocalityTemplate;
  readonly backoff: Backoff | undefined;
  hosts: readonly HostDescription[];
  /** Its last answer, in a form that can be compared. */
  addresses: string;
  answered: boolean;
  timer: Timer | undefined;
}

/** What the discovery of a cluster by DNS tells. */
export interface DnsEvents {
  /** The endpoints as they are known now. */
  onEndpoints(assignment: Assignment): void;
  /** Every name has been asked at least once. May come again. */
  onComplete(): void;
  onAttempt(): void;
  onFailure(name: string, error: unknown): void;
  onSuccess(): void;
  /** An answer that is the same as the one before, or empty as the beginning is. */
  onUnchanged(): void;
}

export interface DnsDiscoveryOptions {
  readonly groups: readonly LocalityTemplate[];
  readonly policy: AssignmentPolicy;
  readonly config: DnsConfig;
  /** One host however many addresses its name has: the first is used, and the others if that does not answer. */
  readonly logical: boolean;
  readonly resolver: DnsResolver;
}

/**
 * Keeps the endpoints of a STRICT_DNS or LOGICAL_DNS cluster up to date: each name is asked again when its time is up,
 * and a name that cannot be asked keeps what it had.
 */
export class DnsDiscovery {
  readonly #options: DnsDiscoveryOptions;
  readonly #targets: readonly Target[];
  readonly #worker: WorkerContext;
  readonly #events: DnsEvents;
  #closed = false;

  constructor(options: DnsDiscoveryOptions, worker: WorkerContext, events: DnsEvents) {
    this.#options = options;
    this.#worker = worker;
    this.#events = events;
    const failure = options.config.failureRefreshMs;
    this.#targets = options.groups.flatMap((group) =>
      group.endpoints.map((template) => ({
        template,
        group,
        backoff: failure && new Backoff({ initialMs: failure[0], maxMs: failure[1], random: worker.random }),
        hosts: [],
        addresses: '',
        answered: false,
        timer: undefined,
      })),
    );
  }

  start(): void {
    if (this.#targets.length === 0) this.#events.onComplete();
    for (const target of this.#targets) void this.#ask(target);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#targets) timer?.cancel();
  }

  async #ask(target: Target): Promise<void> {
    const { resolver, config } = this.#options;
    this.#events.onAttempt();
    let answer: DnsAnswer | undefined;
    let failure: unknown;
    try {
      answer = await resolver.resolve(target.template.host, config.family);
    } catch (error) {
      failure = error;
    }
    if (this.#closed) return;
    this.#worker.timers.newEvent();
    this.#worker.flushQueue.run(() => {
      const before = target.addresses;
      const first = !target.answered;
      const wait = answer === undefined ? this.#failed(target, failure) : this.#take(target, answer);
      target.answered = true;
      target.timer = this.#worker.timers.start(wait, () => void this.#ask(target));
      const same = target.addresses === before;
      if (same && answer !== undefined) this.#events.onUnchanged();
      if (answer !== undefined && (first || !same)) this.#publish();
      if (this.#targets.every(({ answered }) => answered)) this.#events.onComplete();
    });
  }

  #failed(target: Target, error: unknown): number {
    this.#events.onFailure(target.template.host, error);
    return target.backoff?.next() ?? this.#options.config.refreshMs;
  }

  #take(target: Target, { addresses, ttl }: DnsAnswer): number {
    const { config, logical } = this.#options;
    this.#events.onSuccess();
    target.backoff?.reset();
    // A logical host whose name has no addresses for the moment stays where it was.
    if (!logical || addresses.length > 0) this.#move(target, addresses);
    const byTtl = config.respectTtl && ttl !== undefined && ttl > 0;
    const wait = byTtl ? Math.max(ttl * 1000, config.minRefreshMs) : config.refreshMs;
    return wait + Math.floor(this.#worker.random() * config.jitterMs);
  }

  #move(target: Target, answer: DnsAnswer['addresses']): void {
    const { config, logical } = this.#options;
    // Name servers rotate their answers: for a strict host the order means nothing, and an address counts once.
    const texts = [...new Set(answer.map(({ address }) => address))];
    const key = (logical ? texts : texts.sort()).join(' ');
    if (key === target.addresses) return;
    target.addresses = key;
    const { template } = target;
    const seen = new Set<string>();
    const at = answer.flatMap((address): SocketAddress[] => {
      if (seen.has(address.address)) return [];
      seen.add(address.address);
      return [{ ...address, port: template.port }];
    });
    if (!logical) target.hosts = at.map((address) => template.describe(address, template.host));
    else {
      const others = config.family === 'all' ? at.slice(1) : [];
      target.hosts = [template.describe(at[0], template.host, others)];
    }
  }

  #publish(): void {
    const groups = new Map<LocalityTemplate, HostDescription[]>();
    for (const { group, hosts } of this.#targets) {
      const list = groups.get(group);
      if (list === undefined) groups.set(group, [...hosts]);
      else list.push(...hosts);
    }
    const localities = [...groups].map(([{ locality, priority, weight }, hosts]) => ({
      locality,
      priority,
      weight,
      hosts,
    }));
    this.#events.onEndpoints({ ...this.#options.policy, localities });
  }
}
