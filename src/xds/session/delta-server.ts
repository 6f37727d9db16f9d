import type { DeltaDiscoveryRequest, ServedResource } from './messages.ts';
import { emptyMeansAll, WILDCARD } from './resource-types.ts';
import type { Answer, InFlight, Receipt, RespondOptions, ServerSession, TypeView } from './server-session.ts';

/** The version of a resource that the client was told does not exist. */
const ABSENT = '';

/**
 * The server's side of the incremental variant, for one type.
 *
 * Changes of subscription count whatever nonce they come with; the nonce only says which response is answered. A name
 * that is subscribed to is always answered, with the resource or as removed, even if the client should have it: it may
 * have forgotten it (xDS protocol, "Subscribing to Resources"). And a name that is given up while everything is
 * subscribed to is answered too, because only the server knows whether everything includes it ("Unsubscribing").
 */
export class DeltaServer implements ServerSession<DeltaDiscoveryRequest> {
  readonly typeUrl: string;
  subscribed = false;
  wildcard = false;
  ackedVersion = '';
  ackedNonce = '';
  sentNonce = '';

  readonly #names = new Set<string>();
  /** Name -> version of what the client has, as far as it was sent or says so. */
  readonly #sent = new Map<string, string>();
  /** Names to answer for even if nothing changed. */
  readonly #asked = new Set<string>();
  /** Whether the first answer to a subscription to everything is due, which is sent even if there is nothing. */
  #askedAll = false;
  #inFlight: InFlight | undefined;
  /** The list that the client has as it is. */
  #sentWhole: readonly ServedResource[] | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  get inFlight(): InFlight | undefined {
    return this.#inFlight;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  receive(request: DeltaDiscoveryRequest): Receipt {
    const first = !this.subscribed;
    if (first) {
      this.subscribed = true;
      for (const [name, version] of request.initialResourceVersions) this.#sent.set(name, version);
      const wordless = request.subscribe.length === 0 && request.unsubscribe.length === 0;
      if (wordless && emptyMeansAll(this.typeUrl)) this.#subscribeAll();
    }
    const receipt = this.#settle(request);
    for (const name of request.subscribe) {
      if (name === WILDCARD) this.#subscribeAll();
      else {
        this.#names.add(name);
        // What a returning client has is compared by version; every later subscription to it asks for it.
        if (!first || !request.initialResourceVersions.has(name)) this.#asked.add(name);
      }
    }
    for (const name of request.unsubscribe) this.#unsubscribe(name);
    return receipt;
  }

  renew(names: Iterable<string>): void {
    for (const name of names) if (this.#names.has(name)) this.#asked.add(name);
  }

  renewAll(): void {
    for (const name of this.#sent.keys()) this.#asked.add(name);
    this.renew(this.#names);
  }

  respond(view: TypeView, options: RespondOptions): Answer | undefined {
    if (!this.subscribed || this.#inFlight) return undefined;
    const all = this.wildcard ? view.all() : undefined;
    const asked = this.#askedAll || this.#asked.size > 0;
    if (all && this.#names.size === 0 && all === this.#sentWhole && !asked) return undefined;

    const resources: ServedResource[] = [];
    const added: string[] = [];
    const changed: string[] = [];
    const visit = (resource: ServedResource) => {
      const { name, version } = resource;
      const before = this.#sent.get(name);
      const same = before === version;
      if (!this.#asked.has(name) && (same || (options.only && !options.only(name)))) return;
      resources.push(resource);
      this.#sent.set(name, version);
      if (!before) added.push(name);
      else if (!same) changed.push(name);
    };
    const current = new Set<string>();
    for (const resource of all ?? []) {
      current.add(resource.name);
      visit(resource);
    }
    for (const name of this.#names) {
      if (current.has(name)) continue;
      const resource = view.get(name);
      if (!resource) continue;
      current.add(name);
      visit(resource);
    }
    const removed = this.#removed(current, options);
    this.#sentWhole = all && !options.only && current.size === this.#sent.size ? all : undefined;
    const due = resources.length > 0 || removed.length > 0 || this.#askedAll;
    this.#asked.clear();
    this.#askedAll = false;
    if (!due) return undefined;

    const { nonce, version } = options;
    this.sentNonce = nonce;
    this.#inFlight = { nonce, version, names: [...resources.map((r) => r.name), ...removed] };
    return { response: { typeUrl: this.typeUrl, version, nonce, resources, removed }, added, changed };
  }

  /** Names that the client has, or asked for, and that are not there. */
  #removed(current: ReadonlySet<string>, options: RespondOptions): string[] {
    const removed: string[] = [];
    for (const name of this.#asked) {
      if (current.has(name)) continue;
      removed.push(name);
      if (this.#names.has(name)) this.#sent.set(name, ABSENT);
      else this.#sent.delete(name);
    }
    if (!options.removals) return removed;
    for (const [name, version] of this.#sent) {
      if (version === ABSENT || current.has(name)) continue;
      if (options.only && !options.only(name)) continue;
      removed.push(name);
      if (this.#names.has(name)) this.#sent.set(name, ABSENT);
      else this.#sent.delete(name);
    }
    return removed;
  }

  #settle(request: DeltaDiscoveryRequest): Receipt {
    if (request.responseNonce === '') return { verdict: 'none' };
    const settled = this.#inFlight;
    if (!settled || request.responseNonce !== settled.nonce) return { verdict: 'stale' };
    this.#inFlight = undefined;
    if (request.errorDetail) return { verdict: 'nack', error: request.errorDetail, settled };
    this.ackedVersion = settled.version;
    this.ackedNonce = settled.nonce;
    return { verdict: 'ack', settled };
  }

  /** A client that already has resources knows what nothing new means; any other waits to hear that there is nothing. */
  #subscribeAll(): void {
    this.wildcard = true;
    this.#askedAll = this.#sent.size === 0;
  }

  #unsubscribe(name: string): void {
    if (name === WILDCARD) {
      this.wildcard = false;
      this.#askedAll = false;
      this.#sentWhole = undefined;
      for (const sent of this.#sent.keys()) if (!this.#names.has(sent)) this.#sent.delete(sent);
      return;
    }
    if (!this.#names.delete(name)) return;
    if (this.wildcard) this.#asked.add(name);
    else {
      this.#asked.delete(name);
      this.#sent.delete(name);
    }
  }
}
