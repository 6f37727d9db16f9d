import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { GrpcCode, type GrpcStatus, type GrpcTransport } from '../../wire/grpc/transport.ts';
import type { ClientSession } from '../session/client-session.ts';
import { DecodeError } from '../session/codec.ts';
import { PAUSED_WHILE_APPLYING } from '../session/resource-types.ts';
import type { ConfigSource, Rejection, SubscribeOptions, Subscription, SubscriptionSink } from './config-source.ts';
import { DiscoveryStream } from './stream.ts';
import { type Subscriber, Subscriptions } from './subscriptions.ts';
import type { AnyResponse, Variant } from './variant.ts';

export interface DiscoveryClientOptions {
  readonly transport: GrpcTransport;
  readonly clock: Clock;
  /** Encoded envoy.config.core.v3.Node. */
  readonly node: Uint8Array;
  /** Envoy's `set_node_on_first_message_only`; true unless told. */
  readonly nodeOnFirstMessageOnly?: boolean;
  /** Metadata of each stream, asked for anew every time: tokens expire. */
  readonly metadata?: () => readonly (readonly [string, string])[];
  /** For subscriptions that do not say; 15 s unless told, 0 waits for ever. */
  readonly initialFetchTimeoutMs?: number;
  /** Between attempts to connect; Envoy's unless told: from 500 ms to 30 s. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  readonly random?: () => number;
  readonly stats?: ControlPlaneStats;
  readonly log?: Logger;
}

/** Envoy's `control_plane.` statistics of one stream. */
export interface ControlPlaneStats {
  /** `connected_state`. */
  connected(connected: boolean): void;
  /** `identifier`, of the last response that had one. */
  identifier(text: string): void;
  /** `pending_requests`: types whose requests wait for an update to be applied. */
  pendingRequests(count: number): void;
}

/** Responses that wait for an earlier one of their type to be applied; more, and the stream is given up. */
const MAX_WAITING_RESPONSES = 64;

/** Everything about one type. */
interface TypeState<Request, Response> {
  readonly session: ClientSession<Request, Response>;
  readonly subscriptions: Subscriptions;
  /** Responses that came while an update is applied. */
  readonly waiting: Response[];
  /** Subscribers that asked for something that may be there already. */
  readonly late: [Subscriber, readonly string[] | undefined][];
  /** Whether the session may have something to say. */
  dirty: boolean;
  /** Whether anything came yet, on whatever stream. */
  answered: boolean;
}

/**
 * A client of one discovery stream, with any number of types on it: the engine under ADS and the single-type services.
 * Requests leave in the order in which types were first subscribed to, so clusters come before listeners, as they do in
 * a bootstrap; one update of a type is applied at a time.
 */
export class DiscoveryClient<Request, Response extends AnyResponse> implements ConfigSource {
  readonly #options: DiscoveryClientOptions;
  readonly #variant: Variant<Request, Response>;
  readonly #defaultType: string;
  readonly #types = new Map<string, TypeState<Request, Response>>();
  readonly #stream: DiscoveryStream;
  readonly #log: Logger;
  #nodeSent = false;
  #flushing = false;
  #closed = false;

