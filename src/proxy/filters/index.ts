import type { HttpFilterDefinition } from '../http/filter.ts';
import type { NetworkFilterDefinition } from '../net/network-filter.ts';
import { alpn } from './alpn/definition.ts';
import { buffer } from './buffer/definition.ts';
import { compressor } from './compressor/definition.ts';
import { connectionLimit } from './connection_limit/definition.ts';
import { cors } from './cors/definition.ts';
import { decompressor } from './decompressor/definition.ts';
import { directResponse } from './direct_response/definition.ts';
import { dynamicForwardProxy } from './dynamic_forward_proxy/definition.ts';
import { echo } from './echo/definition.ts';
import { extAuthz } from './ext_authz/definition.ts';
import { fault } from './fault/definition.ts';
import { grpcJsonTranscoder } from './grpc_json_transcoder/definition.ts';
import { grpcStats } from './grpc_stats/definition.ts';
import { grpcWeb } from './grpc_web/definition.ts';
import { headerMutation } from './header_mutation/definition.ts';
import { healthCheck } from './health_check/definition.ts';
import { istioStats, istioTcpStats } from './istio_stats/definition.ts';
import { jwtAuthn } from './jwt_authn/definition.ts';
import { localRatelimit } from './local_ratelimit/definition.ts';
import { metadataExchange } from './metadata_exchange/definition.ts';
import { mongoProxy } from './mongo_proxy/definition.ts';
import { networkExtAuthz } from './network_ext_authz/definition.ts';
import { networkLocalRatelimit } from './network_local_ratelimit/definition.ts';
import { networkRatelimit } from './network_ratelimit/definition.ts';
import { networkRbac } from './network_rbac/definition.ts';
import { networkSetFilterState } from './network_set_filter_state/definition.ts';
import { originalSrc } from './original_src/definition.ts';
import { peerMetadata } from './peer_metadata/definition.ts';
import { ratelimit } from './ratelimit/definition.ts';
import { rbac } from './rbac/definition.ts';
import { router } from './router/definition.ts';
import { setFilterState } from './set_filter_state/definition.ts';
import { sniCluster } from './sni_cluster/definition.ts';
import { sniDynamicForwardProxy } from './sni_dynamic_forward_proxy/definition.ts';
import { statefulSession } from './stateful_session/definition.ts';
import { tcpProxy } from './tcp_proxy/definition.ts';

/** Every HTTP filter that a configuration may name. A new filter is one folder and one line here. */
export const HTTP_FILTERS = [
  alpn,
  buffer,
  compressor,
  cors,
  decompressor,
  dynamicForwardProxy,
  extAuthz,
  fault,
  grpcJsonTranscoder,
  grpcStats,
  grpcWeb,
  headerMutation,
  healthCheck,
  istioStats,
  jwtAuthn,
  localRatelimit,
  originalSrc,
  peerMetadata,
  ratelimit,
  rbac,
  router,
  setFilterState,
  statefulSession,
] as readonly HttpFilterDefinition<never, never>[];

/** Every network filter but the connection manager, which is a world of its own (`proxy/http`). */
export const NETWORK_FILTERS = [
  connectionLimit,
  directResponse,
  echo,
  istioTcpStats,
  metadataExchange,
  networkExtAuthz,
  networkLocalRatelimit,
  networkRatelimit,
  networkRbac,
  mongoProxy,
  networkSetFilterState,
  sniCluster,
  sniDynamicForwardProxy,
  tcpProxy,
] as readonly NetworkFilterDefinition<never>[];
