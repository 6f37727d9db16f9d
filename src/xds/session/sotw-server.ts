import { createHash } from 'node:crypto';
import type { DiscoveryRequest, ServedResource } from './messages.ts';
import { emptyMeansAll, isFullState, WILDCARD } from './resource-types.ts';
import type { Answer, InFlight, Receipt, RespondOptions, ServerSession, TypeView } from './server-session.ts';

/**
 * The server's side of the state-of-the-world variant, for one type.
 *
 * Only a request with the last nonce counts: an older one was sent before the client saw the last response, and the
 * answer to that one will repeat its names. ACK and NACK differ in `error_detail` alone, since a version may well be
 * rejected that was accepted with fewer resources (xDS protocol, "ACK and NACK semantics summary").
 */
export class SotwServer implements ServerSession<DiscoveryRequest> {
  readonly typeUrl: string;
  subscribed = false;
  wildcard = false;
  names: ReadonlySet<string> = new Set();
  ackedVersion = '';
  ackedNonce = '';
  sentNonce = '';

  readonly #fullState: boolean;
  /** What the client was sent and still follows. */
  #sent = new Map<string, ServedResource>();
  #inFlight: InFlight | undefined;
  /** Names to answer for even if nothing changed; they were just asked for. */
  readonly #asked = new Set<string>();
  /** Whether everything has to be answered for: the first time, or after a change of subscription to a full state. */
  #askedAll = false;
  /** Once a client has named a resource, no names mean none (xDS protocol, wildcard rules). */
  #everNamed = false;
  /** Version that a reconnecting client says it has. */
  #claimed = '';
  #sentVersion = '';
  /** The list that was sent as it was. */
  #sentWhole: readonly ServedResource[] | undefined;

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
    this.#fullState = isFullState(typeUrl);
  }

  get inFlight(): InFlight | undefined {
    return this.#inFlight;
  }

  receive(request: DiscoveryRequest): Receipt {
    const first = !this.subscribed;
    if (!first && request.responseNonce !== this.sentNonce) return { verdict: 'stale' };
    if (first) {
      this.subscribed = true;
      this.#claimed = request.versionInfo;
    }
    const receipt = this.#settle(request);
    this.#subscribe(request.resourceNames);
    return receipt;
  }

  renew(names: Iterable<string>): void {
    for (const name of names) if (this.names.has(name)) this.#asked.add(name);
  }

  renewAll(): void {
    this.#askedAll = true;
    this.renew(this.names);
  }

  respond(view: TypeView, options: RespondOptions): Answer | undefined {
    if (!this.subscribed || this.#inFlight) return undefined;
    return this.#fullState || this.wildcard ? this.#respondWhole(view, options) : this.#respondNames(view, options);
  }

  #settle(request: DiscoveryRequest): Receipt {
    const settled = this.#inFlight;
    if (!settled || request.responseNonce !== settled.nonce) return { verdict: 'none' };
    this.#inFlight = undefined;
    if (request.errorDetail) return { verdict: 'nack', error: request.errorDetail, settled };
    this.ackedVersion = settled.version;
    this.ackedNonce = settled.nonce;
    return { verdict: 'ack', settled };
  }

  #subscribe(requested: readonly string[]): void {
    const names = new Set(requested);
    const legacy = names.size === 0 && !this.#everNamed && emptyMeansAll(this.typeUrl);
    const wildcard = names.delete(WILDCARD) || legacy;
    if (requested.length > 0) this.#everNamed = true;
    if (wildcard && !this.wildcard) this.#askedAll = true;
    for (const name of names) if (!this.names.has(name)) this.#asked.add(name);
    for (const name of this.#asked) if (!names.has(name)) this.#asked.delete(name);
    if (!wildcard) for (const name of this.#sent.keys()) if (!names.has(name)) this.#sent.delete(name);
    this.wildcard = wildcard;
    this.names = names;
  }

  /** Everything that the client follows, in one response: listeners and clusters, and whatever is followed as a whole. */
  #respondWhole(view: TypeView, options: RespondOptions): Answer | undefined {
    const asked = this.#askedAll || this.#asked.size > 0;
    const plain = this.wildcard && this.names.size === 0;
    const all = plain ? view.all() : undefined;
    if (all && all === this.#sentWhole && !asked) return undefined;

    const wanted = this.#wanted(view);
    const size = wanted.size;
    if (!options.removals) for (const [name, old] of this.#sent) if (!wanted.has(name)) wanted.set(name, old);
    const whole = all && wanted.size === size ? all : undefined;
    const version = whole ? versionOfWhole(whole) : versionOf(wanted.values());
    const claimed = this.#claimed;
    this.#claimed = '';
    this.#sentWhole = whole;
    if (!asked && version === this.#sentVersion) return undefined;
    if (claimed === version && plain) {
      // It came back with exactly this: nothing to send (xDS protocol, on versions and reconnects).
      this.#sent = wanted;
      this.#sentVersion = version;
      this.ackedVersion = version;
      this.#answered();
      return undefined;
    }
    const [added, changed] = this.#differences(wanted.values());
    this.#sent = wanted;
    this.#answered();
    return this.#send([...wanted.values()], version, options.nonce, added, changed);
  }

  /** Only what changed or was just asked for: a response may hold any part of the types that are followed by name. */
  #respondNames(view: TypeView, options: RespondOptions): Answer | undefined {
    const resources: ServedResource[] = [];
    for (const name of this.names) {
      const asked = this.#asked.has(name);
      if (!asked && options.only && !options.only(name)) continue;
      const resource = view.get(name);
      if (!resource) {
        // This variant cannot take a named resource back; what refers to it is changed, and the client drops the name.
        if (options.removals) this.#sent.delete(name);
      } else if (asked || this.#sent.get(name)?.version !== resource.version) resources.push(resource);
    }
    // A client that asked is answered, if only to hear that there is nothing.
    if (resources.length === 0 && this.#asked.size === 0) return undefined;
    const [added, changed] = this.#differences(resources);
    for (const resource of resources) this.#sent.set(resource.name, resource);
    this.#answered();
    // Of this response and all before it: nothing is saved by knowing it again, so it need not be worked out anew.
    const version = hashOf([this.#sentVersion, ...resources.map(lineOf)]);
    return this.#send(resources, version, options.nonce, added, changed);
  }

  #wanted(view: TypeView): Map<string, ServedResource> {
    const wanted = new Map<string, ServedResource>();
    if (this.wildcard) for (const resource of view.all()) wanted.set(resource.name, resource);
    for (const name of this.names) {
      const resource = view.get(name);
      if (resource) wanted.set(name, resource);
    }
    return wanted;
  }

  #differences(resources: Iterable<ServedResource>): [added: string[], changed: string[]] {
    const added: string[] = [];
    const changed: string[] = [];
    for (const { name, version } of resources) {
      const before = this.#sent.get(name);
      if (!before) added.push(name);
      else if (before.version !== version) changed.push(name);
    }
    return [added, changed];
  }

  #answered(): void {
    this.#asked.clear();
    this.#askedAll = false;
  }

  #send(
    resources: readonly ServedResource[],
    version: string,
    nonce: string,
    added: readonly string[],
    changed: readonly string[],
  ): Answer {
    this.sentNonce = nonce;
    this.#sentVersion = version;
    this.#inFlight = { nonce, version, names: resources.map((r) => r.name) };
    return { response: { typeUrl: this.typeUrl, version, nonce, resources, removed: [] }, added, changed };
  }
}

const wholeVersions = new WeakMap<readonly ServedResource[], string>();

/** The version of a list that many clients share, which is worked out once. */
function versionOfWhole(all: readonly ServedResource[]): string {
  let version = wholeVersions.get(all);
  if (version === undefined) wholeVersions.set(all, (version = versionOf(all)));
  return version;
}

/** A version of a set of resources: the same for the same content, whichever server is asked and whenever. */
function versionOf(resources: Iterable<ServedResource>): string {
  return hashOf([...resources].map(lineOf).sort());
}

function lineOf({ name, version }: ServedResource): string {
  return `${name}\n${version}\n`;
}

function hashOf(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('')).digest('base64url').slice(0, 16);
}
