import { ResetReason } from '../../../wire/http.ts';
import { ResponseFlag } from '../../observe/response-flags.ts';

/** Envoy's words for the ways in which an attempt ends without a response. */
const REASONS: Readonly<Record<ResetReason, string>> = {
  [ResetReason.LocalReset]: 'local reset',
  [ResetReason.RemoteReset]: 'remote reset',
  [ResetReason.RemoteRefused]: 'remote refused stream reset',
  [ResetReason.ConnectionTermination]: 'connection termination',
  [ResetReason.ConnectionFailure]: 'remote connection failure',
  [ResetReason.Overflow]: 'overflow',
  [ResetReason.ProtocolError]: 'protocol error',
};

const FLAGS: Readonly<Record<ResetReason, number>> = {
  [ResetReason.LocalReset]: ResponseFlag.LocalReset,
  [ResetReason.RemoteReset]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.RemoteRefused]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.ConnectionTermination]: ResponseFlag.UpstreamConnectionTermination,
  [ResetReason.ConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.Overflow]: ResponseFlag.UpstreamOverflow,
  [ResetReason.ProtocolError]: ResponseFlag.UpstreamProtocolError,
};

/** `connection timeout` has a reason of its own in Envoy; pools hand it on as the detail of a failed connection. */
export const CONNECTION_TIMEOUT = 'connection timeout';

export function reasonText(reason: ResetReason, transportFailure: string): string {
  return reason === ResetReason.ConnectionFailure && transportFailure === CONNECTION_TIMEOUT
    ? CONNECTION_TIMEOUT
    : REASONS[reason];
}

export function failureFlag(reason: ResetReason): number {
  return FLAGS[reason];
}
