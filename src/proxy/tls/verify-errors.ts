import { Alert } from './alerts.ts';

/** Results of certificate verification by their X509_V_ERR numbers, which OpenSSL and BoringSSL share. */
export const VerifyError = {
  UnableToGetIssuer: 2,
  UnableToGetCrl: 3,
  SignatureFailure: 7,
  CrlSignatureFailure: 8,
  NotYetValid: 9,
  Expired: 10,
  CrlNotYetValid: 11,
  CrlExpired: 12,
  UnableToGetIssuerLocally: 20,
  ChainTooLong: 22,
  Revoked: 23,
  InvalidCa: 24,
  PathLengthExceeded: 25,
  InvalidPurpose: 26,
  UnhandledCriticalExtension: 34,
  KeyUsageNoCrlSign: 35,
  UnhandledCriticalCrlExtension: 36,
  PermittedViolation: 47,
  ExcludedViolation: 48,
  UnsupportedConstraint: 51,
} as const;
export type VerifyError = (typeof VerifyError)[keyof typeof VerifyError];

interface Row {
  /** BoringSSL's words. */
  readonly text: string;
  /** What BoringSSL tells the peer. */
  readonly alert: Alert;
}

const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [2, { text: 'unable to get issuer certificate', alert: Alert.UnknownCa }],
  [3, { text: 'unable to get certificate CRL', alert: Alert.UnknownCa }],
  [6, { text: 'unable to decode issuer public key', alert: Alert.BadCertificate }],
  [7, { text: 'certificate signature failure', alert: Alert.DecryptError }],
  [8, { text: 'CRL signature failure', alert: Alert.DecryptError }],
  [9, { text: 'certificate is not yet valid', alert: Alert.CertificateExpired }],
  [10, { text: 'certificate has expired', alert: Alert.CertificateExpired }],
  [11, { text: 'CRL is not yet valid', alert: Alert.CertificateExpired }],
  [12, { text: 'CRL has expired', alert: Alert.CertificateExpired }],
  [18, { text: 'self signed certificate', alert: Alert.UnknownCa }],
  [19, { text: 'self signed certificate in certificate chain', alert: Alert.UnknownCa }],
  [20, { text: 'unable to get local issuer certificate', alert: Alert.UnknownCa }],
  [21, { text: 'unable to verify the first certificate', alert: Alert.UnknownCa }],
  [22, { text: 'certificate chain too long', alert: Alert.UnknownCa }],
  [23, { text: 'certificate revoked', alert: Alert.CertificateRevoked }],
  [24, { text: 'invalid CA certificate', alert: Alert.UnknownCa }],
  [25, { text: 'path length constraint exceeded', alert: Alert.UnknownCa }],
  [26, { text: 'unsupported certificate purpose', alert: Alert.UnsupportedCertificate }],
  [27, { text: 'certificate not trusted', alert: Alert.BadCertificate }],
  [28, { text: 'certificate rejected', alert: Alert.BadCertificate }],
  [34, { text: 'unhandled critical extension', alert: Alert.CertificateUnknown }],
  [35, { text: 'key usage does not include CRL signing', alert: Alert.CertificateUnknown }],
  [36, { text: 'unhandled critical CRL extension', alert: Alert.CertificateUnknown }],
  [47, { text: 'permitted subtree violation', alert: Alert.CertificateUnknown }],
  [48, { text: 'excluded subtree violation', alert: Alert.CertificateUnknown }],
  [51, { text: 'unsupported or invalid name constraint syntax', alert: Alert.CertificateUnknown }],
]);

/** Node's names of the results, where it has one. */
const NUMBERS: Readonly<Record<string, number>> = {
  UNABLE_TO_GET_ISSUER_CERT: 2,
  UNABLE_TO_GET_CRL: 3,
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 6,
  CERT_SIGNATURE_FAILURE: 7,
  CRL_SIGNATURE_FAILURE: 8,
  CERT_NOT_YET_VALID: 9,
  CERT_HAS_EXPIRED: 10,
  CRL_NOT_YET_VALID: 11,
  CRL_HAS_EXPIRED: 12,
  DEPTH_ZERO_SELF_SIGNED_CERT: 18,
  SELF_SIGNED_CERT_IN_CHAIN: 19,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 20,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 21,
  CERT_CHAIN_TOO_LONG: 22,
  CERT_REVOKED: 23,
  INVALID_CA: 24,
  PATH_LENGTH_EXCEEDED: 25,
  INVALID_PURPOSE: 26,
  CERT_UNTRUSTED: 27,
  CERT_REJECTED: 28,
};

const CRL_ERRORS: ReadonlySet<number> = new Set([3, 8, 11, 12, 23, 35, 36]);

/** The number of a result by Node's name for it, or by OpenSSL's text; 1, which is "unspecified", for any other. */
export function verifyErrorNumber(code: string): number {
  if (Object.hasOwn(NUMBERS, code)) return NUMBERS[code];
  for (const [number, { text }] of ROWS) if (text === code) return number;
  return 1;
}

/** `X509_verify_cert: certificate verification error at depth 0: certificate has expired`, as Envoy puts it. */
export function describeVerifyError(error: number, depth: number): string {
  const text = ROWS.get(error)?.text ?? 'unknown certificate verification error';
  const crl = CRL_ERRORS.has(error) ? 'certificate revocation check against provided CRLs failed: ' : '';
  return `X509_verify_cert: certificate verification error at depth ${depth}: ${crl}${text}`;
}

export const alertOfVerifyError = (error: number): Alert => ROWS.get(error)?.alert ?? Alert.CertificateUnknown;
