/** A certificate chain with its key, as Envoy's `TlsCertificate`. */
export interface CertificateSecret {
  readonly type: 'certificate';
  /** Resource name, by which a TLS context asks for it. */
  readonly name: string;
  /** PEM, leaf first. */
  readonly certificateChain: string;
  /** PEM. */
  readonly privateKey: string;
  /** OCSP response, DER. */
  readonly ocspStaple?: Uint8Array;
}

/** What peers are verified against, as Envoy's `CertificateValidationContext`. */
export interface ValidationSecret {
  readonly type: 'validation';
  readonly name: string;
  /** PEM. */
  readonly trustedCa: string;
  /** Certificate revocation lists in PEM. */
  readonly crl?: string;
}

/** What a secret discovery service serves under one name. */
export type SecretContent = CertificateSecret | ValidationSecret;
