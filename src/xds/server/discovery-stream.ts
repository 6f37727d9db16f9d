import type { Cancel, Clock } from '../../base/clock.ts';
import { GrpcCode, type GrpcStatus } from '../../wire/grpc/transport.ts';
import { DecodeError } from '../session/codec.ts';
import type { ServedResource, StatusDetail } from '../session/messages.ts';
import { Resource } from '../session/resource-types.ts';
import type { Answer } from '../session/server-session.ts';
import { firstStepOf, isInStep, PUSH_ORDER } from './push-order.ts';
import type { ResourceView } from './resource-view.ts';
import { type Nack, ServedType, type TypeStatus } from './served-type.ts';
import type { AnyRequest, ServerVariant } from './variant.ts';

export interface DiscoveryStreamOptions<Request extends AnyRequest> {
  readonly variant: ServerVariant<Request>;
  readonly clock: Clock;
  /** What an empty type URL means: the type of a single-type service; empty for ADS. */
  readonly defaultType: string;
  /** `control_plane.identifier` of every response. */
  readonly controlPlane: string;
  /** How long a push waits for an answer before it goes on with the next type. */
  readonly ackTimeoutMs: number;
  readonly send: (message: Uint8Array) => void;
  /** Ends the call. */
  readonly end: (status: GrpcStatus) => void;
  readonly observer: DiscoveryStreamObserver;
  /** Types that are no configuration, and answered on the spot. */
  readonly questions?: Questions;
}

/** Types whose requests are questions: Istio's debug types. */
export interface Questions {
  handles(typeUrl: string): boolean;
  /** The answer, undefined where none is wanted, or why there is none, which ends the stream. */
  answer(
    typeUrl: string,
    names: readonly string[],
    error: StatusDetail | undefined,
  ): readonly ServedResource[] | GrpcStatus | undefined;
}

/** Told what happens on a stream. */
export interface DiscoveryStreamObserver {
  /** The first request came, with the encoded envoy.config.core.v3.Node. Nothing is sent before the first push. */
  onNode(node: Uint8Array): void;
  onSent(sent: SentResponse): void;
  onAck(typeUrl: string, snapshot: number, afterMs: number): void;
  onNack(nack: Nack): void;
  /** A request with a nonce that is not the one in flight. */
  onStale(typeUrl: string): void;
  /** A push has gone through its steps, whether everything in it was answered or not: the next one may begin. */
  onPushEnd(snapshot: number): void;
  /** The client has settled everything of this snapshot, by ACK or NACK, and nothing is due. */
  onSettled(snapshot: number): void;
}

export interface SentResponse {
  readonly typeUrl: string;
  readonly snapshot: number;
  readonly nonce: string;
  readonly resources: number;
  readonly bytes: number;
  /** Seconds that it took to put together. */
  readonly seconds: number;
}

/** The state of a push that is under way. */
interface Push {
  readonly view: ResourceView;
  step: number;
  entered: boolean;
  /** Clusters that are new to the client and will make it ask for their endpoints. */
  readonly newClusters: Set<string>;
  readonly changedClusters: Set<string>;
}

/** A client that follows endpoints asks for those of a new cluster right with its acknowledgement of the cluster. */
const ENDPOINT_GRACE_MS = 100;
const ENDPOINT_STEP = firstStepOf(Resource.Endpoint);

/** More types or names than any client needs: a stream that asks for more is ended. */
const MAX_TYPES = 64;
const MAX_NAMES = 200_000;
const MAX_QUESTIONS = 10_000;

/**
 * One stream of a client, from the server's side: what it may have comes in by {@link push}, requests come in by
 * {@link receive}, and the rest follows. Knows nothing of gRPC.
 *
 * A push goes through {@link PUSH_ORDER}, each step gated on the acknowledgement of the one before. While one is under
 * way, only the newest of the states that come in is kept, and pushed next. So a client that is slow, or many, costs
 * one state and one response per type, however fast things change.
 */
