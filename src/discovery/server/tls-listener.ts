import { constants } from 'node:crypto';
import type { ListenOptions } from 'node:net';
import { createServer, type DetailedPeerCertificate, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { codeOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { RefusalLog } from '../../base/refusal-log.ts';
import { formatAddress } from './address.ts';
import type { ServerCredentials } from './server-certificate.ts';
import { bind, Connections, type SocketListener } from './sockets.ts';

export interface TlsSettings {
  /** `--tls-min-version`. */
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** `--tls-cipher-suites` as OpenSSL names them; Node's choice if left out. */
  readonly ciphers?: string;
}

export interface TlsListener extends SocketListener {
  /** What new connections are given from now on. */
  setCredentials(credentials: ServerCredentials): void;
  /** Certificates that the peer of a live connection presented, DER, leaf first; undefined if it presented none. */
  certificatesOf(peer: string): readonly Uint8Array[] | undefined;
}

/** `[A|B]` and TLS 1.2 names aside, the groups that clients offer and that cost least. */
const GROUPS = 'X25519:P-256';
const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_CHAIN = 16;

/**
 * Listens for TLS with HTTP/2. A client may present a certificate: one that the trust bundle does not vouch for ends the
 * connection, and none leaves it to the calls to prove who makes them. Sessions are not resumed, since the proof is in
 * the handshake.
 */
export async function listenTls(
  flag: string,
  options: ListenOptions,
  credentials: ServerCredentials,
  settings: TlsSettings,
  log: Logger,
  onSocket: (socket: TLSSocket) => void,
): Promise<TlsListener> {
  const connections = new Connections();
  const refusals = new RefusalLog(log, performance.now());
  const presented = new Map<string, readonly Uint8Array[]>();
  const server = createServer(
    {
      ...contextOf(credentials, settings),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    },
    (socket) => {
      connections.add(socket);
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      socket.on('close', () => presented.delete(peer));
      const chain = chainOf(socket.getPeerCertificate(true));
      if (chain && !socket.authorized) {
        const why = socket.authorizationError;
        refusals.refused(() => `refused a client certificate from ${peer}: ${why}`, performance.now());
        socket.destroy();
        return;
      }
      if (chain) presented.set(peer, chain);
      onSocket(socket);
    },
  );
  server.on('tlsClientError', (error, socket) => {
    const tell = () => `TLS handshake with ${socket.remoteAddress}:${socket.remotePort} failed: ${error.message}`;
    // Who just goes away was not refused.
    if (codeOf(error) === 'ECONNRESET') log.debug(tell());
    else refusals.refused(tell, performance.now());
  });
  await bind(flag, server, options);
  return {
    address: formatAddress(server.address()),
    stop: () => server.close(),
    drained: (ms, clock) => connections.drained(ms, clock),
    destroy: () => connections.destroy(),
    setCredentials: (next) => server.setSecureContext(contextOf(next, settings)),
    certificatesOf: (peer) => presented.get(peer),
  };
}

function contextOf({ key, chain, roots }: ServerCredentials, settings: TlsSettings): SecureContextOptions {
  return {
    key,
    cert: chain,
    ca: roots,
    minVersion: settings.minVersion,
    ecdhCurve: GROUPS,
    secureOptions: constants.SSL_OP_NO_TICKET,
    honorCipherOrder: true,
    ...(settings.ciphers ? { ciphers: settings.ciphers } : {}),
  };
}

/** Node links the certificates of a chain; a root is linked to itself. */
function chainOf(leaf: DetailedPeerCertificate | undefined): readonly Uint8Array[] | undefined {
  if (!leaf?.raw) return undefined;
  const chain: Uint8Array[] = [];
  let at: DetailedPeerCertificate | undefined = leaf;
  while (at?.raw && chain.length < MAX_CHAIN) {
    chain.push(at.raw);
    at = at.issuerCertificate === at ? undefined : at.issuerCertificate;
  }
  return chain;
}
