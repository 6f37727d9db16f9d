import type { Subscription, SubscriptionSink, SubscriptionStats } from '../xds/client/config-source.ts';
import type { ConfigSourceSpec } from './config/source-spec.ts';
import type { WorkerContext } from './context.ts';

/** What a subscription is for. */
export interface NameSubscriptionOptions {
  readonly source: ConfigSourceSpec;
  readonly typeUrl: string;
  /** The names that are wanted by now. */
  readonly names: () => Iterable<string>;
  readonly sink: SubscriptionSink;
  readonly stats?: SubscriptionStats;
}

/**
 * One subscription to resources of one type and source, whose set of names changes over time (EDS, RDS, ECDS). It begins
 * with the first name.
 */
export class NameSubscription {
  readonly #worker: Pick<WorkerContext, 'configSource'>;
  readonly #options: NameSubscriptionOptions;
  #subscription: Subscription | undefined = undefined;
  #dirty = false;

  constructor(worker: Pick<WorkerContext, 'configSource'>, options: NameSubscriptionOptions) {
    this.#worker = worker;
    this.#options = options;
  }

  /** The set of names has changed. One update of clusters or listeners changes many: they are asked for together after it. */
  namesChanged(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    queueMicrotask(() => {
      this.#dirty = false;
      const names = [...this.#options.names()];
      if (this.#subscription) this.#subscription.setNames(names);
      else if (names.length > 0) this.#subscription = this.#subscribe(names);
    });
  }

  #subscribe(names: readonly string[]): Subscription {
    const { source, typeUrl, sink, stats } = this.#options;
    return this.#worker.configSource(source).subscribe(typeUrl, names, sink, {
      ...(source.kind !== 'path' && { initialFetchTimeoutMs: source.initialFetchTimeoutMs }),
      stats,
    });
  }
}

/** One `T` for each config source, made when its source is used first. */
export class PerSource<T> {
  readonly #make: (source: ConfigSourceSpec) => T;
  readonly #all = new Map<string, T>();

  constructor(make: (source: ConfigSourceSpec) => T) {
    this.#make = make;
  }

  get size(): number {
    return this.#all.size;
  }

  of(source: ConfigSourceSpec): T {
    const key = JSON.stringify(source);
    let one = this.#all.get(key);
    if (one === undefined) {
      one = this.#make(source);
      this.#all.set(key, one);
    }
    return one;
  }

  values(): Iterable<T> {
    return this.#all.values();
  }
}
