import type { Headers } from '../../wire/headers.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { HcmConfig } from './config.ts';
import { RESPONSE_HEADERS, survey, Trait } from './known-headers.ts';
import { appendVia } from './request-headers.ts';

let dateText = '';
let dateSecond = -1;

/** The Date header of this second (RFC 9110 section 5.6.7). */
function httpDate(wallClock: number): string {
  const second = Math.floor(wallClock / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(wallClock).toUTCString();
  }
  return dateText;
}

/** Takes off what belonged to the upstream's connection, and puts together what Envoy has once. */
export function cleanUpstreamHeaders(headers: Headers, upgrade: boolean): void {
  const traits = survey(headers, RESPONSE_HEADERS);
  if (traits & Trait.Repeated) headers.joinRepeated(RESPONSE_HEADERS);
  if ((traits & Trait.HopByHop) === 0) return;
  headers.removeIf(
    (name) =>
      name === 'transfer-encoding' ||
      name === 'keep-alive' ||
      name === 'proxy-connection' ||
      (!upgrade && (name === 'connection' || name === 'upgrade')),
  );
}

/** Sets what every response of a connection manager has: Server and Date, and the request's id where asked. */
export function finishResponseHeaders(
  headers: Headers,
  config: HcmConfig,
  wallClock: number,
  info: StreamInfo,
  isTraceForced: boolean,
): void {
  if (!headers.has('date')) headers.add('date', httpDate(wallClock));
  if (config.serverHeader === 'overwrite') headers.set('server', config.serverName);
  else if (config.serverHeader === 'append-if-absent' && !headers.has('server'))
    headers.add('server', config.serverName);
  if ((config.alwaysSetRequestIdInResponse || isTraceForced) && info.requestId !== '')
    headers.set('x-request-id', info.requestId);
  if (config.via !== '') appendVia(headers, config.via);
  config.proxyStatus?.(headers, info);
}