  /** `defaultType` is what an empty type URL means: the type of a single-type service. */
  constructor(
    options: DiscoveryClientOptions,
    variant: Variant<Request, Response>,
    method: string,
    defaultType: string,
  ) {
    this.#options = options;
    this.#variant = variant;
    this.#defaultType = defaultType;
    this.#log = options.log ?? silentLogger;
    this.#stream = new DiscoveryStream({
      transport: options.transport,
      clock: options.clock,
      method,
      metadata: options.metadata ?? (() => []),
      backoff: new Backoff({ initialMs: 500, maxMs: 30_000, ...options.backoff, random: options.random }),
      onOpen: () => this.#opened(),
      onMessage: (bytes) => this.#received(bytes),
      onClose: (status) => this.#streamClosed(status),
    });
  }

  subscribe(
    typeUrl: string,
    names: readonly string[] | undefined,
    sink: SubscriptionSink,
    options: SubscribeOptions = {},
  ): Subscription {
    const type = this.#typeOf(typeUrl);
    const subscriber = type.subscriptions.add(names, sink, options);
    this.#interested(type, subscriber, names);
    this.#stream.start();
    return {
      setNames: (wanted) => {
        if (subscriber.closed) return;
        this.#interested(type, subscriber, type.subscriptions.setNames(subscriber, wanted));
      },
      close: () => {
        if (subscriber.closed) return;
        type.subscriptions.remove(subscriber);
        type.dirty = true;
        this.#flushSoon();
      },
    };
  }

  /** Ends the stream and forgets all subscriptions. */
  close(): void {
    this.#closed = true;
    this.#stream.close();
    for (const { subscriptions } of this.#types.values()) for (const s of [...subscriptions]) subscriptions.remove(s);
    this.#types.clear();
  }

  #typeOf(typeUrl: string): TypeState<Request, Response> {
    let type = this.#types.get(typeUrl);
    if (!type) {
      const session = this.#variant.session(typeUrl);
      const subscriptions = new Subscriptions(this.#options.clock, this.#options.initialFetchTimeoutMs ?? 15_000);
      type = { session, subscriptions, waiting: [], late: [], dirty: false, answered: false };
      if (this.#stream.open) session.opened();
      this.#types.set(typeUrl, type);
    }
    return type;
  }

  /** A subscriber asked for names (undefined: everything), some of which may have come for another one already. */
  #interested(type: TypeState<Request, Response>, subscriber: Subscriber, names: readonly string[] | undefined): void {
    subscriber.options.stats?.attempt();
    type.late.push([subscriber, names]);
    type.dirty = true;
    this.#flushSoon();
  }

  /** Many subscriptions are often made in a row, and should leave as one request. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      for (const type of this.#types.values()) this.#catchUp(type);
      this.#flush();
    });
  }

  #flush(): void {
    if (!this.#stream.open) return;
    let pending = 0;
    for (const type of this.#types.values()) {
      if (!type.dirty) continue;
      if (this.#isPaused(type.session.typeUrl)) {
        pending++;
        continue;
      }
      type.session.want(type.subscriptions.interest());
      const request = type.session.request();
      type.dirty = type.session.applying;
      if (request) this.#send(request);
    }
    this.#options.stats?.pendingRequests(pending);
  }

  /** Whether something is being applied that will refer to resources of this type. */
  #isPaused(typeUrl: string): boolean {
    for (const { session } of this.#types.values()) {
      if (session.applying && PAUSED_WHILE_APPLYING[session.typeUrl]?.includes(typeUrl)) return true;
    }
    return false;
  }

  #send(request: Request): void {
    const withNode = !this.#nodeSent || this.#options.nodeOnFirstMessageOnly === false;
    this.#nodeSent = true;
    this.#stream.send(this.#variant.encode(request, withNode ? this.#options.node : undefined));
  }

  /** Gives subscribers what others of the type have. What is just being applied is settled first. */
  #catchUp(type: TypeState<Request, Response>): void {
    if (type.session.applying) return;
    for (const [subscriber, names] of type.late.splice(0)) {
      const { resources } = type.session;
      const known = names
        ? names.flatMap((name) => (subscriber.names?.has(name) ? (resources.get(name) ?? []) : []))
        : [...resources.values()];
      if (known.length === 0 && !(names === undefined && type.answered)) continue;
      type.subscriptions.catchUp(subscriber, known, (rejections) => {
        for (const { name, reason } of rejections)
          this.#log.warn(`gRPC config for ${type.session.typeUrl} rejected: ${name}: ${reason}`);
      });
    }
  }

  #opened(): void {
    this.#nodeSent = false;
    this.#options.stats?.connected(true);
    for (const type of this.#types.values()) {
      type.session.opened();
      type.dirty = true;
    }
    this.#flush();
  }

  #streamClosed(status: GrpcStatus): void {
    this.#options.stats?.connected(false);
    for (const type of this.#types.values()) {
      type.session.closed();
      // Their nonces died with the stream; the server sends again what was not acknowledged.
      type.waiting.length = 0;
      for (const { options } of type.subscriptions) {
        options.stats?.failure();
        options.stats?.attempt();
      }
    }
    this.#log.warn(`${this.#stream.method} gRPC config stream closed: ${status.code}, ${status.message}`);
  }

  #received(bytes: Uint8Array): void {
    let response: Response;
    try {
      response = this.#variant.decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#stream.restart({ code: GrpcCode.Internal, message: `not a discovery response: ${error.message}` });
      return;
    }
    if (response.controlPlane) this.#options.stats?.identifier(response.controlPlane);
    const typeUrl = response.typeUrl || this.#defaultType;
    const type = this.#types.get(typeUrl);
    if (!type) {
      this.#log.warn(`Ignoring the message for type URL ${typeUrl} as it has no current subscribers.`);
      return;
    }
    if (!type.session.applying) this.#apply(type, response);
    else if (type.waiting.length < MAX_WAITING_RESPONSES) type.waiting.push(response);
    else {
      const message = `${type.waiting.length} responses for ${typeUrl} wait for an update to be applied`;
      this.#stream.restart({ code: GrpcCode.ResourceExhausted, message });
    }
  }

  #apply(type: TypeState<Request, Response>, response: Response): void {
    const { typeUrl } = type.session;
    type.answered = true;
    const update = type.session.receive(response);
    this.#log.debug(
      `Received gRPC message for ${typeUrl} at version ${update.version}: ` +
        `${update.changed.length} changed, ${update.removed.length} removed`,
    );
    type.subscriptions.dispatch(update, (rejections) => {
      type.session.settle(rejections);
      this.#logRejections(type, [...update.refused, ...rejections], response.resources.length);
      type.dirty = true;
      this.#catchUp(type);
      this.#flush();
      const next = this.#closed ? undefined : type.waiting.shift();
      if (next) this.#apply(type, next);
    });
  }

  #logRejections(type: TypeState<Request, Response>, rejections: readonly Rejection[], count: number): void {
    if (rejections.length === 0) return;
    const list = rejections.map((r) => `${r.name}: ${r.reason}`).join('\n');
    this.#log.warn(`gRPC config for ${type.session.typeUrl} rejected: ${rejections.length} of ${count}: ${list}`);
  }
}
