import type { CertificateAuthority, SigningErrorType } from '../authority/authority.ts';

/** Counters under istiod's names; a Prometheus exporter appends nothing to them. */
export const CITADEL_COUNTERS = {
  citadel_server_csr_count: 'The number of CSRs received by Citadel server.',
  citadel_server_authentication_failure_count: 'The number of authentication failures.',
  citadel_server_csr_parsing_err_count: 'The number of errors occurred when parsing the CSR.',
  citadel_server_id_extraction_err_count: 'The number of errors occurred when extracting the ID from CSR.',
  citadel_server_csr_sign_err_count: 'The number of errors occurred when signing the CSR.',
  citadel_server_success_cert_issuance_count: 'The number of certificates issuances that have succeeded.',
} as const;
export type CitadelCounter = keyof typeof CITADEL_COUNTERS;

/** Gauges under istiod's names. */
export const CITADEL_GAUGES = {
  citadel_server_root_cert_expiry_seconds:
    'The time remaining, in seconds, before the root cert will expire. A negative value indicates the cert is expired.',
  citadel_server_root_cert_expiry_timestamp: 'The unix timestamp, in seconds, when the root cert will expire.',
  citadel_server_cert_chain_expiry_seconds:
    'The time remaining, in seconds, before the Istio Generated cert chain will expire. A negative value indicates the cert is expired.',
  citadel_server_cert_chain_expiry_timestamp:
    'The unix timestamp, in seconds, when Istio generated cert chain will expire.',
} as const;
export type CitadelGauge = keyof typeof CITADEL_GAUGES;

/** Where the service counts. */
export interface CertificateMetrics {
  /** `error` is the label of `citadel_server_csr_sign_err_count`. */
  increment(counter: CitadelCounter, labels?: { readonly error: SigningErrorType }): void;
}

/**
 * The gauges at a moment, for the scrape to ask. As with istiod, the root is the first of the bundle, and the chain is
 * there only where the signer is not itself a root. Seconds.
 */
export function expiryGauges(authority: CertificateAuthority, now: number): Partial<Record<CitadelGauge, number>> {
  const { roots, signer, selfSigned } = authority.describe();
  const gauges: Partial<Record<CitadelGauge, number>> = {
    citadel_server_root_cert_expiry_seconds: (roots[0].notAfter - now) / 1000,
    citadel_server_root_cert_expiry_timestamp: roots[0].notAfter / 1000,
  };
  if (selfSigned) return gauges;
  return {
    ...gauges,
    citadel_server_cert_chain_expiry_seconds: (signer.notAfter - now) / 1000,
    citadel_server_cert_chain_expiry_timestamp: signer.notAfter / 1000,
  };
}
