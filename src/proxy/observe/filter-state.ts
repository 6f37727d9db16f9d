/**
 * Names under which filters leave objects for each other and for whoever accounts for a stream (Envoy's filter state).
 */

/** ALPN list, SNI and expected SANs by which filters before the router steer the upstream's TLS. */
export const UPSTREAM_ALPN = 'envoy.network.application_protocols';
export const UPSTREAM_SNI = 'envoy.network.upstream_server_name';
export const UPSTREAM_SANS = 'envoy.network.upstream_subject_alt_names';

/** Cluster of a TCP proxy that a filter before it chose, such as sni_cluster. */
export const TCP_PROXY_CLUSTER = 'envoy.tcp_proxy.cluster';

/** A number: as how many requests one counts for a rate limit service. */
export const HITS_ADDEND = 'envoy.ratelimit.hits_addend';

/** The {@link Workload} at the other end: of the client's connection, and of the upstream's. */
export const DOWNSTREAM_PEER = 'downstream_peer';
export const UPSTREAM_PEER = 'upstream_peer';
/** Set on a connection whose peer will not tell who it is. */
export const NO_PEER = 'peer_not_found';

/** {@link GrpcMessageCounts} of a call. */
export const GRPC_STATS = 'envoy.filters.http.grpc_stats';

/** Messages of a gRPC call so far. */
export interface GrpcMessageCounts {
  readonly requestMessages: number;
  readonly responseMessages: number;
}

/** Host and port that a dynamic forward proxy connects to, instead of what the request or the client's SNI names. */
export const DYNAMIC_HOST = 'envoy.upstream.dynamic_host';
export const DYNAMIC_PORT = 'envoy.upstream.dynamic_port';

/** From where connections to upstreams are made instead of from here (ForeignSource). */
export const ORIGINAL_SOURCE = 'isthmus.original_src';

/** Extensions of the client's PROXY protocol header that upstreams may be told (Tlv[]). */
export const PROXY_PROTOCOL_TLVS = 'envoy.network.proxy_protocol_options';
