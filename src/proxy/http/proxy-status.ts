import type { HttpConnectionManager_ProxyStatusConfig as Proto } from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { Headers } from '../../wire/headers.ts';
import type { NodeIdentity } from '../context.ts';
import { formatFlags, ResponseFlag } from '../observe/response-flags.ts';
import type { StreamInfo } from '../observe/stream-info.ts';

/** Tells in Proxy-Status why a response is not what was asked for (RFC 9209). */
export type ProxyStatus = (headers: Headers, info: StreamInfo) => void;

/** Errors of RFC 9209 section 2.3 by Envoy's response flags; of several flags the first counts. */
const ERRORS: readonly (readonly [flag: number, error: string])[] = [
  [ResponseFlag.FailedLocalHealthCheck, 'destination_unavailable'],
  [ResponseFlag.NoHealthyUpstream, 'destination_unavailable'],
  [ResponseFlag.UpstreamRequestTimeout, 'http_response_timeout'],
  [ResponseFlag.LocalReset, 'connection_timeout'],
  [ResponseFlag.UpstreamRemoteReset, 'connection_terminated'],
  [ResponseFlag.UpstreamConnectionFailure, 'connection_refused'],
  [ResponseFlag.UpstreamConnectionTermination, 'connection_terminated'],
  [ResponseFlag.UpstreamOverflow, 'connection_limit_reached'],
  [ResponseFlag.NoRouteFound, 'destination_not_found'],
  [ResponseFlag.RateLimited, 'connection_limit_reached'],
  [ResponseFlag.RateLimitServiceError, 'connection_limit_reached'],
  [ResponseFlag.UpstreamRetryLimitExceeded, 'destination_unavailable'],
  [ResponseFlag.StreamIdleTimeout, 'http_response_timeout'],
  [ResponseFlag.InvalidEnvoyRequestHeaders, 'http_request_error'],
  [ResponseFlag.UpstreamMaxStreamDurationReached, 'http_response_timeout'],
  [ResponseFlag.NoFilterConfigFound, 'proxy_configuration_error'],
  [ResponseFlag.UpstreamProtocolError, 'http_protocol_error'],
  [ResponseFlag.NoClusterFound, 'destination_unavailable'],
  [ResponseFlag.DnsResolutionFailed, 'dns_error'],
];

/** Statuses that RFC 9209 recommends. */
const RECOMMENDED: Readonly<Record<string, number>> = {
  destination_unavailable: 503,
  destination_not_found: 500,
  connection_refused: 502,
  connection_terminated: 502,
  connection_timeout: 504,
  connection_limit_reached: 503,
  http_response_timeout: 504,
  http_protocol_error: 502,
  proxy_configuration_error: 500,
  dns_error: 502,
};

/** Compiles `proxy_status_config`. */
export function proxyStatus(proto: Proto, node: NodeIdentity, serverName: string): ProxyStatus {
  const { proxyName } = proto;
  const name =
    proxyName.case === 'literalProxyName' ? proxyName.value : proxyName.case === 'useNodeId' ? node.id : serverName;
  return (headers, info) => {
    const error = ERRORS.find(([flag]) => (info.flags & flag) !== 0)?.[1];
    if (error === undefined) return;
    const parts = [name, `error=${error}`];
    const details = detailsOf(info, proto);
    if (!proto.removeDetails && details.length > 0) parts.push(`details="${details.join('; ')}"`);
    const before = headers.getJoined('proxy-status');
    const own = parts.join('; ');
    headers.set('proxy-status', before === undefined ? own : `${before}, ${own}`);
    const recommended = RECOMMENDED[error];
    if (proto.setRecommendedResponseCode && recommended !== undefined) headers.status = recommended;
  };
}

function detailsOf(info: StreamInfo, proto: Proto): readonly string[] {
  const details = [info.responseCodeDetails];
  if (!proto.removeConnectionTerminationDetails) details.push(info.connectionTerminationDetails);
  if (!proto.removeResponseFlags) details.push(formatFlags(info.flags));
  return details.filter((detail) => detail !== '');
}
