/** Alerts (RFC 8446 section 6) that this side sends. */
export const Alert = {
  UnexpectedMessage: 10,
  HandshakeFailure: 40,
  BadCertificate: 42,
  UnsupportedCertificate: 43,
  CertificateRevoked: 44,
  CertificateExpired: 45,
  CertificateUnknown: 46,
  IllegalParameter: 47,
  UnknownCa: 48,
  DecryptError: 51,
  ProtocolVersion: 70,
  InternalError: 80,
  BadCertificateHashValue: 114,
  CertificateRequired: 116,
} as const;
export type Alert = (typeof Alert)[keyof typeof Alert];

/** Every alert that a peer may send: its name in the RFCs, and in BoringSSL's errors. */
const NAMES: ReadonlyMap<number, readonly [name: string, boringSsl: string]> = new Map([
  [0, ['close_notify', 'SSLV3_ALERT_CLOSE_NOTIFY']],
  [10, ['unexpected_message', 'SSLV3_ALERT_UNEXPECTED_MESSAGE']],
  [20, ['bad_record_mac', 'SSLV3_ALERT_BAD_RECORD_MAC']],
  [21, ['decryption_failed', 'TLSV1_ALERT_DECRYPTION_FAILED']],
  [22, ['record_overflow', 'TLSV1_ALERT_RECORD_OVERFLOW']],
  [30, ['decompression_failure', 'SSLV3_ALERT_DECOMPRESSION_FAILURE']],
  [40, ['handshake_failure', 'SSLV3_ALERT_HANDSHAKE_FAILURE']],
  [41, ['no_certificate', 'SSLV3_ALERT_NO_CERTIFICATE']],
  [42, ['bad_certificate', 'SSLV3_ALERT_BAD_CERTIFICATE']],
  [43, ['unsupported_certificate', 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE']],
  [44, ['certificate_revoked', 'SSLV3_ALERT_CERTIFICATE_REVOKED']],
  [45, ['certificate_expired', 'SSLV3_ALERT_CERTIFICATE_EXPIRED']],
  [46, ['certificate_unknown', 'SSLV3_ALERT_CERTIFICATE_UNKNOWN']],
  [47, ['illegal_parameter', 'SSLV3_ALERT_ILLEGAL_PARAMETER']],
  [48, ['unknown_ca', 'TLSV1_ALERT_UNKNOWN_CA']],
  [49, ['access_denied', 'TLSV1_ALERT_ACCESS_DENIED']],
  [50, ['decode_error', 'TLSV1_ALERT_DECODE_ERROR']],
  [51, ['decrypt_error', 'TLSV1_ALERT_DECRYPT_ERROR']],
  [60, ['export_restriction', 'TLSV1_ALERT_EXPORT_RESTRICTION']],
  [70, ['protocol_version', 'TLSV1_ALERT_PROTOCOL_VERSION']],
  [71, ['insufficient_security', 'TLSV1_ALERT_INSUFFICIENT_SECURITY']],
  [80, ['internal_error', 'TLSV1_ALERT_INTERNAL_ERROR']],
  [86, ['inappropriate_fallback', 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK']],
  [90, ['user_canceled', 'TLSV1_ALERT_USER_CANCELLED']],
  [100, ['no_renegotiation', 'TLSV1_ALERT_NO_RENEGOTIATION']],
  [110, ['unsupported_extension', 'TLSV1_ALERT_UNSUPPORTED_EXTENSION']],
  [111, ['certificate_unobtainable', 'TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE']],
  [112, ['unrecognized_name', 'TLSV1_ALERT_UNRECOGNIZED_NAME']],
  [113, ['bad_certificate_status_response', 'TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE']],
  [114, ['bad_certificate_hash_value', 'TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE']],
  [115, ['unknown_psk_identity', 'TLSV1_ALERT_UNKNOWN_PSK_IDENTITY']],
  [116, ['certificate_required', 'TLSV1_ALERT_CERTIFICATE_REQUIRED']],
  [120, ['no_application_protocol', 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL']],
  [121, ['ech_required', 'TLSV1_ALERT_ECH_REQUIRED']],
]);

/** `unknown_ca`. */
export const alertName = (alert: number): string => NAMES.get(alert)?.[0] ?? `alert ${alert}`;

/** `TLSV1_ALERT_UNKNOWN_CA`. */
export const boringSslAlertName = (alert: number): string => NAMES.get(alert)?.[1] ?? 'UNKNOWN_ALERT_TYPE';
