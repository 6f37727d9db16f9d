import type { CertificationRequest } from '../x509/request.ts';

/** Lifetimes and limits, with the defaults of istiod (`DEFAULT_WORKLOAD_CERT_TTL`, `MAX_WORKLOAD_CERT_TTL`). */
export const DEFAULT_WORKLOAD_TTL_MS = 24 * 3_600_000;
export const MAX_WORKLOAD_TTL_MS = 90 * 24 * 3_600_000;
/** `CITADEL_SELF_SIGNED_CA_CERT_TTL`: ten years. */
export const ROOT_TTL_MS = 3650 * 24 * 3_600_000;
/** How far before now a certificate begins, because clocks differ. */
export const CLOCK_SKEW_MS = 2 * 60_000;

export interface SigningOptions {
  /** SPIFFE ID that the certificate is to carry: the identity of the authenticated caller. */
  readonly identity?: string;
  /** For servers that clients know by name, such as the control plane itself. */
  readonly dnsNames?: readonly string[];
  /** Milliseconds; the default if left out, zero or negative, as with istiod. */
  readonly ttlMs?: number;
}

export interface IssuedCertificate {
  /** PEM, one certificate each, the new one first, then what leads to a root. */
  readonly chain: readonly string[];
  /** Trust bundle in PEM. */
  readonly roots: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface CertificateSummary {
  readonly subject: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface AuthorityDescription {
  /** Where key and certificates come from, for people. */
  readonly source: string;
  /** `ECDSA P-256` and the like. */
  readonly key: string;
  readonly signer: CertificateSummary;
  /** Whether the signer is itself a root. */
  readonly selfSigned: boolean;
  readonly roots: readonly CertificateSummary[];
}

/** Signs workload certificates. */
export interface CertificateAuthority {
  /**
   * Issues a certificate for the key of a request, and for nothing else that stands in it: names come from `options`.
   * Throws a {@link SigningError}.
   */
  sign(request: string | CertificationRequest, options: SigningOptions): Promise<IssuedCertificate>;
  /** The trust bundle in PEM. */
  roots(): string;
  describe(): AuthorityDescription;
  /** Calls back after the key, the chain or the roots have been replaced. Returns how to stop. */
  subscribe(listener: () => void): () => void;
}

/** Names of istiod's error types, as they stand in the `error` label of `citadel_server_csr_sign_err_count`. */
export type SigningErrorType = 'CA_NOT_READY' | 'CSR_ERROR' | 'TTL_ERROR' | 'CERT_GEN_ERROR';

/** Why a request was not signed. */
export class SigningError extends Error {
  override readonly name = 'SigningError';
  readonly type: SigningErrorType;

  constructor(type: SigningErrorType, message: string, options?: ErrorOptions) {
    super(message, options);
    this.type = type;
  }
}
