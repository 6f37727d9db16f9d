import { latin1Slice } from '../../base/bytes.ts';
import { codeOf, messageOf } from '../../base/errors.ts';
import { Alert, alertName, boringSslAlertName } from './alerts.ts';

/** Reasons of BoringSSL's SSL library by name: what people search for, and what Envoy prints. */
const REASONS: Readonly<Record<string, number>> = {
  BAD_CHANGE_CIPHER_SPEC: 103,
  BAD_DIGEST_LENGTH: 111,
  BAD_ECPOINT: 108,
  BAD_SIGNATURE: 114,
  CERTIFICATE_VERIFY_FAILED: 125,
  CLIENTHELLO_PARSE_FAILED: 131,
  DATA_LENGTH_TOO_LONG: 136,
  DECODE_ERROR: 137,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139,
  DIGEST_CHECK_FAILED: 142,
  ENCRYPTED_LENGTH_TOO_LONG: 146,
  EXCESSIVE_MESSAGE_SIZE: 150,
  HANDSHAKE_FAILURE_ON_CLIENT_HELLO: 154,
  HTTPS_PROXY_REQUEST: 155,
  HTTP_REQUEST: 156,
  INAPPROPRIATE_FALLBACK: 157,
  INVALID_MESSAGE: 159,
  LENGTH_MISMATCH: 162,
  MISSING_EXTENSION: 164,
  NO_CERTIFICATE_SET: 174,
  NO_RENEGOTIATION: 182,
  NO_SHARED_CIPHER: 184,
  PARSE_TLSEXT: 190,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNEXPECTED_EXTENSION: 222,
  UNEXPECTED_MESSAGE: 223,
  UNEXPECTED_RECORD: 225,
  UNKNOWN_CIPHER_RETURNED: 229,
  UNKNOWN_PROTOCOL: 233,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_CIPHER_RETURNED: 242,
  WRONG_CURVE: 243,
  WRONG_SIGNATURE_TYPE: 245,
  WRONG_VERSION_NUMBER: 247,
  NO_COMMON_SIGNATURE_ALGORITHMS: 253,
  MISSING_KEY_SHARE: 258,
  INVALID_ALPN_PROTOCOL: 259,
  NO_SHARED_GROUP: 266,
  KEY_USAGE_BIT_INCORRECT: 302,
  NO_APPLICATION_PROTOCOL: 307,
};

/** OpenSSL's names for the same, where they differ. */
const SYNONYMS: Readonly<Record<string, string>> = {
  BAD_RECORD_TYPE: 'UNEXPECTED_RECORD',
  BAD_PACKET: 'DECODE_ERROR',
  LENGTH_TOO_SHORT: 'DECODE_ERROR',
  LENGTH_TOO_LONG: 'DECODE_ERROR',
  NO_SUITABLE_GROUPS: 'NO_SHARED_GROUP',
  NO_SUITABLE_KEY_SHARE: 'NO_SHARED_GROUP',
  NO_SUITABLE_SIGNATURE_ALGORITHM: 'NO_COMMON_SIGNATURE_ALGORITHMS',
  NO_SHARED_GROUPS: 'NO_SHARED_GROUP',
  PACKET_LENGTH_TOO_LONG: 'ENCRYPTED_LENGTH_TOO_LONG',
  UNSUPPORTED_SSL_VERSION: 'UNSUPPORTED_PROTOCOL',
  VERSION_TOO_LOW: 'UNSUPPORTED_PROTOCOL',
  VERSION_TOO_HIGH: 'UNSUPPORTED_PROTOCOL',
  NO_PROTOCOLS_AVAILABLE: 'UNSUPPORTED_PROTOCOL',
};

const SSL_LIBRARY = 16 << 24;
const ALERT_BASE = 1000;

/** `|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED`: one error of BoringSSL's queue, as Envoy prints it. */
export function boringSslError(name: string, number = REASONS[name] ?? 0): string {
  return `|${SSL_LIBRARY + number}:SSL routines:OPENSSL_internal:${name}`;
}

/** Envoy's transport failure reason around errors of BoringSSL's queue and details of its own. */
export function tlsErrorReason(...errors: readonly string[]): string {
  return `TLS_error:${errors.join('')}:TLS_error_end`;
}

/** The alert by which the peer ended the connection, if an error of OpenSSL's says so. */
function receivedAlert(error: Error): number | undefined {
  const match = /SSL alert number (\d+)/.exec(error.message);
  return match ? Number(match[1]) : undefined;
}

/**
 * An error of a TLS socket in the words of Envoy's `%DOWNSTREAM_TRANSPORT_FAILURE_REASON%` and its upstream sibling;
 * empty for what is no error of TLS, such as a reset, about which Envoy says nothing either.
 */
export function transportFailureReason(error: Error): string {
  const code = codeOf(error);
  if (code === undefined || !code.startsWith('ERR_SSL_')) return '';
  const alert = receivedAlert(error);
  if (alert !== undefined) return tlsErrorReason(boringSslError(boringSslAlertName(alert), ALERT_BASE + alert));
  const name = code.slice('ERR_SSL_'.length);
  const known = SYNONYMS[name] ?? name;
  const own = known === 'PEER_DID_NOT_RETURN_A_CERTIFICATE' ? ':peer did not provide required client certificate' : '';
  return tlsErrorReason(boringSslError(known) + own);
}

/**
 * What Envoy says of a client that sent something else than TLS: with a TLS inspector before the filter chain it is the
 * inspector that says it. `bytes` is how the connection began.
 */
export function notTlsReason(bytes: Uint8Array, inspected: boolean): string {
  const name = notTlsName(bytes);
  if (!inspected) return tlsErrorReason(boringSslError(name));
  return `TLS_error|error:${(SSL_LIBRARY + REASONS[name]).toString(16)}:SSL routines:OPENSSL_internal:${name}:TLS_error_end`;
}

function notTlsName(bytes: Uint8Array): string {
  const start = latin1Slice(bytes, 0, Math.min(5, bytes.length));
  if (/^(GET |POST|HEAD|PUT )/.test(start)) return 'HTTP_REQUEST';
  return start === 'CONNE' ? 'HTTPS_PROXY_REQUEST' : 'WRONG_VERSION_NUMBER';
}

/** What BoringSSL answers to it; undefined for no alert. */
export function notTlsAlert(bytes: Uint8Array): Alert | undefined {
  if (notTlsName(bytes) !== 'WRONG_VERSION_NUMBER') return undefined;
  const [type, major] = bytes;
  // Records that belong later in a connection, if anywhere; an alert ends it without an answer.
  if (major === 3 && type === 21) return undefined;
  return major === 3 && (type === 20 || type === 23) ? Alert.UnexpectedMessage : Alert.ProtocolVersion;
}

/** The same for people: `the peer sent the alert unknown_ca`. */
export function describeTlsError(error: Error): string {
  const alert = receivedAlert(error);
  if (alert !== undefined) return `the peer ended the handshake with the alert ${alertName(alert)}`;
  const reason = (error as { reason?: unknown }).reason;
  return typeof reason === 'string' ? reason : messageOf(error);
}
