import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type {
  ConfigSource,
  RawResource,
  SubscribeOptions,
  Subscription,
  SubscriptionSink,
} from '../../xds/client/config-source.ts';
import { Resource } from '../../xds/session/resource-types.ts';
import type { ConfigurationCounts } from '../data-plane/data-plane.ts';
import { RecordedSubscription } from './recorded-subscription.ts';
import type { ConfigurationStore, Resources } from './store.ts';

export interface RecordingOptions {
  /** The stream from the control plane. */
  readonly source: ConfigSource;
  /** Where the last good configuration is kept; undefined keeps none. */
  readonly store: ConfigurationStore | undefined;
  /** What was kept. */
  readonly kept: Resources | undefined;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** How long a control plane that neither answers nor refuses is waited for before the last good configuration is used. */
const PATIENCE_MS = 5000;
/** Changes come in bursts; a burst is written once, and bursts not more often than this. */
const WRITE_DELAY_MS = 1000;
const WRITE_INTERVAL_MS = 10_000;

/**
 * Stands between a proxy and its stream of configuration: counts what was taken, keeps the last good of it on disk, and
 * stands in with that at the start while the control plane is away. What the control plane then says replaces it.
 */
export class RecordingSource implements ConfigSource {
  readonly #options: RecordingOptions;
  readonly #clock: Clock;
  readonly #subscriptions = new Set<RecordedSubscription>();
  readonly #recorded = new Map<string, Map<string, RawResource>>();
  #kept: Resources | undefined;
  readonly #counts = { cdsSuccess: 0, cdsRejected: 0, ldsSuccess: 0, ldsRejected: 0 };
  /** `live` once anything came from the control plane, `kept` while the last good configuration stands in. */
  #state: 'waiting' | 'kept' | 'live' = 'waiting';
  #cancelPatience: Cancel | undefined;
  #cancelWrite: Cancel | undefined;
  #writing: Promise<void> = Promise.resolve();
  #lastWrite = Number.NEGATIVE_INFINITY;
  #writeFailed = false;

  constructor(options: RecordingOptions) {
    this.#options = options;
    this.#kept = options.kept;
    this.#clock = options.clock ?? systemClock;
  }

  get counts(): ConfigurationCounts {
    return this.#counts;
  }

  /** The proxy works with what was kept from an earlier run. */
  get usesKept(): boolean {
    return this.#state === 'kept';
  }

  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions = {},
  ): Subscription {
    const subscription: RecordedSubscription = new RecordedSubscription(typeUrl, names, sink, {
      live: () => this.#live(),
      isLive: () => this.#state === 'live',
      settled: (taken, removed, rejected) => this.#settled(typeUrl, taken, removed, rejected),
      closed: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    const { stats } = options;
    subscription.open(
      this.#options.source.subscribe(typeUrl, names, subscription, {
        ...options,
        stats: {
          attempt: () => stats?.attempt(),
          success: (version, time) => stats?.success(version, time),
          rejected: () => stats?.rejected(),
          initFetchTimeout: () => stats?.initFetchTimeout(),
          failure: () => {
            stats?.failure();
            this.#useKept('the control plane cannot be reached');
          },
        },
      }),
    );
    if (this.#state === 'kept') subscription.standIn(this.#keptOf(typeUrl));
    else if (this.#state === 'waiting')
      this.#cancelPatience ??= this.#clock.setTimer(PATIENCE_MS, () =>
        this.#useKept(`the control plane has not answered for ${PATIENCE_MS / 1000} s`),
      );
    return subscription;
  }

  #keptOf(typeUrl: string): ReadonlyMap<string, RawResource> {
    return this.#kept?.get(typeUrl) ?? new Map();
  }

  #useKept(why: string): void {
    if (this.#state !== 'waiting' || this.#kept === undefined || this.#kept.size === 0) return;
    this.#state = 'kept';
    this.#cancelPatience?.();
    this.#options.log.warn(`${why}: starting with the last good configuration of an earlier run`);
    for (const subscription of [...this.#subscriptions]) subscription.standIn(this.#keptOf(subscription.typeUrl));
  }

  #live(): void {
    if (this.#state === 'live') return;
    if (this.#state === 'kept')
      this.#options.log.info('the control plane is back, and its configuration is used again');
    this.#state = 'live';
    this.#kept = undefined;
    this.#cancelPatience?.();
  }

  #settled(typeUrl: string, taken: readonly RawResource[], removed: readonly string[], rejected: boolean): void {
    if (typeUrl === Resource.Cluster) this.#counts[rejected ? 'cdsRejected' : 'cdsSuccess']++;
    if (typeUrl === Resource.Listener) this.#counts[rejected ? 'ldsRejected' : 'ldsSuccess']++;
    let recorded = this.#recorded.get(typeUrl);
    if (!recorded) this.#recorded.set(typeUrl, (recorded = new Map()));
    for (const resource of taken) recorded.set(resource.name, resource);
    for (const name of removed) recorded.delete(name);
    // What stands in is on disk already.
    if (this.#state === 'live') this.#writeSoon();
  }

  #writeSoon(): void {
    if (!this.#options.store || this.#cancelWrite) return;
    const now = this.#clock.now();
    const wait = Math.max(WRITE_DELAY_MS, this.#lastWrite + WRITE_INTERVAL_MS - now);
    this.#cancelWrite = this.#clock.setTimer(wait, () => {
      this.#cancelWrite = undefined;
      void this.#write();
    });
  }

  #write(): Promise<void> {
    const { store, log } = this.#options;
    this.#lastWrite = this.#clock.now();
    this.#writing = this.#writing
      .then(() => store?.write(this.#worthKeeping()))
      .catch((error) => {
        if (!this.#writeFailed) log.warn(`the configuration is not kept for the next start: ${messageOf(error)}`);
        this.#writeFailed = true;
      });
    return this.#writing;
  }

  /** What is recorded without what nobody follows any more. */
  #worthKeeping(): Resources {
    const followed = new Map<string, Set<string> | undefined>();
    for (const { typeUrl, names } of this.#subscriptions) {
      const before = followed.get(typeUrl);
      if (names === undefined) followed.set(typeUrl, undefined);
      else if (before || !followed.has(typeUrl)) followed.set(typeUrl, new Set([...(before ?? []), ...names]));
    }
    for (const [typeUrl, byName] of this.#recorded) {
      const names = followed.get(typeUrl);
      if (!followed.has(typeUrl)) byName.clear();
      else if (names) for (const name of byName.keys()) if (!names.has(name)) byName.delete(name);
    }
    return this.#recorded;
  }

  /** Writes what is due and lets go; the stream itself is its owner's. */
  async close(): Promise<void> {
    this.#cancelPatience?.();
    if (this.#cancelWrite) {
      this.#cancelWrite();
      this.#cancelWrite = undefined;
      await this.#write();
    }
    await this.#writing;
  }
}
