import type { Output } from '../../wire/http.ts';

/** An IP address and port, or the path of a Unix socket (port 0, family 0). */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6 | 0;
  /** Whether a listener on `::` takes connections over IPv4 as well (`ipv4_compat`). */
  readonly ipv4Compat?: boolean;
  /** Permissions of the file of a listener's socket (`Pipe.mode`); as the process makes files unless told. */
  readonly mode?: number;
}

/** `10.0.0.1:80`, `[::1]:80`, or the path, as Envoy prints addresses. */
export function formatAddress(at: SocketAddress): string {
  if (at.family === 0) return at.address;
  return at.family === 6 ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
}

/** What is known of the TLS layer of a connection after its handshake was admitted. */
export interface TlsInfo {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** The protocol that ALPN settled, or empty. */
  readonly alpn: string;
  readonly sni: string;
  readonly resumed: boolean;
  /** The peer's certificate, if it presented one. */
  readonly peer: PeerCertificate | undefined;
  /** URI SANs of the certificate that we presented. */
  readonly localUriSans: readonly string[];
  readonly localDnsSans: readonly string[];
  readonly localSubject: string;
}

/** The facts of a certificate that access logs, RBAC, XFCC and metrics ask for. */
export interface PeerCertificate {
  /** Lower-case hex SHA-256 of the DER. */
  readonly sha256: string;
  readonly serial: string;
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  readonly validFrom: number;
  readonly validTo: number;
  /** Whether it chains to a trusted root; false only where a context accepts untrusted peers. */
  readonly validated: boolean;
  /** URL-encoded PEM of the leaf, and of the whole chain. */
  pem(): string;
  chainPem(): string;
}

export const CloseReason = {
  /** We closed it, after what was written had been sent or not. */
  Local: 'local',
  /** The peer closed in order. */
  Remote: 'remote',
  /** The peer reset it, or the network failed. */
  Reset: 'reset',
  Timeout: 'timeout',
  /** TCP connect or TLS handshake failed. */
  ConnectFailure: 'connect-failure',
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** The owner of a connection. Calls come from within events and never after `onClose`. */
export interface ConnectionHandler {
  /** Bytes `start` to `end`; the buffer is overwritten afterwards. */
  onData(bytes: Buffer, start: number, end: number): void;
  /** The peer sends no more; we may go on sending. */
  onEnd(): void;
  /** Writes pile up beyond the buffer limit (true) or have drained (false). Calls alternate. */
  onBackpressure(high: boolean): void;
  /** The connection is gone. `details` names an error for people. */
  onClose(reason: CloseReason, details: string): void;
}

/** A byte stream with a peer: TCP, a Unix socket, or TLS over either. */
export interface Connection extends Output {
  /** Unique in this process, for logs. */
  readonly id: number;
  readonly local: SocketAddress;
  /** The peer as the listener filters see it: the PROXY protocol may have replaced it. */
  readonly remote: SocketAddress;
  /** The peer of the socket. */
  readonly directRemote: SocketAddress;
  /** Where the client was connecting to before it was captured; undefined where that is not known. */
  readonly originalDestination: SocketAddress | undefined;
  /** SNI that a listener filter saw, whether or not TLS ends here. */
  readonly requestedServerName: string;
  readonly tls: TlsInfo | undefined;
  /** Name of the filter chain that a downstream connection came to; empty for none, and upstream. */
  readonly filterChainName: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly closed: boolean;
  /** What filters of the connection leave for those of its streams, by the names of `observe/filter-state.ts`. */
  filterState: Map<string, unknown> | undefined;

  setHandler(handler: ConnectionHandler): void;
  /** Starts reading; what was read before the handler was there is delivered first. */
  start(): void;
  /** Stops (true) or resumes reading. Calls do not nest. */
  pauseReading(pause: boolean): void;
  /** Sends what was written, then no more: half-close. */
  end(): void;
  /**
   * Sends what was written, half-closes, and drops the connection when the peer has closed too, or after `delayMs`: a
   * peer that is still sending must not have our last words reset away (RFC 9112 section 9.6). The reason is remote if
   * the peer had closed before this was called, else local.
   */
  closeAfterFlush(delayMs: number): void;
  /** Drops the connection now. `onClose` comes before this returns, with reason local. */
  close(details?: string): void;
  /** Drops it with a TCP reset. */
  reset(): void;
}
