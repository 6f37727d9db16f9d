import { messageOf } from '../../base/errors.ts';
import type { RawResource, Rejection, Subscription, SubscriptionSink } from '../../xds/client/config-source.ts';

/** What a subscription tells of itself. */
export interface SubscriptionObserver {
  /** Something came from the control plane. */
  live(): void;
  isLive(): boolean;
  /** An update was taken, but for what was rejected. */
  settled(taken: readonly RawResource[], removed: readonly string[], rejected: boolean): void;
  closed(): void;
}

/**
 * One subscription of a proxy, between it and the stream. Before the stream has brought anything, what was kept may stand
 * in; what the stream brings first then also takes away what it does not have.
 */
export class RecordedSubscription implements Subscription, SubscriptionSink {
  readonly typeUrl: string;
  readonly #sink: SubscriptionSink;
  readonly #observer: SubscriptionObserver;
  /** Undefined: everything. */
  names: ReadonlySet<string> | undefined;
  /** Names of what stands in. */
  readonly #standIns = new Set<string>();
  #kept: ReadonlyMap<string, RawResource> | undefined;
  /** Something came from the stream. */
  #heard = false;
  /** An update is being applied, and these wait for it. */
  #applying = false;
  readonly #waiting: (() => void)[] = [];
  #inner: Subscription | undefined;
  #closed = false;

  constructor(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    observer: SubscriptionObserver,
  ) {
    this.typeUrl = typeUrl;
    this.names = names && new Set(names);
    this.#sink = sink;
    this.#observer = observer;
  }

  open(inner: Subscription): void {
    this.#inner = inner;
    if (this.#closed) inner.close();
  }

  /** Delivers what was kept, of that which is followed. A subscriber hears nothing from within its call. */
  standIn(kept: ReadonlyMap<string, RawResource>): void {
    this.#kept = kept;
    this.#offer(this.names ?? kept.keys());
  }

  #offer(names: Iterable<string>): void {
    const kept = this.#kept;
    if (!kept || this.#heard) return;
    const resources = [...names].flatMap((name) => kept.get(name) ?? []);
    if (resources.length === 0 && this.names !== undefined) return;
    queueMicrotask(() => {
      if (this.#heard) return;
      for (const { name } of resources) this.#standIns.add(name);
      this.#apply(resources, [], () => {});
    });
  }

  setNames(names: readonly string[]): void {
    const added = names.filter((name) => !this.names?.has(name));
    this.names = new Set(names);
    for (const name of this.#standIns) if (!this.names.has(name)) this.#standIns.delete(name);
    this.#inner?.setNames(names);
    if (added.length > 0) this.#offer(added);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inner?.close();
    this.#observer.closed();
    for (const next of this.#waiting.splice(0)) next();
  }

  onUpdate(
    resources: readonly RawResource[],
    removed: readonly string[],
    settle: (rejections: readonly Rejection[]) => void,
  ): void {
    this.#observer.live();
    const first = !this.#heard;
    this.#heard = true;
    this.#kept = undefined;
    const gone = new Set(removed);
    // The first answer to a subscription to everything has everything.
    if (first && this.names === undefined) for (const name of this.#standIns) gone.add(name);
    for (const { name } of resources) {
      gone.delete(name);
      this.#standIns.delete(name);
    }
    if (this.names === undefined) this.#standIns.clear();
    this.#apply(resources, [...gone], settle);
  }

  onMissing(names: readonly string[]): void {
    // What stands in is there until the control plane is, and says otherwise.
    const standIns = names.filter((name) => this.#standIns.has(name));
    const missing = names.filter((name) => !this.#standIns.has(name));
    if (this.#observer.isLive() && standIns.length > 0) {
      for (const name of standIns) this.#standIns.delete(name);
      this.#apply([], standIns, () => {});
    }
    if (missing.length > 0 || (names.length === 0 && this.#standIns.size === 0)) this.#sink.onMissing(missing);
  }

  #apply(
    resources: readonly RawResource[],
    removed: readonly string[],
    settle: (rejections: readonly Rejection[]) => void,
  ): void {
    if (this.#closed) {
      settle([]);
      return;
    }
    if (this.#applying) {
      this.#waiting.push(() => this.#apply(resources, removed, settle));
      return;
    }
    this.#applying = true;
    let settled = false;
    const done = (rejections: readonly Rejection[]) => {
      if (settled) return;
      settled = true;
      this.#applying = false;
      const rejected = new Set(rejections.map(({ name }) => name));
      this.#observer.settled(
        resources.filter(({ name }) => !rejected.has(name)),
        removed,
        rejections.length > 0,
      );
      settle(rejections);
      this.#waiting.shift()?.();
    };
    try {
      this.#sink.onUpdate(resources, removed, done);
    } catch (error) {
      done(resources.map(({ name }) => ({ name, reason: messageOf(error) })));
    }
  }
}