export class DiscoveryStream<Request extends AnyRequest> {
  readonly #options: DiscoveryStreamOptions<Request>;
  readonly #types = new Map<string, ServedType<Request>>();
  #hasNode = false;
  #closed = false;
  #receiving = false;
  #nonces = 0;
  /** Nonces of answers to questions. */
  readonly #answers = new Set<string>();
  /** The newest state that was pushed through, as far as the client let it. */
  #settledView: ResourceView | undefined;
  #push: Push | undefined;
  #next: ResourceView | undefined;
  #cancelTimer: Cancel | undefined;
  #timedFor: 'answer' | 'endpoints' | undefined;
  /** Removals are due that the last push did not make. */
  #withheld = false;
  #reported = 0;
  /** The client does not ask for the endpoints of clusters that it got: some fetch them when a request comes. */
  #lazyEndpoints = false;

  constructor(options: DiscoveryStreamOptions<Request>) {
    this.#options = options;
  }

  /** Snapshot of the newest state that was handed in, and 0 before the first. */
  get snapshot(): number {
    return (this.#next ?? this.#push?.view ?? this.#settledView)?.number ?? 0;
  }

  /** The state that the client has or is being given. */
  get view(): ResourceView | undefined {
    return this.#push?.view ?? this.#settledView;
  }

  status(): TypeStatus[] {
    return [...this.#types.values()].map((type) => type.status());
  }

  /** Gives the client this state, at once or when it has settled the one it is being given. */
  push(view: ResourceView): void {
    if (this.#closed) return;
    this.#next = view;
    this.#advance();
  }

  /** Takes over a newer state that is the same to this client: nothing is sent for it. */
  adopt(view: ResourceView): void {
    if (this.#closed) return;
    if (this.#push || this.#next || !this.#settledView) {
      this.push(view);
      return;
    }
    this.#settledView = view;
    for (const state of this.#types.values()) state.view = view;
    this.#report();
  }

  /** Sends everything that the client follows once more, whether it has it or not. */
  renew(): void {
    for (const state of this.#types.values()) {
      state.session.renewAll();
      this.#trySend(state);
    }
  }

  receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#receiving = true;
    this.#receive(bytes);
    this.#receiving = false;
    this.#advance();
  }

  #receive(bytes: Uint8Array): void {
    let request: Request;
    try {
      request = this.#options.variant.decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fail(GrpcCode.InvalidArgument, `not a discovery request: ${error.message}`);
      return;
    }
    const typeUrl = request.typeUrl || this.#options.defaultType;
    if (!this.#accept(request, typeUrl)) return;
    if (this.#answered(request, typeUrl)) return;

    const state = this.#stateOf(typeUrl);
    if (!state) return;
    const { verdict, error, settled } = state.session.receive(request);
    if (state.session.names.size > MAX_NAMES) {
      this.#fail(GrpcCode.ResourceExhausted, `more than ${MAX_NAMES} names of ${typeUrl}`);
      return;
    }
    if (verdict === 'stale') this.#options.observer.onStale(typeUrl);
    const wasLate = state.late;
    if (verdict === 'ack') this.#acked(state);
    if (verdict === 'nack' && settled && error) this.#options.observer.onNack(state.nacked(settled, error));
    // What piled up for a late client goes out in the order of a push; what one asks for goes out at once.
    if (wasLate && !state.late) this.#next ??= this.view;
    else this.#trySend(state);
  }

  /** The call is over, whoever ended it. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#push = undefined;
    this.#next = undefined;
  }

  #fail(code: number, message: string): void {
    this.close();
    this.#options.end({ code, message });
  }

  #accept(request: Request, typeUrl: string): boolean {
    if (typeUrl === '') {
      this.#fail(GrpcCode.InvalidArgument, 'the type URL is missing');
      return false;
    }
    if (this.#options.defaultType !== '' && typeUrl !== this.#options.defaultType) {
      this.#fail(GrpcCode.InvalidArgument, `this service has no ${typeUrl}`);
      return false;
    }
    if (this.#hasNode) return true;
    if (!request.node) {
      this.#fail(GrpcCode.InvalidArgument, 'the first request of a stream must carry the node');
      return false;
    }
    this.#hasNode = true;
    this.#options.observer.onNode(request.node);
    return !this.#closed;
  }

  #answered(request: Request, typeUrl: string): boolean {
    const { questions, variant, send, controlPlane } = this.#options;
    if (!questions?.handles(typeUrl)) return false;
    if (this.#answers.size >= MAX_QUESTIONS) {
      this.#fail(GrpcCode.ResourceExhausted, `more than ${MAX_QUESTIONS} questions on one stream`);
      return true;
    }
    // Only with the nonce of an answer does it say that one arrived: istioctl sends one of its own with the question.
    if (this.#answers.has(request.responseNonce)) return true;
    const resources = questions.answer(typeUrl, variant.names(request), request.errorDetail);
    if (!resources) return true;
    if ('code' in resources) {
      this.#fail(resources.code, resources.message);
      return true;
    }
    const nonce = this.#nonce(0);
    this.#answers.add(nonce);
    send(variant.encode({ typeUrl, version: nonce, nonce, resources, removed: [] }, controlPlane));
    return true;
  }

  #stateOf(typeUrl: string): ServedType<Request> | undefined {
    let state = this.#types.get(typeUrl);
    if (state) return state;
    if (this.#types.size >= MAX_TYPES) {
      this.#fail(GrpcCode.ResourceExhausted, `more than ${MAX_TYPES} resource types on one stream`);
      return undefined;
    }
    const push = this.#push;
    // During a push that has yet to come to this type, it waits for its turn.
    const reached = !push || push.step > firstStepOf(typeUrl) || (push.step === firstStepOf(typeUrl) && push.entered);
    const view = reached ? (push?.view ?? this.#settledView) : undefined;
    state = new ServedType(this.#options.variant.session(typeUrl), view, !push);
    this.#types.set(typeUrl, state);
    return state;
  }

  #acked(state: ServedType<Request>): void {
    const { snapshot, afterMs } = state.acked(this.#options.clock.now());
    this.#options.observer.onAck(state.session.typeUrl, snapshot, afterMs);
    this.#letGo();
  }

  /** Sends what is due of a type, if anything is and nothing is in flight. */
  #trySend(state: ServedType<Request>): Answer | undefined {
    if (!state.view || this.#closed) return undefined;
    const { variant, controlPlane, clock, send, observer } = this.#options;
    const started = performance.now();
    const answer = state.respond(this.#push?.view ?? state.view, (snapshot) => this.#nonce(snapshot), clock.now());
    if (!answer) return undefined;
    const message = variant.encode(answer.response, controlPlane);
    send(message);
    const { typeUrl, nonce, resources } = answer.response;
    const snapshot = state.view.number;
    const seconds = (performance.now() - started) / 1000;
    observer.onSent({ typeUrl, snapshot, nonce, resources: resources.length, bytes: message.length, seconds });
    return answer;
  }

  /** Unique on the stream, and tells which snapshot a response came from. */
  #nonce(snapshot: number): string {
    return `${snapshot}.${++this.#nonces}`;
  }

  /** Goes on with the push as far as acknowledgements allow, then with the next one. */
  #advance(): void {
    for (;;) {
      // A state that is handed in while the first request is read waits until that is understood.
      if (this.#closed || !this.#hasNode || this.#receiving) return;
      if (!this.#push && !this.#begin()) break;
      const push = this.#push!;
      if (!push.entered) this.#enter(push);
      const obstacle = this.#obstacle(push);
      this.#setTimer(obstacle);
      if (obstacle) return;
      this.#leave(push);
    }
    this.#report();
  }

  #begin(): boolean {
    const view = this.#next;
    if (!view) return false;
    this.#next = undefined;
    this.#push = { view, step: 0, entered: false, newClusters: new Set(), changedClusters: new Set() };
    for (const state of this.#types.values()) state.removals = false;
    return true;
  }

  #enter(push: Push): void {
    push.entered = true;
    const step = PUSH_ORDER[push.step];
    if (step.removals === 'unreferenced') this.#withheld = this.#holdsOn();
    const removals = step.removals === 'now' || (step.removals === 'unreferenced' && !this.#withheld);
    for (const [typeUrl, state] of this.#types) {
      if (!isInStep(step, typeUrl)) continue;
      if (push.step === ENDPOINT_STEP) state.session.renew(push.changedClusters);
      state.view = push.view;
      state.removals = removals;
      state.only = undefined;
      const answer = this.#trySend(state);
      if (answer && typeUrl === Resource.Cluster) this.#clustersSent(push, answer);
    }
  }

  /**
   * Clusters are on their way. Endpoints of the others depend on nothing and go out beside them, so that an endpoint
   * that is gone is not waited for. A client that warms a changed cluster waits for its endpoints again, changed or not.
   */
  #clustersSent(push: Push, answer: Answer): void {
    for (const name of answer.changed) push.changedClusters.add(name);
    for (const name of answer.added) if (push.view.get(Resource.Endpoint, name)) push.newClusters.add(name);
    const endpoints = this.#types.get(Resource.Endpoint);
    if (!endpoints?.view) return;
    const touched = new Set([...answer.changed, ...answer.added]);
    endpoints.view = push.view;
    endpoints.only = (name) => !touched.has(name);
    this.#trySend(endpoints);
  }

  /** Whether the client refused or has not answered what refers to others: it may still use what it had before. */
  #holdsOn(): boolean {
    return [Resource.Listener, Resource.Route].some((typeUrl) => {
      const state = this.#types.get(typeUrl);
      return state !== undefined && (state.late || state.nack !== undefined);
    });
  }

  /** Removals that were withheld are made up for once the client has taken something better. */
  #letGo(): void {
    if (this.#withheld && !this.#push && !this.#holdsOn()) this.#next ??= this.#settledView;
  }

  /** What keeps the push at its step. */
  #obstacle(push: Push): 'answer' | 'endpoints' | undefined {
    const step = PUSH_ORDER[push.step];
    for (const [typeUrl, state] of this.#types) {
      if (isInStep(step, typeUrl) && state.session.inFlight && !state.late) return 'answer';
    }
    return push.step === ENDPOINT_STEP && this.#awaitsEndpoints(push) ? 'endpoints' : undefined;
  }

  /** Whether the client still has to ask for the endpoints of clusters that are new to it: a route to them would fail. */
  #awaitsEndpoints(push: Push): boolean {
    if (push.newClusters.size === 0) return false;
    const asked = this.#types.get(Resource.Endpoint)?.session.names;
    for (const name of push.newClusters) if (asked?.has(name)) push.newClusters.delete(name);
    // One that was thought not to ask does after all.
    if (push.newClusters.size === 0) this.#lazyEndpoints = false;
    const clusters = this.#types.get(Resource.Cluster);
    return push.newClusters.size > 0 && !this.#lazyEndpoints && clusters?.nack === undefined;
  }

  #leave(push: Push): void {
    push.step++;
    push.entered = false;
    if (push.step < PUSH_ORDER.length) return;
    this.#push = undefined;
    this.#settledView = push.view;
    for (const state of this.#types.values()) state.view = push.view;
    this.#options.observer.onPushEnd(push.view.number);
    this.#report();
  }

  /** Starts a timer when what is waited for changes, and stops it when nothing is. */
  #setTimer(obstacle: 'answer' | 'endpoints' | undefined): void {
    if (obstacle === this.#timedFor) return;
    this.#cancelTimer?.();
    this.#timedFor = obstacle;
    if (!obstacle) return;
    const ms = obstacle === 'answer' ? this.#options.ackTimeoutMs : ENDPOINT_GRACE_MS;
    this.#cancelTimer = this.#options.clock.setTimer(ms, () => {
      this.#timedFor = undefined;
      if (obstacle === 'answer') this.#answerIsLate();
      else this.#lazyEndpoints = true;
      this.#advance();
    });
  }

  #answerIsLate(): void {
    const step = this.#push && PUSH_ORDER[this.#push.step];
    for (const [typeUrl, state] of this.#types) {
      if (step && isInStep(step, typeUrl) && state.session.inFlight) state.late = true;
    }
  }

  #report(): void {
    const view = this.#settledView;
    if (!view || view.number === this.#reported) return;
    for (const { session } of this.#types.values()) if (session.inFlight) return;
    this.#reported = view.number;
    this.#options.observer.onSettled(view.number);
  }
}
