import { formatAddress } from '../net/connection.ts';
import type { UpstreamOptions } from './cluster.ts';

/** The protocol that connections of a pool speak; `auto` where ALPN says. */
export type PoolProtocol = 'http1' | 'http2' | 'auto';

/**
 * By what requests share connections: everything that they want of a connection. Requests that want different
 * certificates of the server must never share one, nor those that speak for different clients to a server that is told
 * who the client is.
 */
export function poolKey(
  protocol: PoolProtocol,
  { priority, alpn, sni, subjectAltNames, downstream, source }: UpstreamOptions,
  perDownstream: boolean,
  tellsAddresses: boolean,
): string {
  let key: string = protocol;
  if (priority !== 'default') key += `\npriority ${priority}`;
  if (alpn !== undefined) key += alpnText(alpn);
  if (sni !== undefined) key += `\nsni ${JSON.stringify(sni)}`;
  if (subjectAltNames !== undefined) key += `\nsan ${JSON.stringify(subjectAltNames)}`;
  if (source !== undefined) key += `\nas ${formatAddress(source.address)} marked ${source.mark}`;
  if (downstream === undefined) return key;
  if (perDownstream) key += `\ndownstream ${downstream.id}`;
  if (tellsAddresses) key += `\nfrom ${formatAddress(downstream.remote)} to ${formatAddress(downstream.local)}`;
  return key;
}

/** In a mesh every request brings a list, which is the same one each time: its text is put together once. */
const alpnTexts = new WeakMap<readonly string[], string>();

function alpnText(alpn: readonly string[]): string {
  let text = alpnTexts.get(alpn);
  if (text === undefined) alpnTexts.set(alpn, (text = `\nalpn ${JSON.stringify(alpn)}`));
  return text;
}
