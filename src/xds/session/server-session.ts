import type { ServedResource, ServedResponse, StatusDetail } from './messages.ts';

/** The resources of one type that a client may have, at one moment. */
export interface TypeView {
  /** What a subscription to everything gets. The same array for as long as nothing in it changes. */
  all(): readonly ServedResource[];
  /** A resource that is asked for by name. */
  get(name: string): ServedResource | undefined;
}

/** What a request says about earlier responses. */
export interface Receipt {
  /**
   * `ack` and `nack` settle the response that was in flight. `stale` answers an earlier one and `none` answers nothing:
   * the response in flight, if any, stays there.
   */
  readonly verdict: 'ack' | 'nack' | 'stale' | 'none';
  /** Why, in a NACK. */
  readonly error?: StatusDetail;
  /** What was settled. */
  readonly settled?: InFlight;
}

/** A response that the client has not answered. */
export interface InFlight {
  readonly nonce: string;
  readonly version: string;
  /** Names of the resources in it. */
  readonly names: readonly string[];
}

export interface RespondOptions {
  readonly nonce: string;
  /** The version of the state as a whole, for people to read; only the delta variant leaves it to the caller. */
  readonly version: string;
  /** False keeps resources that are gone with the client for now: what still refers to them is changed first. */
  readonly removals: boolean;
  /** Restricts unasked-for updates to some names; the others stay due. */
  readonly only?: (name: string) => boolean;
}

/** A response, and what it changes for the client. */
export interface Answer {
  readonly response: ServedResponse;
  readonly added: readonly string[];
  readonly changed: readonly string[];
}

/**
 * One side of the conversation about one type on one stream: the server's. It knows what the client asked for, what it
 * was sent and what it answered. At most one response is in flight: the newest state of things goes out when the
 * client has settled the last one, which is all the flow control that there is, and all that is needed.
 */
export interface ServerSession<Request> {
  readonly typeUrl: string;
  readonly inFlight: InFlight | undefined;
  /** Whether the client asked for anything yet. */
  readonly subscribed: boolean;
  /** The names that it asked for one by one. */
  readonly names: ReadonlySet<string>;
  readonly wildcard: boolean;
  /** The version that was last acknowledged. */
  readonly ackedVersion: string;
  readonly ackedNonce: string;
  readonly sentNonce: string;
  receive(request: Request): Receipt;
  /** Marks names as to be sent again, changed or not, if the client follows them. */
  renew(names: Iterable<string>): void;
  /** Marks everything that the client follows as to be sent again. */
  renewAll(): void;
  /**
   * What has to be sent so that the client has this view; the response is in flight with this call. Undefined if the
   * client has it already, or asked for nothing. Not while a response is in flight.
   */
  respond(view: TypeView, options: RespondOptions): Answer | undefined;
}
