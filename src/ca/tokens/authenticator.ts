import type { WorkloadIdentity } from '../../base/spiffe.ts';

/** What a peer showed of itself. */
export interface Credentials {
  /** Token from `authorization: Bearer TOKEN`. */
  readonly bearer?: string;
  /**
   * Certificates that the peer presented in a TLS handshake, DER, its own first. The handshake proves that it holds the
   * key; whether the chain is to be trusted is not assumed.
   */
  readonly peerCertificates?: readonly Uint8Array[];
}

/** A peer whose identity is proven. */
export interface Caller {
  readonly identity: WorkloadIdentity;
  readonly via: 'token' | 'certificate';
  /** When the proof ends, milliseconds since 1970. */
  readonly expiresAt: number;
}

/** One way to prove an identity. */
export interface Authenticator {
  /** For logs, such as `ClientCertAuthenticator`. */
  readonly name: string;
  /** Null if there is no credential of its kind; throws an {@link AuthenticationError} if there is one that is not good. */
  authenticate(credentials: Credentials): Promise<Caller | null>;
}

/** Why a credential was refused. The message is for the log of the server, holds nothing secret, and is not sent. */
export class AuthenticationError extends Error {
  override readonly name = 'AuthenticationError';
}

/** The token of an `authorization` header. The scheme is compared as istiod does: exactly. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization?.startsWith('Bearer ') ? authorization.slice('Bearer '.length).trim() || undefined : undefined;
}
