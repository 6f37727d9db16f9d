import {
  type FilterConfig,
  FilterConfigSchema,
  FilterConfig_Protocol as Protocol,
} from '../../../api/gen/istio/envoy/alpn/config_pb.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type HttpFilterDefinition } from '../../http/filter.ts';
import { UPSTREAM_ALPN } from '../../observe/filter-state.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';

const PROTOCOLS: Readonly<Record<Protocol, StreamInfo['protocol']>> = {
  [Protocol.HTTP10]: 'HTTP/1.0',
  [Protocol.HTTP11]: 'HTTP/1.1',
  [Protocol.HTTP2]: 'HTTP/2',
};

/** Protocol of requests to upstreams -> the ALPN list that connections for them offer. */
type Overrides = ReadonlyMap<StreamInfo['protocol'], readonly string[]>;

/** `istio.alpn`: tells the peer inside mutual TLS that it is Istio that speaks, and which HTTP. */
export const alpn: HttpFilterDefinition<FilterConfig> = {
  name: 'istio.alpn',
  schema: FilterConfigSchema,
  supported: {
    'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig': ['alpn_override'],
    'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.AlpnOverride': ['upstream_protocol', 'alpn_override'],
  },
  compile(config) {
    const overrides: Overrides = new Map(
      config.alpnOverride
        .filter(({ alpnOverride }) => alpnOverride.length > 0)
        .map(({ upstreamProtocol, alpnOverride }) => [PROTOCOLS[upstreamProtocol], alpnOverride]),
    );
    return {
      create: (callbacks) => (overrides.size === 0 ? undefined : new AlpnFilter(overrides, callbacks)),
    };
  },
};

class AlpnFilter implements HttpFilter {
  readonly #overrides: Overrides;
  readonly #callbacks: FilterCallbacks;

  constructor(overrides: Overrides, callbacks: FilterCallbacks) {
    this.#overrides = overrides;
    this.#callbacks = callbacks;
  }

  requestHeaders(): HeadersStatus {
    const { chosenCluster, clusters, info } = this.#callbacks;
    const cluster = chosenCluster && clusters.get(chosenCluster.name);
    // Where a DestinationRule originates TLS, the peer is no proxy of the mesh; istiod says so in the cluster.
    if (cluster === undefined || cluster.metadata.get('istio')?.alpn_override === 'false')
      return HeadersStatus.Continue;
    const protocol = cluster.followsDownstreamProtocol ? info.protocol : cluster.http2 ? 'HTTP/2' : 'HTTP/1.1';
    const list = this.#overrides.get(protocol);
    if (list !== undefined) info.setFilterState(UPSTREAM_ALPN, list);
    return HeadersStatus.Continue;
  }
}
