import type { StatusDetail } from '../session/messages.ts';
import type { Answer, InFlight, ServerSession, TypeView } from '../session/server-session.ts';
import type { ResourceView } from './resource-view.ts';

/** A response that a client refused. */
export interface Nack {
  readonly typeUrl: string;
  readonly snapshot: number;
  readonly nonce: string;
  readonly version: string;
  /** Names of the resources in the refused response. */
  readonly names: readonly string[];
  /** What they were taken from. */
  readonly view: ResourceView;
  readonly code: number;
  readonly message: string;
}

/** Where one type stands, for status and debug output. */
export interface TypeStatus {
  readonly typeUrl: string;
  readonly wildcard: boolean;
  readonly names: ReadonlySet<string>;
  readonly sentNonce: string;
  readonly ackedNonce: string;
  readonly ackedVersion: string;
  /** Snapshots that the last response came from, and the last one acknowledged; 0 for none. */
  readonly sentSnapshot: number;
  readonly ackedSnapshot: number;
  /** Milliseconds since 1970; 0 if nothing was sent. */
  readonly sentAt: number;
  readonly inFlight: InFlight | undefined;
  /** The answer to the last response, if that was a NACK. */
  readonly nack: Nack | undefined;
}

/** One type on a stream: the protocol's state, and what of the mesh's state the client may have of it now. */
export class ServedType<Request> {
  readonly session: ServerSession<Request>;
  /** Undefined until a push gets to this type. */
  view: ResourceView | undefined;
  /** Whether the client is told what is gone. */
  removals: boolean;
  /** Unasked-for updates that may go out now; the others are due later in the push. */
  only: ((name: string) => boolean) | undefined;
  /** Did not answer in time: pushes no longer wait for it. */
  late = false;
  nack: Nack | undefined;
  #sentView: ResourceView | undefined;
  #sentAt = 0;
  #ackedSnapshot = 0;

  constructor(session: ServerSession<Request>, view: ResourceView | undefined, removals: boolean) {
    this.session = session;
    this.view = view;
    this.removals = removals;
  }

  /** What is due, if anything is and nothing is in flight. `newest` is the state that is being pushed. */
  respond(newest: ResourceView, nonce: (snapshot: number) => string, now: number): Answer | undefined {
    const { view, session, removals, only } = this;
    if (!view || session.inFlight) return undefined;
    const version = String(view.number);
    const options = { nonce: nonce(view.number), version, removals, only };
    const answer = session.respond(typeView(session.typeUrl, view, newest), options);
    if (!answer) return undefined;
    this.#sentView = view;
    this.#sentAt = now;
    return answer;
  }

  /** The response in flight was acknowledged. Returns the snapshot that it came from, and how long it took. */
  acked(now: number): { snapshot: number; afterMs: number } {
    this.late = false;
    this.nack = undefined;
    this.#ackedSnapshot = this.#sentView?.number ?? 0;
    return { snapshot: this.#ackedSnapshot, afterMs: now - this.#sentAt };
  }

  nacked(settled: InFlight, error: StatusDetail): Nack {
    const { nonce, version, names } = settled;
    const view = this.#sentView!;
    this.late = false;
    this.nack = { typeUrl: this.session.typeUrl, snapshot: view.number, nonce, version, names, view, ...error };
    return this.nack;
  }

  status(): TypeStatus {
    const { typeUrl, wildcard, names, sentNonce, ackedNonce, ackedVersion, inFlight } = this.session;
    return {
      ...{ typeUrl, wildcard, names, sentNonce, ackedNonce, ackedVersion, inFlight },
      sentSnapshot: this.#sentView?.number ?? 0,
      ackedSnapshot: this.#ackedSnapshot,
      sentAt: this.#sentAt,
      nack: this.nack,
    };
  }
}

/**
 * A name that a type's present state does not have may be one that the client has just heard of, from a type that is a
 * step ahead in the push: then the state that is being pushed has it.
 */
function typeView(typeUrl: string, view: ResourceView, newest: ResourceView): TypeView {
  return {
    all: () => view.all(typeUrl),
    get: (name) => view.get(typeUrl, name) ?? (newest === view ? undefined : newest.get(typeUrl, name)),
  };
}
