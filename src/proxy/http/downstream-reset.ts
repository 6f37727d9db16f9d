import { ResetReason } from '../../wire/http.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import type { StreamInfo } from '../observe/stream-info.ts';

/**
 * Notes that a client has given up a stream or its connection, has broken the protocol, or has sent more than is taken.
 */
export function noteDownstreamReset(info: StreamInfo, reason: ResetReason, details: string): void {
  if (reason === ResetReason.RemoteReset) {
    info.flags |= ResponseFlag.DownstreamRemoteReset;
    info.responseCodeDetails ||= 'http2.remote_reset';
  } else if (reason === ResetReason.ProtocolError) {
    info.flags |= ResponseFlag.DownstreamProtocolError;
    info.responseCodeDetails = details;
  } else if (reason === ResetReason.Overflow) {
    // Nothing of the request was read: this is all that there is to tell of it.
    info.flags |= ResponseFlag.DownstreamRemoteReset;
    info.responseCodeDetails = details;
  } else {
    info.flags |= ResponseFlag.DownstreamConnectionTermination;
    info.responseCodeDetails = 'downstream_remote_disconnect';
  }
}
