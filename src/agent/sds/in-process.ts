import { type Clock, systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type {
  ConfigSource,
  RawResource,
  SubscribeOptions,
  Subscription,
  SubscriptionSink,
} from '../../xds/client/config-source.ts';
import { Resource } from '../../xds/session/resource-types.ts';
import { secretResource } from './resource.ts';
import type { Secrets } from './secrets.ts';

/** Envoy's default of `initial_fetch_timeout`. */
const INITIAL_FETCH_TIMEOUT_MS = 15_000;

/** Secrets for a proxy in the same process: what a secret discovery stream would bring, without the stream. */
export class InProcessSecrets implements ConfigSource {
  readonly #secrets: Secrets;
  readonly #log: Logger;
  readonly #clock: Clock;

  constructor(secrets: Secrets, log: Logger, clock: Clock = systemClock) {
    this.#secrets = secrets;
    this.#log = log;
    this.#clock = clock;
  }

  /** Only for secrets by name: anything else is a defect of the caller. */
  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions = {},
  ): Subscription {
    if (typeUrl !== Resource.Secret || names === undefined)
      throw new TypeError(`an agent has no ${typeUrl} as a whole`);
    const subscription = new SecretSubscription(this.#secrets, sink, options, this.#log, this.#clock);
    subscription.setNames(names);
    return subscription;
  }
}

class SecretSubscription implements Subscription {
  readonly #secrets: Secrets;
  readonly #sink: SubscriptionSink;
  readonly #options: SubscribeOptions;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #followed = new Map<string, () => void>();
  /** Names that nothing has come for. */
  readonly #waiting = new Set<string>();
  /** What is to be delivered, the newest of each name. */
  readonly #due = new Map<string, RawResource>();
  #applying = false;
  #scheduled = false;
  #closed = false;
  #cancelTimer: () => void = () => {};

  constructor(secrets: Secrets, sink: SubscriptionSink, options: SubscribeOptions, log: Logger, clock: Clock) {
    this.#secrets = secrets;
    this.#sink = sink;
    this.#options = options;
    this.#log = log;
    this.#clock = clock;
  }

  setNames(names: readonly string[]): void {
    if (this.#closed) return;
    const wanted = new Set(names);
    for (const [name, stop] of this.#followed) {
      if (wanted.has(name)) continue;
      stop();
      this.#followed.delete(name);
      this.#waiting.delete(name);
      this.#due.delete(name);
    }
    const added = [...wanted].filter((name) => !this.#followed.has(name));
    if (added.length === 0) return;
    this.#options.stats?.attempt();
    for (const name of added) {
      this.#waiting.add(name);
      this.#followed.set(
        name,
        this.#secrets.follow(name, (secret) => {
          const { version, bytes } = secretResource(secret);
          this.#due.set(name, { name, version, typeUrl: Resource.Secret, bytes });
          this.#schedule();
        }),
      );
    }
    this.#startTimer();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer();
    for (const stop of this.#followed.values()) stop();
    this.#followed.clear();
    this.#due.clear();
  }

  #startTimer(): void {
    const ms = this.#options.initialFetchTimeoutMs ?? INITIAL_FETCH_TIMEOUT_MS;
    this.#cancelTimer();
    if (ms <= 0) return;
    this.#cancelTimer = this.#clock.setTimer(ms, () => {
      const names = [...this.#waiting];
      this.#waiting.clear();
      if (names.length === 0) return;
      this.#options.stats?.initFetchTimeout();
      this.#sink.onMissing(names);
    });
  }

  /** A subscriber hears nothing from within its call. */
  #schedule(): void {
    if (this.#scheduled || this.#applying) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#closed || this.#applying || this.#due.size === 0) return;
    const resources = [...this.#due.values()];
    this.#due.clear();
    for (const { name } of resources) this.#waiting.delete(name);
    if (this.#waiting.size === 0) this.#cancelTimer();
    this.#applying = true;
    let settled = false;
    this.#sink.onUpdate(resources, [], (rejections) => {
      if (settled) return;
      settled = true;
      this.#applying = false;
      const { stats } = this.#options;
      stats?.attempt();
      if (rejections.length > 0) stats?.rejected();
      else stats?.success(resources[0].version, this.#clock.now());
      for (const { name, reason } of rejections) this.#log.warn(`the proxy refused the secret ${name}: ${reason}`);
      this.#schedule();
    });
  }
}
