import type net from 'node:net';
import tls from 'node:tls';

/**
 * What we use of Node's TLS sockets that is not in its documentation, in one place. `tls.Server` and `tls.connect`
 * use the same; the documented `new tls.TLSSocket()` leaves out whom to trust, how to begin, and how to hear of errors.
 */
interface Internals {
  readonly _handle: { verifyError?(): (Error & { code?: string }) | null | undefined } | null;
  /** Begins the handshake of a client. */
  _start(): void;
  /** From now on errors are emitted as `error`. */
  _releaseControl(): boolean;
  setServername(name: string): void;
  setSession(session: Buffer): void;
}

const internals = (socket: tls.TLSSocket): Internals => socket as unknown as Internals;

/** A server's or client's TLS over a connected socket. It asks the peer for a certificate, and judges none. */
export interface TlsSocketOptions {
  readonly secureContext: tls.SecureContext;
  readonly isServer: boolean;
  /** A server asks for a certificate; a client always gets one. */
  readonly requestCert: boolean;
  /** A server ends the handshake if the client has none. */
  readonly requirePeerCertificate: boolean;
  /** Wire format of the ALPN extension (RFC 7301 section 3.1), or undefined to leave it out. */
  readonly alpn: Buffer | undefined;
  /** Session of a client to resume. */
  readonly session?: Buffer | undefined;
  /** Server name of a client; empty for none. */
  readonly servername?: string;
}

/** Puts TLS on a connected socket. Nobody is admitted by it: that is `admit`'s. */
export function wrapSocket(socket: net.Socket, options: TlsSocketOptions): tls.TLSSocket {
  const wrapped = new tls.TLSSocket(socket, {
    secureContext: options.secureContext,
    isServer: options.isServer,
    requestCert: options.requestCert,
    // The server's handshake fails without a certificate; that it does not fail with a bad one is our business anyway.
    rejectUnauthorized: options.requirePeerCertificate,
    ALPNProtocols: options.alpn,
  });
  if (!options.isServer) {
    if (options.session) internals(wrapped).setSession(options.session);
    if (options.servername) internals(wrapped).setServername(options.servername);
    internals(wrapped)._start();
  }
  return wrapped;
}

const UNSPECIFIED = 'UNSPECIFIED';

/**
 * What OpenSSL found when it verified the peer's chain, with the certificates of the context as trust anchors: its code
 * or text, or undefined if it is content, which it also is when there is no certificate. For a resumed session it is what was
 * found when the session was made. Where Node no longer tells, everything counts as unverified.
 */
export function chainVerdict(socket: tls.TLSSocket): string | undefined {
  const handle = internals(socket)._handle;
  if (typeof handle?.verifyError !== 'function') return UNSPECIFIED;
  const error = handle.verifyError();
  if (!error) return undefined;
  // Node has no code for all of OpenSSL's results; its message is OpenSSL's text.
  return error.code && error.code !== UNSPECIFIED ? error.code : error.message || UNSPECIFIED;
}

/**
 * Hands over the sessions that a client's connection may be resumed with, for as long as it lasts. For admitted
 * connections only: from Node 26 on `tls.connect` alone can say that a peer was verified, without which the event
 * `session` does not come.
 */
export function onSession(socket: tls.TLSSocket, take: (session: Buffer) => void): void {
  const verified = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'verified');
  if (verified !== undefined) (socket as unknown as Record<symbol, boolean>)[verified] = true;
  socket.on('session', take);
  // Under TLS 1.2 the session has come with the handshake.
  if (socket.getProtocol() === 'TLSv1.3') return;
  const session = socket.getSession();
  if (session) take(session);
}

/** To be called once the handshake was admitted: until then errors are swallowed. */
export function releaseControl(socket: tls.TLSSocket): void {
  internals(socket)._releaseControl();
}
