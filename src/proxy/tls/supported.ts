import { CONFIG_SOURCE } from '../config/config-source-fields.ts';
import type { SupportTable } from '../config/supported.ts';

const TLS = 'envoy.extensions.transport_sockets.tls.v3';

/**
 * Fields of TLS contexts and secrets that are honoured. Values that are not (`allow_renegotiation: true`,
 * `MUST_STAPLE`, other certificate validators) are refused where they are read. Left out are what Envoy itself has not
 * implemented, private key providers, PKCS #12, OCSP staples, custom handshakers, and the key log, because nothing here
 * writes keys to files.
 */
export const SUPPORTED: SupportTable = {
  [`${TLS}.DownstreamTlsContext`]: [
    'common_tls_context',
    'require_client_certificate',
    'session_ticket_keys',
    'session_ticket_keys_sds_secret_config',
    'disable_stateless_session_resumption',
    'disable_stateful_session_resumption',
    'session_timeout',
    'ocsp_staple_policy',
    'full_scan_certs_on_sni_mismatch',
  ],
  [`${TLS}.UpstreamTlsContext`]: [
    'common_tls_context',
    'sni',
    'allow_renegotiation',
    'max_session_keys',
    'enforce_rsa_key_usage',
  ],
  [`${TLS}.CommonTlsContext`]: [
    'tls_params',
    'tls_certificates',
    'tls_certificate_sds_secret_configs',
    'validation_context',
    'validation_context_sds_secret_config',
    'combined_validation_context',
    'alpn_protocols',
  ],
  [`${TLS}.CommonTlsContext.CombinedCertificateValidationContext`]: [
    'default_validation_context',
    'validation_context_sds_secret_config',
  ],
  [`${TLS}.TlsParameters`]: [
    'tls_minimum_protocol_version',
    'tls_maximum_protocol_version',
    'cipher_suites',
    'ecdh_curves',
    'signature_algorithms',
  ],
  [`${TLS}.TlsCertificate`]: ['certificate_chain', 'private_key', 'password', 'watched_directory'],
  [`${TLS}.TlsSessionTicketKeys`]: ['keys'],
  [`${TLS}.CertificateValidationContext`]: [
    'trusted_ca',
    'watched_directory',
    'verify_certificate_spki',
    'verify_certificate_hash',
    'match_typed_subject_alt_names',
    'match_subject_alt_names',
    'crl',
    'allow_expired_certificate',
    'trust_chain_verification',
    'custom_validator_config',
    'only_verify_leaf_cert_crl',
    'max_verify_depth',
  ],
  [`${TLS}.SubjectAltNameMatcher`]: ['san_type', 'matcher', 'oid'],
  [`${TLS}.SPIFFECertValidatorConfig`]: ['trust_domains'],
  [`${TLS}.SPIFFECertValidatorConfig.TrustDomain`]: ['name', 'trust_bundle'],
  [`${TLS}.SdsSecretConfig`]: ['name', 'sds_config'],
  [`${TLS}.Secret`]: ['name', 'tls_certificate', 'session_ticket_keys', 'validation_context', 'generic_secret'],
  [`${TLS}.GenericSecret`]: ['secret'],
  'envoy.type.matcher.v3.StringMatcher': ['exact', 'prefix', 'suffix', 'contains', 'safe_regex', 'ignore_case'],
  'envoy.type.matcher.v3.RegexMatcher': ['google_re2', 'regex'],
  'envoy.type.matcher.v3.RegexMatcher.GoogleRE2': [],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  'envoy.config.core.v3.DataSource': [
    'filename',
    'inline_bytes',
    'inline_string',
    'environment_variable',
    'watched_directory',
  ],
  ...CONFIG_SOURCE,
};
