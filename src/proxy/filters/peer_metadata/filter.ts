import type { Headers } from '../../../wire/headers.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from '../../http/filter.ts';
import { DOWNSTREAM_PEER, UPSTREAM_PEER } from '../../observe/filter-state.ts';
import { type DiscoveryMethod, PEER_HEADER, PEER_ID_HEADER } from './discovery.ts';

/** Telling the peer who this proxy is (`istio_headers` of a propagation). */
export interface Propagation {
  /** Nothing is told to services outside of the mesh. */
  readonly skipExternal: boolean;
}

export interface PeerMetadataConfig {
  readonly downstreamDiscovery: readonly DiscoveryMethod[];
  readonly upstreamDiscovery: readonly DiscoveryMethod[];
  readonly downstreamPropagation: readonly Propagation[];
  readonly upstreamPropagation: readonly Propagation[];
  /** This proxy's own: id of its node, and its metadata in base64. */
  readonly id: string;
  readonly value: string;
}

/** Learns who the peers of an exchange are, and tells them who this proxy is. */
export class PeerMetadataFilter implements HttpFilter {
  readonly #config: PeerMetadataConfig;
  readonly #callbacks: FilterCallbacks;
  /** The client has told its id, or its metadata: it wants to hear ours. */
  #idReceived = false;
  #metadataReceived = false;

  constructor(config: PeerMetadataConfig, callbacks: FilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Headers): HeadersStatus {
    const { downstreamDiscovery, upstreamPropagation } = this.#config;
    if (downstreamDiscovery.length > 0) {
      this.#idReceived = headers.has(PEER_ID_HEADER);
      this.#metadataReceived = headers.has(PEER_HEADER);
      this.#discover(downstreamDiscovery, headers, DOWNSTREAM_PEER);
    }
    if (this.#tells(upstreamPropagation)) this.#tell(headers, true, true);
    return HeadersStatus.Continue;
  }

  responseHeaders(headers: Headers): HeadersStatus {
    const { upstreamDiscovery, downstreamPropagation } = this.#config;
    if (upstreamDiscovery.length > 0) this.#discover(upstreamDiscovery, headers, UPSTREAM_PEER);
    if ((this.#idReceived || this.#metadataReceived) && this.#tells(downstreamPropagation)) {
      this.#tell(headers, this.#idReceived, this.#metadataReceived);
    }
    return HeadersStatus.Continue;
  }

  #discover(methods: readonly DiscoveryMethod[], headers: Headers, name: string): void {
    const { info } = this.#callbacks;
    for (const method of methods) {
      const peer = method.find(headers);
      if (peer === undefined) continue;
      if (info.filterState?.has(name) !== true) info.setFilterState(name, peer);
      break;
    }
    for (const { consumes } of methods) for (const header of consumes) headers.remove(header);
  }

  #tells(propagations: readonly Propagation[]): boolean {
    if (propagations.length === 0) return false;
    const { info, clusters } = this.#callbacks;
    const cluster = clusters.get(info.upstreamCluster);
    const istio = cluster?.metadata.get('istio');
    if (istio?.disable_mx === true) return false;
    const external = info.upstreamCluster === 'PassthroughCluster' || istio?.external === true;
    return !external || propagations.some(({ skipExternal }) => !skipExternal);
  }

  #tell(headers: Headers, id: boolean, metadata: boolean): void {
    if (id) headers.set(PEER_ID_HEADER, this.#config.id);
    if (metadata) headers.set(PEER_HEADER, this.#config.value);
  }
}
