import type { Headers } from '../../../wire/headers.ts';
import { baggageWorkload, decodeStruct, type Workload, workloadOf } from '../../observe/workload.ts';

/** What proxies of Istio tell each other over HTTP: who they are, and the id of their node. */
export const PEER_HEADER = 'x-envoy-peer-metadata';
export const PEER_ID_HEADER = 'x-envoy-peer-metadata-id';

/** How many peers are remembered, and how long a text may be for that. */
const MAX_PEERS = 500;
const MAX_TEXT = 4096;

/**
 * Peers by what they say of themselves. Everybody who may send requests may fill this, so it is looked up by the whole
 * text, never by an id that one peer could take from another, and forgets the oldest.
 */
class PeerCache {
  readonly #peers = new Map<string, Workload | undefined>();
  readonly #read: (text: string) => Workload | undefined;

  constructor(read: (text: string) => Workload | undefined) {
    this.#read = read;
  }

  get(text: string): Workload | undefined {
    const known = this.#peers.get(text);
    if (known !== undefined || this.#peers.has(text)) return known;
    const peer = this.#read(text);
    if (text.length > MAX_TEXT) return peer;
    if (this.#peers.size >= MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value!);
    this.#peers.set(text, peer);
    return peer;
  }
}

/** One way of finding out who the peer is. */
export interface DiscoveryMethod {
  /** Headers that are for this proxy alone, and go no further. */
  readonly consumes: readonly string[];
  find(headers: Headers): Workload | undefined;
}

/** `istio_headers`. `labels` are kept besides those that are always read. */
export function fromIstioHeaders(labels: ReadonlySet<string>): DiscoveryMethod {
  const cache = new PeerCache((text) => {
    const struct = decodeStruct(Buffer.from(text, 'base64'));
    return struct && workloadOf(struct, labels);
  });
  return {
    consumes: [PEER_ID_HEADER, PEER_HEADER],
    find(headers) {
      const text = headers.get(PEER_HEADER);
      return text === undefined || text === '' ? undefined : cache.get(text);
    },
  };
}

/** `baggage`. */
export function fromBaggage(): DiscoveryMethod {
  const cache = new PeerCache(baggageWorkload);
  return {
    consumes: [],
    find(headers) {
      const text = headers.getJoined('baggage');
      return text === undefined || text === '' ? undefined : cache.get(text);
    },
  };
}
