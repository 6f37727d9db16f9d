import type net from 'node:net';
import type { ClientHello } from '../../wire/clienthello/clienthello.ts';
import type { TlsInfo } from '../net/connection.ts';

/** Why a TLS connection was not admitted: one record per failure, for the access log, the log and counters. */
export interface TlsFailure {
  /**
   * Envoy's own words: `TLS_error:|268435581:SSL routines:...:TLS_error_end`. Formatters put underscores for its spaces.
   * Empty where Envoy has none, such as for a peer that just goes away.
   */
  readonly reason: string;
  /** For people: both identities, what was expected, fingerprints of both roots, SNI, ALPN, the alert by name. */
  readonly explanation: string;
  /** Whether the secrets that the context needs are missing: nobody's fault but ours. */
  readonly secretsMissing: boolean;
  /** What is known of the connection, where it is the peer's certificate that was refused; for logs. */
  readonly info?: TlsInfo | undefined;
}

export type TlsOutcome = { readonly socket: net.Socket; readonly info: TlsInfo } | { readonly failure: TlsFailure };

/** A handshake under way. */
export interface Handshake {
  /** Gives up; the callback is not called any more and the socket is destroyed. */
  cancel(): void;
}

/** The server's TLS of one filter chain: a DownstreamTlsContext with its secrets. */
export interface DownstreamTransport {
  /** Whether its secrets have come. While they have not, connections are refused. */
  readonly ready: boolean;
  /** Whether nobody need wait for secrets: they have come, were refused, or have not come within the time for that. */
  readonly settled: boolean;
  /** Calls back once, later, when `settled` is true; not after `close`. */
  whenSettled(callback: () => void): void;
  /**
   * Makes TLS of a connected socket whose first bytes were read, parsed and `unshift`ed. The callback comes once; with
   * a socket only after the peer was admitted, before any byte of its data was delivered.
   */
  accept(socket: net.Socket, hello: ClientHello, done: (outcome: TlsOutcome) => void): Handshake;
  /**
   * Answers a client that does not speak TLS with an alert, unless it speaks HTTP, counts it, and tells Envoy's words
   * for it. `start` is how it began, `inspected` whether a TLS inspector has looked at it. The socket is to be closed.
   */
  refusePlaintext(socket: net.Socket, start: Uint8Array, inspected: boolean): string;
  /** Certificates of the context for `/certs`; no private keys. */
  readonly certificates: readonly CertificateFacts[];
  close(): void;
}

/** What one request wants to be different from the cluster's context. */
export interface UpstreamTlsOverride {
  /** SNI: auto_sni, or the downstream's. */
  readonly sni?: string;
  /** Name of the host that is connected to, for contexts with `auto_host_sni`. */
  readonly hostname?: string;
  /** ALPN list instead of the context's: filter state `envoy.network.application_protocols`, or `auto_config`. */
  readonly alpn?: readonly string[];
  /** ALPN list where the context has none: what the protocol of the connection calls for. */
  readonly defaultAlpn?: readonly string[];
  /** SANs of which the server must have one, besides what the context asks for: auto_san_validation, or filter state. */
  readonly subjectAltNames?: readonly string[];
}

/** The client's TLS of one transport socket match: an UpstreamTlsContext with its secrets. */
export interface UpstreamTransport {
  readonly ready: boolean;
  /** Whether nobody need wait for secrets: they have come, were refused, or have not come within the time for that. */
  readonly settled: boolean;
  /** Calls back once, later, when `settled` is true. */
  whenSettled(callback: () => void): { cancel(): void };
  connect(socket: net.Socket, override: UpstreamTlsOverride, done: (outcome: TlsOutcome) => void): Handshake;
  /** Connections made under another generation must not be reused for new streams: secrets or trust changed. */
  readonly generation: number;
  readonly certificates: readonly CertificateFacts[];
  close(): void;
}

/** One row of `/certs`. Times in milliseconds since 1970. */
export interface CertificateFacts {
  readonly path: string;
  readonly serialNumber: string;
  readonly subjectAltNames: readonly { readonly type: 'uri' | 'dns' | 'ip'; readonly value: string }[];
  readonly validFrom: number;
  readonly expirationTime: number;
  readonly isCa: boolean;
}
