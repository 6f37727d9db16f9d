import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { ClientUpdate, Interest } from '../session/client-session.ts';
import type { RawResource, Rejection, SubscribeOptions, SubscriptionSink } from './config-source.ts';

/** One subscriber of a type. */
export interface Subscriber {
  /** Undefined: everything. */
  names: ReadonlySet<string> | undefined;
  readonly sink: SubscriptionSink;
  readonly options: SubscribeOptions;
  /** Names that nothing was heard of yet. */
  readonly waiting: Set<string>;
  /** Whether anything was heard at all. */
  heard: boolean;
  closed: boolean;
  cancelTimer: () => void;
}

/** What an update is to one subscriber. */
interface Share {
  readonly changed: RawResource[];
  readonly removed: string[];
  readonly missing: string[];
}

const NOBODY: ReadonlySet<Subscriber> = new Set();

/**
 * Everyone who subscribed to one type. The union of their wishes is what the session asks for; each gets its share of
 * an update, and the update is settled when the last of them has settled its share.
 */
export class Subscriptions {
  readonly #all = new Set<Subscriber>();
  readonly #wildcards = new Set<Subscriber>();
  readonly #byName = new Map<string, Set<Subscriber>>();
  readonly #clock: Clock;
  readonly #initialFetchTimeoutMs: number;

  constructor(clock: Clock, initialFetchTimeoutMs: number) {
    this.#clock = clock;
    this.#initialFetchTimeoutMs = initialFetchTimeoutMs;
  }

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<Subscriber> {
    return this.#all.values();
  }

  /** What all of them want together. */
  interest(): Interest {
    return { wildcard: this.#wildcards.size > 0, names: new Set(this.#byName.keys()) };
  }

  add(names: readonly string[] | undefined, sink: SubscriptionSink, options: SubscribeOptions): Subscriber {
    const subscriber: Subscriber = {
      names: undefined,
      sink,
      options,
      waiting: new Set(),
      heard: false,
      closed: false,
      cancelTimer: () => {},
    };
    this.#all.add(subscriber);
    if (names) this.setNames(subscriber, names);
    else {
      this.#wildcards.add(subscriber);
      this.#startTimer(subscriber);
    }
    return subscriber;
  }

  /** Returns the names that are new to the subscriber. */
  setNames(subscriber: Subscriber, names: readonly string[]): string[] {
    const before = subscriber.names ?? new Set<string>();
    const after = new Set(names);
    const added = [...after].filter((name) => !before.has(name));
    for (const name of before) {
      if (after.has(name)) continue;
      this.#unlink(subscriber, name);
      subscriber.waiting.delete(name);
    }
    for (const name of added) {
      const followers = this.#byName.get(name);
      if (followers) followers.add(subscriber);
      else this.#byName.set(name, new Set([subscriber]));
      subscriber.waiting.add(name);
    }
    subscriber.names = after;
    if (added.length > 0) this.#startTimer(subscriber);
    return added;
  }

  remove(subscriber: Subscriber): void {
    subscriber.closed = true;
    subscriber.cancelTimer();
    this.#all.delete(subscriber);
    this.#wildcards.delete(subscriber);
    for (const name of subscriber.names ?? []) this.#unlink(subscriber, name);
  }

  /** Hands an update to everyone whom it concerns; `done` is called once, with whatever any of them rejected. */
  dispatch(update: ClientUpdate, done: (rejections: readonly Rejection[]) => void): void {
    const shares = new Map<Subscriber, Share>();
    const shareOf = (subscriber: Subscriber): Share => {
      let share = shares.get(subscriber);
      if (!share) shares.set(subscriber, (share = { changed: [], removed: [], missing: [] }));
      return share;
    };
    const named = (name: string) => this.#byName.get(name) ?? NOBODY;
    for (const resource of update.changed) {
      for (const subscriber of named(resource.name)) shareOf(subscriber).changed.push(resource);
      for (const subscriber of this.#wildcards) shareOf(subscriber).changed.push(resource);
    }
    for (const name of update.removed) {
      for (const subscriber of named(name)) shareOf(subscriber).removed.push(name);
      for (const subscriber of this.#wildcards) shareOf(subscriber).removed.push(name);
    }
    for (const name of update.missing) for (const subscriber of named(name)) shareOf(subscriber).missing.push(name);
    // The first answer says that there is nothing, if there is nothing.
    for (const subscriber of this.#wildcards) if (!subscriber.heard) shareOf(subscriber);

    const rejections: Rejection[] = [];
    let open = 1;
    const close = () => {
      if (--open === 0) done(rejections);
    };
    for (const [subscriber, share] of shares) {
      open++;
      this.#deliver(subscriber, share, (rejected) => {
        rejections.push(...rejected);
        this.#count(subscriber, update, rejected.length > 0 || update.refused.length > 0);
        close();
      });
    }
    close();
  }

  /** Hands resources that are there already to a subscriber that has just asked for them. There is nothing to NACK. */
  catchUp(subscriber: Subscriber, resources: readonly RawResource[], done: (rejections: readonly Rejection[]) => void) {
    this.#deliver(subscriber, { changed: [...resources], removed: [], missing: [] }, done);
  }

  #deliver(subscriber: Subscriber, share: Share, done: (rejections: readonly Rejection[]) => void): void {
    if (subscriber.closed) {
      done([]);
      return;
    }
    this.#heardOf(subscriber, share);
    let settled = false;
    const settle = (rejections: readonly Rejection[]) => {
      if (settled) return;
      settled = true;
      done(rejections);
    };
    try {
      if (share.missing.length > 0) subscriber.sink.onMissing(share.missing);
      if (share.changed.length > 0 || share.removed.length > 0 || share.missing.length === 0)
        subscriber.sink.onUpdate(share.changed, share.removed, settle);
      else settle([]);
    } catch (error) {
      settle(share.changed.map(({ name }) => ({ name, reason: messageOf(error) })));
    }
  }

  #heardOf(subscriber: Subscriber, share: Share): void {
    subscriber.heard = true;
    for (const { name } of share.changed) subscriber.waiting.delete(name);
    for (const name of share.removed) subscriber.waiting.delete(name);
    for (const name of share.missing) subscriber.waiting.delete(name);
    if (subscriber.waiting.size === 0) subscriber.cancelTimer();
  }

  #count(subscriber: Subscriber, update: ClientUpdate, rejected: boolean): void {
    const { stats } = subscriber.options;
    stats?.attempt();
    if (rejected) stats?.rejected();
    else stats?.success(update.version, this.#clock.now());
  }

  #startTimer(subscriber: Subscriber): void {
    subscriber.cancelTimer();
    const ms = subscriber.options.initialFetchTimeoutMs ?? this.#initialFetchTimeoutMs;
    if (ms <= 0) return;
    subscriber.cancelTimer = this.#clock.setTimer(ms, () => {
      const names = [...subscriber.waiting];
      subscriber.waiting.clear();
      if (subscriber.heard && names.length === 0) return;
      subscriber.options.stats?.initFetchTimeout();
      subscriber.options.stats?.attempt();
      subscriber.sink.onMissing(names);
    });
  }

  #unlink(subscriber: Subscriber, name: string): void {
    const followers = this.#byName.get(name);
    followers?.delete(subscriber);
    if (followers?.size === 0) this.#byName.delete(name);
  }
}
