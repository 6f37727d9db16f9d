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
import type { DiscoveryRequest, DiscoveryResponse, ReceivedResource, StatusDetail } from './messages.ts';
import { isFullState, WILDCARD } from './resource-types.ts';

/** What was received and is not settled yet. */
interface Pending {
  readonly changed: readonly RawResource[];
  readonly removed: readonly string[];
  readonly refused: readonly Rejection[];
  readonly version: string;
  /** The stream it came on; an answer is owed only there. */
  readonly stream: number;
}

/**
 * The client's side of the state-of-the-world variant, for one type.
 *
 * Every request carries all names, the last accepted version and the last nonce of the stream. An ACK names the new
 * version; a NACK repeats the old one and says why. Names that change in between make a request with the same nonce
 * again, which the server does not take for an answer (xDS protocol, "ACK/NACK and resource type instance version").
 */
export class SotwClient implements ClientSession<DiscoveryRequest, DiscoveryResponse> {
  readonly typeUrl: string;
  readonly #resources = new Map<string, RawResource>();
  #interest: Interest = { wildcard: false, names: new Set() };
  /** Last accepted version, on whatever stream. */
  #version = '';

  /** Counts streams; 0 while there is none. */
  #stream = 0;
  #streams = 0;
  #nonce = '';
  /** Whether anything was asked on this stream, and whether any of it was by name. */
  #asked = false;
  #named = false;
  #due = false;
  #error: StatusDetail | undefined;
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
    const before = this.#interest;
    if (before.wildcard === interest.wildcard && sameNames(before.names, interest.names)) return;
    this.#interest = interest;
    this.#due = true;
  }

  opened(): void {
    this.#stream = ++this.#streams;
    this.#nonce = '';
    this.#asked = false;
    this.#named = false;
    this.#error = undefined;
    this.#due = true;
  }

  closed(): void {
    this.#stream = 0;
  }

  request(): DiscoveryRequest | undefined {
    if (this.#stream === 0 || this.#pending?.stream === this.#stream || !this.#due) return undefined;
    const { wildcard, names } = this.#interest;
    // Asking for no names before any were asked for would mean all of them.
    if (!this.#asked && !wildcard && names.size === 0) return undefined;
    // Not before: a name that comes back until now was never given up in the server's eyes, and would not be sent again.
    for (const name of this.#resources.keys()) if (!this.#wants(name)) this.#resources.delete(name);
    const explicit = names.size > 0 || this.#named;
    const request: DiscoveryRequest = {
      typeUrl: this.typeUrl,
      versionInfo: this.#version,
      resourceNames: wildcard && explicit ? [WILDCARD, ...names] : [...names],
      responseNonce: this.#nonce,
      ...(this.#error ? { errorDetail: this.#error } : {}),
    };
    this.#asked = true;
    this.#named ||= names.size > 0;
    this.#due = false;
    this.#error = undefined;
    return request;
  }

  receive(response: DiscoveryResponse): ClientUpdate {
    this.#nonce = response.nonce;
    const version = response.versionInfo;
    const { good, refused } = screen(this.typeUrl, response.resources);
    const changed: ReceivedResource[] = [];
    for (const resource of good.values()) {
      if (this.#follows(resource.name) && !this.#has(resource)) changed.push(resource);
    }
    const removed: string[] = [];
    if (isFullState(this.typeUrl)) {
      const refusedNames = new Set(refused.map((r) => r.name));
      for (const name of this.#resources.keys()) if (!good.has(name) && !refusedNames.has(name)) removed.push(name);
    }
    const copy = shouldCopy(changed, response.resources);
    const kept = changed.map((resource) => keepable(this.typeUrl, resource, version, copy));
    this.#pending = { changed: kept, removed, refused, version, stream: this.#stream };
    return { changed: kept, removed, missing: [], refused, version };
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
    if (wrong.length === 0) this.#version = pending.version;
    if (pending.stream !== this.#stream) return;
    this.#error = wrong.length === 0 ? undefined : nackDetail(this.typeUrl, wrong);
    this.#due = true;
  }

  #wants(name: string): boolean {
    return this.#interest.wildcard || this.#interest.names.has(name);
  }

  /** Wanted, or given up without the server's knowing. */
  #follows(name: string): boolean {
    return this.#wants(name) || this.#resources.has(name);
  }

  #has(resource: ReceivedResource): boolean {
    const known = this.#resources.get(resource.name);
    return known !== undefined && Buffer.compare(known.bytes, resource.bytes) === 0;
  }
}

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const name of a) if (!b.has(name)) return false;
  return true;
}
