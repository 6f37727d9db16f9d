import { isConnectionFailure, ResetReason } from '../../../wire/http.ts';
import type { LocalReply } from '../../http/filter.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';

/** Envoy's words for the ways in which an attempt ends without a response. */
const REASONS: Readonly<Record<ResetReason, string>> = {
  [ResetReason.LocalReset]: 'local reset',
  [ResetReason.RemoteReset]: 'remote reset',
  [ResetReason.RemoteRefused]: 'remote refused stream reset',
  [ResetReason.ConnectionTermination]: 'connection termination',
  [ResetReason.ConnectionFailure]: 'remote connection failure',
  [ResetReason.LocalConnectionFailure]: 'local connection failure',
  [ResetReason.Overflow]: 'overflow',
  [ResetReason.ProtocolError]: 'protocol error',
};

const FLAGS: Readonly<Record<ResetReason, number>> = {
  [ResetReason.LocalReset]: ResponseFlag.LocalReset,
  [ResetReason.RemoteReset]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.RemoteRefused]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.ConnectionTermination]: ResponseFlag.UpstreamConnectionTermination,
  [ResetReason.ConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.LocalConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.Overflow]: ResponseFlag.UpstreamOverflow,
  [ResetReason.ProtocolError]: ResponseFlag.UpstreamProtocolError,
};

/** `connection timeout` has a reason of its own in Envoy; pools hand it on as the detail of a failed connection. */
export const CONNECTION_TIMEOUT = 'connection timeout';

/** Envoy's words for the way in which an attempt ended. */
export function reasonText(reason: ResetReason, transportFailure: string): string {
  return reason === ResetReason.ConnectionFailure && transportFailure === CONNECTION_TIMEOUT
    ? CONNECTION_TIMEOUT
    : REASONS[reason];
}

/** The ResponseFlag of the way in which an attempt ended. */
export function failureFlag(reason: ResetReason): number {
  return FLAGS[reason];
}

/** `drop_overloads` of the cluster's endpoints has fallen on the request, or on all of them. `headers`: Envoy's own are wanted. */
export function droppedForOverload(all: boolean, headers: boolean): LocalReply {
  const name = all ? 'x-envoy-unconditional-drop-overload' : 'x-envoy-drop-overload';
  return {
    status: 503,
    body: all ? 'unconditional drop overload' : 'drop overload',
    details: all ? 'unconditional_drop_overload' : 'drop_overload',
    flags: all ? ResponseFlag.UnconditionalDropOverload : ResponseFlag.DropOverload,
    ...(headers && { edit: (reply) => reply.set(name, 'true') }),
  };
}

/** The cluster is to be left alone, as runtime says. */
export function maintenance(suppressEnvoyHeaders: boolean): LocalReply {
  return {
    status: 503,
    body: 'maintenance mode',
    details: 'maintenance_mode',
    flags: ResponseFlag.UpstreamOverflow,
    edit: suppressEnvoyHeaders ? undefined : (headers) => headers.set('x-envoy-overloaded', 'true'),
  };
}

/** The cluster that the route names does not exist; `status` is what the route answers then. */
export function clusterNotFound(status: number): LocalReply {
  return { status, body: '', details: 'cluster_not_found', flags: ResponseFlag.NoClusterFound };
}

/** The cluster has no host for the request; `details` says why. */
export function noHealthyUpstream(details = 'no_healthy_upstream'): LocalReply {
  return { status: 503, body: 'no healthy upstream', details, flags: ResponseFlag.NoHealthyUpstream };
}

/** The upstream took too long; `details` says which limit was reached. */
export function upstreamTimeout(
  details: 'response_timeout' | 'upstream_per_try_timeout' | 'upstream_per_try_idle_timeout',
): LocalReply {
  return { status: 504, body: 'upstream request timeout', details, flags: ResponseFlag.UpstreamRequestTimeout };
}

/** How an attempt ended without a response. */
export interface AttemptEnd {
  readonly reason: ResetReason;
  /** What TCP or TLS said; empty for nothing. */
  readonly transportFailure: string;
}

/** The answer for a request whose last attempt failed; `attempts` is their number. */
export function failureReply(end: AttemptEnd, attempts: number, suppressEnvoyHeaders: boolean): LocalReply {
  const { reason, transportFailure } = end;
  const text = reasonText(reason, transportFailure);
  const retried = attempts > 1 ? 'retried and the latest ' : '';
  const details = isConnectionFailure(reason) && transportFailure !== text ? transportFailure : '';
  const suffix = details === '' ? '' : `|${details.replaceAll(' ', '_')}`;
  const overloaded = reason === ResetReason.Overflow && !suppressEnvoyHeaders;
  return {
    status: reason === ResetReason.ProtocolError ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${retried}reset reason: ${text}`,
    details: `upstream_reset_before_response_started{${text.replaceAll(' ', '_')}${suffix}}`,
    flags: failureFlag(reason),
    edit: overloaded ? (headers) => headers.set('x-envoy-overloaded', 'true') : undefined,
  };
}

/** Details of a response that broke off after its headers had gone out. */
export function brokenOffDetails(reason: ResetReason, transportFailure: string): string {
  return `upstream_reset_after_response_started{${reasonText(reason, transportFailure).replaceAll(' ', '_')}}`;
}
