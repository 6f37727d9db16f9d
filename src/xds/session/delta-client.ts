import type { RawResource, Rejection } from '../client/config-source.ts';
import {
  type ClientSession,
  type ClientUpdate,
  type Interest,
  keepable,
  nackDetail,
  screen,
  shouldCopy,
} from './client-session.ts';
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, StatusDetail } from './messages.ts';
import { WILDCARD } from './resource-types.ts';

/** What was received and is not settled yet. */
interface Pending {
  readonly changed: readonly RawResource[];
  readonly removed: readonly string[];
  readonly refused: readonly Rejection[];
  readonly nonce: string;
  /** The stream it came on; an answer is owed only there. */
  readonly stream: number;
}

/** An ACK, or with an error a NACK, that is due. */
interface Answer {
  readonly nonce: string;
  readonly error: StatusDetail | undefined;
}

/**
 * The client's side of the incremental variant, for one type.
 *
 * The first request on a stream names everything that is wanted and the versions of what is known; later ones carry
 * what was added and dropped, an ACK or NACK of one response, or both (xDS protocol, "Incremental xDS"). Versions
 * belong to resources, so those of a NACKed response that were good are kept, and only they are named on the next stream.
 */
export class DeltaClient implements ClientSession<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
  readonly typeUrl: string;
  readonly #resources = new Map<string, RawResource>();
  #interest: Interest = { wildcard: false, names: new Set() };

  /** Counts streams; 0 while there is none. */
  #stream = 0;
  #streams = 0;
  /** Whether anything was asked on this stream. */
  #asked = false;
  /** What the server of this stream knows of the interest. */
  #told: Interest = { wildcard: false, names: new Set() };
  #answer: Answer | undefined;
  #pending: Pending | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  get resources(): ReadonlyMap<string, RawResource> {
    return this.#resources;
  }

  get applying(): boolean {
    return this.#pending !== undefined;
  }

  want(interest: Interest): void {
    this.#interest = interest;
  }

  opened(): void {
    this.#stream = ++this.#streams;
    this.#asked = false;
    this.#told = { wildcard: false, names: new Set() };
    this.#answer = undefined;
  }

  closed(): void {
    this.#stream = 0;
  }

  request(): DeltaDiscoveryRequest | undefined {
    if (this.#stream === 0 || this.#pending?.stream === this.#stream) return undefined;
    const { wildcard, names } = this.#interest;
    const subscribe = [...names].filter((name) => !this.#told.names.has(name));
    const unsubscribe = [...this.#told.names].filter((name) => !names.has(name));
    const first = !this.#asked;
    // Everything, asked for first and alone, may go without saying, and older servers know it in this form only.
    if (wildcard && !this.#told.wildcard && !(first && names.size === 0)) subscribe.unshift(WILDCARD);
    if (!wildcard && this.#told.wildcard) unsubscribe.unshift(WILDCARD);
    const wordless = subscribe.length === 0 && unsubscribe.length === 0;
    if (first ? wordless && !wildcard : wordless && !this.#answer) return undefined;

    this.#forgetDropped();
    const request: DeltaDiscoveryRequest = {
      typeUrl: this.typeUrl,
      subscribe,
      unsubscribe,
      initialResourceVersions: first ? this.#versions() : NONE,
      responseNonce: this.#answer?.nonce ?? '',
      ...(this.#answer?.error ? { errorDetail: this.#answer.error } : {}),
    };
    this.#asked = true;
    this.#told = { wildcard, names: new Set(names) };
    this.#answer = undefined;
    return request;
  }

  receive(response: DeltaDiscoveryResponse): ClientUpdate {
    const { good, refused } = screen(this.typeUrl, response.resources);
    const wanted = [...good.values()].filter((resource) => this.#follows(resource.name));
    const copy = shouldCopy(wanted, response.resources);
    const version = response.systemVersionInfo;
    const changed = wanted.map((resource) => keepable(this.typeUrl, resource, version, copy));
    const removed: string[] = [];
    const missing: string[] = [];
    for (const name of new Set(response.removed)) {
      // A name that stands among both is there: the server said so with its content.
      if (good.has(name)) continue;
      if (this.#resources.has(name)) removed.push(name);
      else if (this.#interest.names.has(name)) missing.push(name);
    }
    this.#pending = { changed, removed, refused, nonce: response.nonce, stream: this.#stream };
    return { changed, removed, missing, refused, version };
  }

  settle(rejections: readonly Rejection[]): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    const wrong = [...pending.refused, ...rejections];
    const rejected = new Set(wrong.map((r) => r.name));
    for (const resource of pending.changed) {
      if (!rejected.has(resource.name) && this.#follows(resource.name)) this.#resources.set(resource.name, resource);
    }
    for (const name of pending.removed) this.#resources.delete(name);
    if (pending.stream !== this.#stream) return;
    this.#answer = {
      nonce: pending.nonce,
      error: wrong.length === 0 ? undefined : nackDetail(this.typeUrl, wrong),
    };
  }

  /**
   * Drops what nobody wants any more, now that the server is told: a name that came back until now was never given up
   * in its eyes, and would not be sent again. Under a wildcard the server tells what remains (xDS protocol,
   * "Unsubscribing from Resources").
   */
  #forgetDropped(): void {
    if (this.#interest.wildcard) return;
    for (const name of this.#resources.keys()) if (!this.#interest.names.has(name)) this.#resources.delete(name);
  }

  /** Wanted, or given up without the server's knowing. */
  #follows(name: string): boolean {
    return this.#interest.wildcard || this.#interest.names.has(name) || this.#resources.has(name);
  }

  #versions(): ReadonlyMap<string, string> {
    return new Map([...this.#resources.values()].map((r) => [r.name, r.version]));
  }
}

const NONE: ReadonlyMap<string, string> = new Map();
