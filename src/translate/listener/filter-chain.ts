import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Metadata } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type Filter,
  type FilterChain,
  type FilterChainMatch,
  FilterChainMatchSchema,
  FilterChainSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { DownstreamTlsContext } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import type { ConfigObject } from '../../config/object.ts';
import { canonicalPrefix, parsePrefix } from '../../registry/address.ts';
import { UNSPECIFIED } from '../../registry/service.ts';
import type { Origin } from '../index/virtual-service.ts';
import { cidr, duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { downstreamSocket } from '../tls/downstream.ts';

/** What TLS clients of the mesh say that they speak, by the outbound proxy's knowledge of what is inside. */
export const MESH_HTTP_PROTOCOLS = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
export const MESH_PROTOCOLS = ['istio', 'istio-peer-exchange', ...MESH_HTTP_PROTOCOLS];
export const MESH_TCP_PROTOCOLS = ['istio-peer-exchange', 'istio'];

export const TLS_TRANSPORT = 'tls';
export const PLAIN_TRANSPORT = 'raw_buffer';

/** What the HTTP inspector may find in plain text. HTTP/1.0 is only taken for HTTP where it is answered. */
export function plainHttpProtocols({ features }: ProxyView): string[] {
  return features.http10 ? ['http/1.0', 'http/1.1', 'h2c'] : ['http/1.1', 'h2c'];
}

/** A filter chain of an outbound or gateway listener before it is built. */
export interface ChainSpec {
  /** `*` is any, with or without. */
  readonly sniHosts: readonly string[];
  /** Addresses or prefixes. */
  readonly destinations: readonly string[];
  readonly applicationProtocols: readonly string[];
  readonly transportProtocol: string;
  readonly metadata: MessageInitShape<typeof FilterChainSchema>['metadata'];
  readonly tls: DownstreamTlsContext | undefined;
  readonly sources: readonly (Origin | ConfigObject)[];
  readonly filters: () => Filter[];
}

/** A filter chain that matches everything, but for what is given. */
export function chain(parts: Pick<ChainSpec, 'filters'> & Partial<ChainSpec>): ChainSpec {
  return {
    sniHosts: [],
    destinations: [],
    applicationProtocols: [],
    transportProtocol: '',
    metadata: undefined,
    tls: undefined,
    sources: [],
    ...parts,
  };
}

/** Whether a chain takes every connection. */
export function matchesAll(spec: ChainSpec): boolean {
  return (
    (spec.sniHosts.length === 0 || spec.sniHosts.includes('*')) &&
    spec.applicationProtocols.length === 0 &&
    spec.transportProtocol === '' &&
    spec.destinations.length === 0
  );
}

/** The match of a chain; undefined if it takes every connection. */
export function chainMatch(spec: ChainSpec): FilterChainMatch | undefined {
  if (matchesAll(spec)) return undefined;
  const prefixes = [...spec.destinations].sort().flatMap((text) => parsePrefix(text) ?? []);
  return create(FilterChainMatchSchema, {
    applicationProtocols: [...spec.applicationProtocols],
    transportProtocol: spec.transportProtocol,
    serverNames: spec.sniHosts.includes('*') ? [] : [...spec.sniHosts].sort(),
    prefixRanges: prefixes.filter(({ address }) => address !== UNSPECIFIED).map(cidr),
  });
}

/** Whether two chains would take the same connections, which Envoy refuses. */
export function conflict(a: ChainSpec, b: ChainSpec): boolean {
  return (
    a.transportProtocol === b.transportProtocol &&
    a.applicationProtocols.join() === b.applicationProtocols.join() &&
    sameSet(namesOf(a), namesOf(b)) &&
    sameSet(prefixesOf(a), prefixesOf(b))
  );
}

function namesOf({ sniHosts }: ChainSpec): ReadonlySet<string> {
  return new Set(sniHosts.filter((host) => host !== '*'));
}

function prefixesOf({ destinations }: ChainSpec): ReadonlySet<string> {
  const prefixes = destinations.flatMap((text) => parsePrefix(text) ?? []);
  return new Set(prefixes.filter(({ address }) => address !== UNSPECIFIED).map(canonicalPrefix));
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

/** Whether the listener must look into TLS handshakes to choose a chain. */
export function needsTlsInspector({ sniHosts, tls }: ChainSpec): boolean {
  return sniHosts.length > 0 || (tls?.commonTlsContext?.alpnProtocols.length ?? 0) > 0;
}

/** A chain with everything but what it matches. */
export function buildChain({ features }: ProxyView, spec: ChainSpec): FilterChain {
  return create(FilterChainSchema, {
    filters: spec.filters(),
    metadata: spec.metadata as Metadata,
    ...(spec.tls === undefined ? {} : { transportSocket: downstreamSocket(spec.tls) }),
    // A client that does not finish its handshake costs memory.
    ...(features.transportSocketConnectTimeout > 0
      ? { transportSocketConnectTimeout: duration(features.transportSocketConnectTimeout) }
      : {}),
  });
}
