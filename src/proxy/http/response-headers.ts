import type { Headers } from '../../wire/headers.ts';
import type { HcmConfig } from './config.ts';

let dateText = '';
let dateSecond = -1;

/** The Date header of this second (RFC 9110 section 5.6.7). */
export function httpDate(wallClock: number): string {
  const second = Math.floor(wallClock / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(wallClock).toUTCString();
  }
  return dateText;
}

/** Takes off what belonged to the upstream's connection. */
export function removeUpstreamHopByHop(headers: Headers, upgrade: boolean): void {
  for (let i = 0; i < headers.size; i++) {
    const name = headers.nameAt(i);
    if (
      name === 'connection' ||
      name === 'transfer-encoding' ||
      name === 'keep-alive' ||
      name === 'proxy-connection' ||
      name === 'upgrade'
    ) {
      headers.removeIf(
        (n) =>
          n === 'transfer-encoding' ||
          n === 'keep-alive' ||
          n === 'proxy-connection' ||
          (!upgrade && (n === 'connection' || n === 'upgrade')),
      );
      return;
    }
  }
}

/** Sets what every response of a connection manager has: Server and Date, and the request's id where asked. */
export function finishResponseHeaders(headers: Headers, config: HcmConfig, wallClock: number, requestId: string): void {
  if (!headers.has('date')) headers.add('date', httpDate(wallClock));
  if (config.serverHeader === 'overwrite') headers.set('server', config.serverName);
  else if (config.serverHeader === 'append-if-absent' && !headers.has('server'))
    headers.add('server', config.serverName);
  if (config.alwaysSetRequestIdInResponse && requestId !== '') headers.set('x-request-id', requestId);
  if (config.via !== '') headers.append('via', config.via);
}
