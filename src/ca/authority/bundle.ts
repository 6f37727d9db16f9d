import type { KeyObject } from 'node:crypto';
import { messageOf, UserError } from '../../base/errors.ts';
import type { FileSet } from '../files/read.ts';
import { buildCertificate } from '../x509/build.ts';
import { Certificate, parseCertificates } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { KeyUsage, subjectAltName } from '../x509/extensions.ts';
import { parsePrivateKey, publicKeyDer, weakKeyProblem } from '../x509/keys.ts';
import { encodeName } from '../x509/names.ts';

/** Files of an authority, in a folder `cacerts` or in the secrets `cacerts` and `istio-ca-secret`. */
export const CA_FILES = {
  certificate: 'ca-cert.pem',
  key: 'ca-key.pem',
  roots: 'root-cert.pem',
  chain: 'cert-chain.pem',
} as const;

/** The same in a secret of type kubernetes.io/tls: certificate and chain are one file. */
const TLS_FILES = { certificate: 'tls.crt', key: 'tls.key', roots: 'ca.crt', chain: 'tls.crt' } as const;

export const CA_FILE_NAMES: readonly string[] = [...new Set([...Object.values(CA_FILES), ...Object.values(TLS_FILES)])];

/** A key that may sign, the certificate that says so, and what leads from there to the roots; all of it verified. */
export interface SigningBundle {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /** What a workload presents after its own certificate. */
  readonly chain: readonly Certificate[];
  readonly roots: readonly Certificate[];
  /** When the first certificate on the way to the root expires. */
  readonly notAfter: number;
}

export interface BundleContext {
  /** What to call a file in a message: its path, or the secret and key. */
  readonly locate: (name: string) => string;
  readonly now: number;
  /** Issuing for it must be permitted by every certificate on the way. */
  readonly trustDomain: string;
}

/**
 * Reads and validates the files of an authority. Every problem is a {@link UserError} that names the file: the key
 * belongs to the certificate, the certificate is an authority's, and what it signs verifies up to a root now.
 */
export async function parseBundle(files: FileSet, context: BundleContext): Promise<SigningBundle> {
  const { locate } = context;
  const has = (name: string) => (files.get(name) ?? '').trim() !== '';
  const names = !has(CA_FILES.certificate) && has(TLS_FILES.certificate) ? TLS_FILES : CA_FILES;
  const text = (name: string) => {
    if (!has(name)) throw new UserError(`${locate(name)} is ${files.has(name) ? 'empty' : 'missing'}.`);
    return files.get(name)!;
  };
  const [certificate] = parseCertificates(text(names.certificate), locate(names.certificate));
  const key = parsePrivateKey(text(names.key), locate(names.key));
  if (!certificate.matches(key))
    throw new UserError(`${locate(names.key)} is not the key of the certificate in ${locate(names.certificate)}.`);
  const weak = weakKeyProblem(certificate.publicKey);
  if (weak) throw new UserError(`${locate(names.certificate)}: ${weak}.`);
  requireAuthority(certificate, locate(names.certificate));

  // Istio's own secret with a self-signed root leaves these two empty.
  const chain = has(names.chain) ? parseCertificates(text(names.chain), locate(names.chain)) : [];
  const roots =
    !has(names.roots) && certificate.selfIssued
      ? [certificate]
      : parseCertificates(text(names.roots), locate(names.roots));
  const isRoot = roots.some((root) => root.equals(certificate));
  const complete = isRoot || chain.some((c) => c.equals(certificate)) ? chain : [certificate, ...chain];
  const signer = { certificate, key, chain: complete, roots };
  const path = await provePath(signer, context, (problem) => {
    const where = [names.certificate, names.chain, names.roots].map(locate);
    return `What ${where[0]} signs does not verify with ${where[1]} up to ${where[2]}: ${problem}.`;
  });
  return { ...signer, notAfter: Math.min(...path.map((c) => c.notAfter)) };
}

function requireAuthority(certificate: Certificate, where: string): void {
  const { basicConstraints, keyUsage } = certificate.extensions;
  if (!basicConstraints?.ca)
    throw new UserError(`${where} is not the certificate of an authority: its basic constraints lack CA:TRUE.`);
  if (keyUsage !== undefined && !(keyUsage & KeyUsage.KeyCertSign))
    throw new UserError(`${where} may not sign certificates: its key usage lacks keyCertSign.`);
}

/** Signs a certificate that nobody will see, and verifies it as a peer would: as a server's and as a client's. */
async function provePath(
  signer: Omit<SigningBundle, 'notAfter'>,
  { now, trustDomain }: BundleContext,
  explain: (problem: string) => string,
): Promise<readonly Certificate[]> {
  const der = await buildCertificate(
    {
      issuer: signer.certificate.subject,
      subject: encodeName([]),
      notBefore: now,
      notAfter: now + 1000,
      publicKeyInfo: publicKeyDer(signer.certificate.publicKey),
      extensions: [subjectAltName({ uris: [`spiffe://${trustDomain}/ns/proof/sa/proof`] }, true)],
    },
    signer.key,
  ).catch((error: unknown) => {
    throw new UserError(explain(messageOf(error)));
  });
  const proof = new Certificate(der);
  const verify = (purpose: 'server' | 'client') => {
    const verdict = verifyChain(proof, {
      intermediates: signer.chain,
      roots: signer.roots,
      now: Math.floor(now / 1000) * 1000,
      purpose,
    });
    if (!verdict.path) throw new UserError(explain(verdict.problem));
    return verdict.path.slice(1);
  };
  verify('server');
  return verify('client');
}
