/** One resource as it came: the payload of its Any is decoded by whoever subscribed, when it is first used. */
export interface RawResource {
  readonly name: string;
  readonly version: string;
  /** Type URL of the payload. */
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
}

/** Why a resource of an update cannot be taken. Everything wrong goes back in one NACK. */
export interface Rejection {
  readonly name: string;
  /** One sentence with the field path. */
  readonly reason: string;
}

/** Receives the resources of one subscription. */
export interface SubscriptionSink {
  /**
   * New and changed resources, and the names of removed ones; both are empty in the first answer to a subscription to
   * everything when there is nothing. `settle` is called once, at once or later, when every worker has taken or refused
   * the update: without rejections it is ACKed, else NACKed, and the last good resources stay. The next update of this
   * type waits for it, and so do requests for what the type refers to (endpoints of clusters, routes of listeners): an
   * update must never wait for those before it settles, or it waits for ever.
   */
  onUpdate(
    resources: readonly RawResource[],
    removed: readonly string[],
    settle: (rejections: readonly Rejection[]) => void,
  ): void;
  /**
   * The server does not have these names, or nothing came within `initial_fetch_timeout`: start without them. No names
   * means everything, in a subscription to everything. A resource may still come later.
   */
  onMissing(names: readonly string[]): void;
}

export interface Subscription {
  /** Replaces the set of names. Not for subscriptions to everything. */
  setNames(names: readonly string[]): void;
  close(): void;
}

export interface SubscribeOptions {
  /** `ConfigSource.initial_fetch_timeout`, milliseconds; 0 waits for ever. The source has a default, Envoy's is 15 s. */
  readonly initialFetchTimeoutMs?: number;
  readonly stats?: SubscriptionStats;
}

/**
 * What Envoy counts for each subscription, under the name of whoever subscribed (`cluster_manager.cds.`,
 * `listener_manager.lds.`, `cluster.NAME.`, `http.NAME.rds.ROUTE.`, `sds.NAME.`).
 */
export interface SubscriptionStats {
  /** `update_attempt`: requests for names, and everything that came of them. */
  attempt(): void;
  /** `update_success`, `update_time` (milliseconds since 1970), `version_text` and `version` (a hash of it). */
  success(version: string, timeMs: number): void;
  /** `update_rejected`. */
  rejected(): void;
  /** `update_failure`: the stream failed. */
  failure(): void;
  /** `init_fetch_timeout`. */
  initFetchTimeout(): void;
}

/**
 * Where resources come from: an ADS stream, a single-type stream, or an agent in the same process. `names` undefined
 * asks for everything of the type (LDS, CDS).
 */
export interface ConfigSource {
  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options?: SubscribeOptions,
  ): Subscription;
}
