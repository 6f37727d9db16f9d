import { X509Certificate } from 'node:crypto';
import { UserError } from '../../base/errors.ts';
import { type Certificate, parseCertificates } from '../x509/certificate.ts';
import { formatTime } from '../x509/chain.ts';
import { parsePrivateKey } from '../x509/keys.ts';
import { parsePem } from '../x509/pem.ts';

/**
 * Refuses a chain and key that a proxy could not use: not PEM, a key of another certificate, or expired. The names
 * are what the texts are called in the UserError.
 */
export function checkCertificateAndKey(
  chain: string,
  key: string,
  names: { readonly chain: string; readonly key: string },
  now: number,
): void {
  const [leaf] = parseCertificates(chain, names.chain);
  if (!leaf.matches(parsePrivateKey(key, names.key)))
    throw new UserError(`${names.key} is not the key of the first certificate in ${names.chain}.`);
  requireCurrent(leaf, names.chain, now);
}

/** Refuses a bundle that holds no certificate or only ones that have expired; some may have, while roots change. */
export function checkTrustedCa(pem: string, name: string, now: number): void {
  const certificates = parseCertificates(pem, name);
  if (certificates.every((c) => c.notAfter < now)) requireCurrent(certificates[0], name, now);
  for (const certificate of certificates) requireUsable(certificate, name);
}

/** Refuses what is not one or more certificate revocation lists in PEM. */
export function checkRevocationLists(pem: string, name: string): void {
  const blocks = parsePem(pem, name);
  if (blocks.length === 0 || blocks.some((b) => b.label !== 'X509 CRL'))
    throw new UserError(`${name} holds no certificate revocation list in PEM.`);
}

function requireCurrent(certificate: Certificate, name: string, now: number): void {
  if (certificate.notAfter < now)
    throw new UserError(
      `The certificate "${certificate.displayName}" in ${name} expired on ${formatTime(certificate.notAfter)}.`,
    );
}

/** OpenSSL must be able to read what we could: one bad certificate would make a TLS context of all the others fail. */
function requireUsable(certificate: Certificate, name: string): void {
  try {
    new X509Certificate(certificate.der);
  } catch {
    throw new UserError(`The certificate "${certificate.displayName}" in ${name} cannot be used.`);
  }
}
