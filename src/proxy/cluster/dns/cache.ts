import { Backoff } from '../../../base/backoff.ts';
import type { WorkerContext } from '../../context.ts';
import type { SocketAddress } from '../../net/connection.ts';
import type { Timer } from '../../timers.ts';
import { formatAuthority, splitAuthority } from './authority.ts';
import type { DnsCacheConfig } from './cache-config.ts';
import type { CachedName, CacheListener, Lookup, NameCache } from './cache-source.ts';
import type { DnsCacheStats } from './cache-stats.ts';
import { detailsOf, failureDetails } from './failure-details.ts';
import type { DnsAnswer, DnsResolver } from './resolver.ts';

type Waiter = (name: CachedName) => void;

class Entry implements CachedName {
  readonly key: string;
  readonly host: string;
  readonly port: number;
  readonly backoff: Backoff | undefined;
  addresses: readonly SocketAddress[] = [];
  failure = '';
  answered = false;
  lastUsed: number;
  /** Grows with each question, so that an answer that comes too late is known as such. */
  question = 0;
  timer: Timer | undefined = undefined;
  readonly waiters = new Set<Waiter>();

  constructor(host: string, port: number, backoff: Backoff | undefined, now: number) {
    this.host = host;
    this.port = port;
    this.key = formatAuthority(host, port);
    this.backoff = backoff;
    this.lastUsed = now;
  }
}

/**
 * Addresses of names that requests bring, shared by the filters that wait for them and the clusters that connect to
 * them. A name is asked for when it is first wanted, then again whenever its answer runs out, until nobody wants it.
 */
export class DnsCache implements NameCache {
  readonly config: DnsCacheConfig;
  readonly #resolver: Pick<DnsResolver, 'resolve'>;
  readonly #worker: WorkerContext;
  readonly #stats: DnsCacheStats;
  readonly #names = new Map<string, Entry>();
  readonly #listeners = new Set<CacheListener>();
  #closed = false;

  constructor(
    config: DnsCacheConfig,
    resolver: Pick<DnsResolver, 'resolve'>,
    stats: DnsCacheStats,
    worker: WorkerContext,
  ) {
    this.config = config;
    this.#resolver = resolver;
    this.#worker = worker;
    this.#stats = stats;
    stats.pending.max = config.maxPending;
    for (const { host, port } of config.preresolve) this.#add(host, port);
  }

  lookUp(authority: string, defaultPort: number, onAnswer: Waiter): Lookup {
    const { pending } = this.#stats;
    if (pending.inUse >= pending.max) {
      this.#stats.dns_rq_pending_overflow++;
      return { kind: 'pending-overflow' };
    }
    const entry = this.#entry(authority, defaultPort);
    if (entry === undefined) return { kind: 'overflow' };
    entry.lastUsed = this.#worker.timers.now();
    if (entry.answered) return { kind: 'known', name: entry };
    pending.inUse++;
    const waiter: Waiter = (name) => {
      pending.inUse--;
      onAnswer(name);
    };
    entry.waiters.add(waiter);
    return {
      kind: 'pending',
      cancel() {
        if (entry.waiters.delete(waiter)) pending.inUse--;
      },
    };
  }

