import { isDeepStrictEqual } from 'node:util';
import type { SocketAddress } from '../net/connection.ts';
import type { UpstreamTransport } from '../tls/transport.ts';
import type { Metadata } from './host.ts';

/** What lies between a TCP connection and what is sent over it. */
export interface UpstreamSocket {
  /** Undefined for plaintext. */
  readonly transport: UpstreamTransport | undefined;
  /** The PROXY protocol header that a connection begins with; undefined for none. */
  readonly preamble: Preamble | undefined;
}

/** Makes the first bytes of a connection of the addresses that it stands for, or its own if it stands for none. */
export type Preamble = (connection: ConnectionAddresses, downstream: ConnectionAddresses | undefined) => Uint8Array;

export interface ConnectionAddresses {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly filterState?: ReadonlyMap<string, unknown> | undefined;
}

export const PLAINTEXT: UpstreamSocket = { transport: undefined, preamble: undefined };

/** An upstream socket with the labels of hosts that it is for (`transport_socket_matches`). */
export interface MatchedSocket extends UpstreamSocket {
  readonly name: string;
  readonly match: Labels;
}

export type Labels = Readonly<Record<string, unknown>>;

const FILTER = 'envoy.transport_socket_match';

/** Index of the first socket whose labels the metadata of a host has, or else its locality's; the last is for the rest. */
export function matchSocket(sockets: readonly MatchedSocket[], host: Metadata, locality: Metadata): number {
  const index = sockets.length === 1 ? 0 : matchLabels(sockets, host.get(FILTER));
  if (index < sockets.length - 1) return index;
  const others = locality.get(FILTER);
  return others === undefined ? index : matchLabels(sockets, others);
}

/** The same by labels that are given outright (`transport_socket_match_criteria` of a health check). */
export function matchLabels(sockets: readonly MatchedSocket[], labels: Labels | undefined): number {
  const last = sockets.length - 1;
  for (let i = 0; i < last; i++) {
    const { match } = sockets[i];
    if (Object.keys(match).every((key) => sameJson(labels?.[key], match[key]))) return i;
  }
  return last;
}

function sameJson(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b));
}
