import type { ClientTls, ServerTls } from '../kinds/shared/tls.ts';
import type { Report } from '../report.ts';

/** The rules for TLS towards an upstream. */
export function validateClientTls(tls: ClientTls | undefined, report: Report): void {
  if (tls === undefined) return;
  const mode = tls.mode ?? 'DISABLE';
  const usesCredential = Boolean(tls.credentialName) && (mode === 'SIMPLE' || mode === 'MUTUAL');
  if (tls.insecureSkipVerify && (mode === 'SIMPLE' || mode === 'MUTUAL')) {
    const verifying = [
      tls.caCertificates ? 'caCertificates' : undefined,
      mode === 'SIMPLE' && tls.credentialName ? 'credentialName' : undefined,
      tls.subjectAltNames !== undefined && tls.subjectAltNames.length > 0 ? 'subjectAltNames' : undefined,
    ].filter((name) => name !== undefined);
    if (verifying.length > 0) {
      report.error(
        `cannot be true beside ${verifying.join(' and ')}, which would not be verified`,
        'insecureSkipVerify',
      );
    }
  }
  if (usesCredential) {
    for (const field of ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const) {
      if (tls[field]) report.error('cannot be set beside credentialName, which brings its own', field);
    }
  } else if (mode === 'MUTUAL') {
    for (const field of ['clientCertificate', 'privateKey'] as const) {
      if (!tls[field]) report.error('is required for mode MUTUAL', field);
    }
  }
}

/** Ciphers of BoringSSL that Envoy knows, by their OpenSSL names. */
export const CIPHER_SUITES: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

/** What Istio takes in `cipherSuites`. */
const CIPHERS: ReadonlySet<string> = new Set([...CIPHER_SUITES, 'ALL']);

const OWN_CERTIFICATES = 'cannot be set for mode ISTIO_MUTUAL, whose certificates are those of the mesh';

/** The rules for TLS of a listener. */
export function validateServerTls(tls: ServerTls | undefined, report: Report): void {
  if (tls === undefined) return;
  validateCiphers(tls, report);
  const mode = tls.mode ?? 'PASSTHROUGH';
  if (mode === 'ISTIO_MUTUAL') {
    for (const field of ['serverCertificate', 'privateKey', 'caCertificates', 'credentialName'] as const) {
      if (tls[field]) report.error(OWN_CERTIFICATES, field);
    }
    for (const field of ['credentialNames', 'tlsCertificates'] as const) {
      if (isSet(tls[field])) report.error(OWN_CERTIFICATES, field);
    }
    return;
  }
  const sources = certificateSources(tls);
  if (sources.length > 1) report.error(`has certificates from ${sources.join(' and ')}; set only one of them`);
  if (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    const fields = ['credentialName', 'serverCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;
    const lists = ['credentialNames', 'tlsCertificates'] as const;
    const unused = [...fields.filter((f) => tls[f]), ...lists.filter((f) => isSet(tls[f]))];
    if (unused.length > 0) {
      report.warning(`is ${mode}, which uses no certificates: ${unused.join(', ')} has no effect`, 'mode');
    }
    if (tls.caCrl && tls.credentialName)
      report.error('must not be set beside credentialName, which brings its own', 'caCrl');
    return;
  }
  validateCertificates(tls, mode, report);
}

function isSet(list: readonly unknown[] | undefined): boolean {
  return list !== undefined && list.length > 0;
}

/** The fields that say where the server's certificate comes from; only one may be used. */
function certificateSources(tls: ServerTls): string[] {
  return [
    tls.credentialName ? 'credentialName' : '',
    isSet(tls.credentialNames) ? 'credentialNames' : '',
    tls.serverCertificate && tls.privateKey ? 'serverCertificate and privateKey' : '',
    isSet(tls.tlsCertificates) ? 'tlsCertificates' : '',
  ].filter((name) => name !== '');
}

type TerminatingMode = 'SIMPLE' | 'MUTUAL' | 'OPTIONAL_MUTUAL';

function validateCertificates(tls: ServerTls, mode: TerminatingMode, report: Report): void {
  if (tls.credentialName || isSet(tls.credentialNames)) return;
  if (isSet(tls.tlsCertificates)) {
    for (const [i, certificate] of tls.tlsCertificates!.entries()) {
      for (const field of ['serverCertificate', 'privateKey'] as const) {
        if (!certificate[field]) report.error(`is required for mode ${mode}`, 'tlsCertificates', i, field);
      }
    }
    if (tls.tlsCertificates!.length > 2) {
      report.warning('has more than the two certificates (one RSA, one ECDSA) that Envoy can use', 'tlsCertificates');
    }
  } else {
    for (const field of ['serverCertificate', 'privateKey'] as const) {
      if (!tls[field]) report.error(`is required for mode ${mode}, unless credentialName is set`, field);
    }
  }
  if (mode === 'SIMPLE') {
    if (tls.caCrl) report.error('has no meaning for mode SIMPLE, which asks for no client certificate', 'caCrl');
  } else if (!tls.caCertificates) {
    report.error(`is required for mode ${mode}: it verifies the certificates of clients`, 'caCertificates');
  }
}

function validateCiphers(tls: ServerTls, report: Report): void {
  const ciphers = tls.cipherSuites ?? [];
  if ((tls.minProtocolVersion === 'TLSV1_0' || tls.minProtocolVersion === 'TLSV1_1') && ciphers.length === 0) {
    report.warning(
      'is below TLSV1_2, for which no cipher is enabled by default: set cipherSuites',
      'minProtocolVersion',
    );
  }
  const seen = new Set<string>();
  for (const [i, cipher] of ciphers.entries()) {
    // Operators such as `-X`, `+X` and `[A|B]` are BoringSSL's to judge.
    const isOperator = cipher === '' || !/^[\p{L}\p{N}]/u.test(cipher);
    if (!isOperator && !CIPHERS.has(cipher))
      report.warning(`is not a cipher that Envoy knows: ${cipher}; it is ignored`, 'cipherSuites', i);
    else if (seen.has(cipher)) report.warning(`is in the list twice: ${cipher}`, 'cipherSuites', i);
    seen.add(cipher);
  }
}
