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
   * New and changed resources, and the names of removed ones. `settle` is called once, at once or later, when every
   * worker has taken or refused the update: without rejections it is ACKed, else NACKed, and the last good resources
   * stay. The next update of this type waits for it.
   */
  onUpdate(
    resources: readonly RawResource[],
    removed: readonly string[],
    settle: (rejections: readonly Rejection[]) => void,
  ): void;
  /** The server does not have these names, or nothing came within `initial_fetch_timeout`: start without them. */
  onMissing(names: readonly string[]): void;
}

export interface Subscription {
  /** Replaces the set of names. Not for subscriptions to everything. */
  setNames(names: readonly string[]): void;
  close(): void;
}

/**
 * Where resources come from: an ADS stream, a single-type stream, or an agent in the same process. `names` undefined
 * asks for everything of the type (LDS, CDS).
 */
export interface ConfigSource {
  subscribe(typeUrl: string, names: readonly string[] | undefined, sink: SubscriptionSink): Subscription;
}