  #entry(authority: string, defaultPort: number): Entry | undefined {
    const { host, port = defaultPort } = splitAuthority(authority);
    const known = this.#names.get(formatAuthority(host, port));
    if (known !== undefined) return known;
    if (this.#names.size >= this.config.maxHosts) {
      this.#stats.host_overflow++;
      return undefined;
    }
    return this.#add(host, port);
  }

  touch(key: string): void {
    const entry = this.#names.get(key);
    if (entry !== undefined) entry.lastUsed = this.#worker.timers.now();
  }

  listen(listener: CacheListener): { readonly names: readonly CachedName[]; stop(): void } {
    this.#listeners.add(listener);
    return {
      names: [...this.#names.values()].filter(({ addresses }) => addresses.length > 0),
      stop: () => this.#listeners.delete(listener),
    };
  }

  /** Asks for nothing any more. Those who wait still get their answers. */
  close(): void {
    this.#closed = true;
    for (const { timer, waiters } of this.#names.values()) if (waiters.size === 0) timer?.cancel();
    this.#stats.num_hosts = 0;
  }

  #add(host: string, port: number): Entry {
    const { failureRefreshMs } = this.config;
    const { random, timers } = this.#worker;
    const backoff =
      failureRefreshMs && new Backoff({ initialMs: failureRefreshMs[0], maxMs: failureRefreshMs[1], random });
    const entry = new Entry(host, port, backoff, timers.now());
    this.#names.set(entry.key, entry);
    this.#stats.host_added++;
    this.#stats.num_hosts++;
    this.#ask(entry);
    return entry;
  }

  #ask(entry: Entry): void {
    const { queryTimeoutMs, family } = this.config;
    const { timers, flushQueue } = this.#worker;
    this.#stats.dns_query_attempt++;
    const question = ++entry.question;
    const settle = (answer: DnsAnswer | undefined, failure: string) => {
      if (entry.question !== question) return;
      entry.question++;
      entry.timer?.cancel();
      this.#take(entry, answer, failure);
    };
    if (queryTimeoutMs > 0) {
      entry.timer = timers.start(queryTimeoutMs, () => {
        this.#stats.dns_query_timeout++;
        settle(undefined, 'resolve_timeout');
      });
    }
    const later = (answer: DnsAnswer | undefined, failure: string) => {
      timers.newEvent();
      flushQueue.run(() => settle(answer, failure));
    };
    this.#resolver.resolve(entry.host, family).then(
      (answer) => later(answer, answer.addresses.length > 0 ? '' : failureDetails(answer.negative ?? 'ENOTFOUND')),
      (error: unknown) => later(undefined, detailsOf(error)),
    );
  }

  #take(entry: Entry, answer: DnsAnswer | undefined, failure: string): void {
    const stats = this.#stats;
    if (answer === undefined) stats.dns_query_failure++;
    else stats.dns_query_success++;
    // A name that has no address for the moment stays where it was.
    if (answer !== undefined && answer.addresses.length > 0) {
      this.#move(
        entry,
        answer.addresses.map((address) => ({ ...address, port: entry.port })),
      );
    }
    entry.failure = entry.addresses.length === 0 ? failure : '';
    entry.answered = true;
    for (const waiter of entry.waiters) {
      entry.waiters.delete(waiter);
      waiter(entry);
    }
    if (this.#closed) return;
    entry.timer = this.#worker.timers.start(this.#wait(entry, answer), () => this.#refresh(entry));
  }

  #wait(entry: Entry, answer: DnsAnswer | undefined): number {
    const { refreshMs, minRefreshMs } = this.config;
    if (answer === undefined || answer.addresses.length === 0) return entry.backoff?.next() ?? refreshMs;
    entry.backoff?.reset();
    return answer.ttl === undefined ? refreshMs : Math.max(answer.ttl * 1000, minRefreshMs);
  }

  /** The first address counts: the others are what is tried when that does not answer. */
  #move(entry: Entry, addresses: readonly SocketAddress[]): void {
    if (entry.addresses[0]?.address === addresses[0].address) return;
    entry.addresses = addresses;
    this.#stats.host_address_changed++;
    for (const listener of this.#listeners) listener.onAddress(entry);
  }

  /** The answer has run out. */
  #refresh(entry: Entry): void {
    if (this.#worker.timers.now() - entry.lastUsed <= this.config.hostTtlMs) {
      this.#ask(entry);
      return;
    }
    this.#names.delete(entry.key);
    this.#stats.host_removed++;
    this.#stats.num_hosts--;
    for (const listener of this.#listeners) listener.onRemoved(entry);
  }
}
