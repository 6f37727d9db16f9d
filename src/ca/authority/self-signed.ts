import type { KeyObject } from 'node:crypto';
import { UserError } from '../../base/errors.ts';
import { readFiles } from '../files/read.ts';
import { createFolder, type NewFile } from '../files/write.ts';
import { buildCertificate } from '../x509/build.ts';
import * as ext from '../x509/extensions.ts';
import { generatePrivateKey, type KeyType, privateKeyPem, publicKeyDer } from '../x509/keys.ts';
import { encodeName, type NameAttribute } from '../x509/names.ts';
import { formatPem } from '../x509/pem.ts';
import { CLOCK_SKEW_MS, ROOT_TTL_MS } from './authority.ts';
import { CA_FILES } from './bundle.ts';

export interface SelfSignedOptions {
  /** Becomes the organization in the subject, as with istiod. */
  readonly trustDomain: string;
  readonly now: number;
  /** ECDSA P-256 unless told. */
  readonly keyType?: KeyType;
  readonly ttlMs?: number;
}

/** A root certificate in DER, signed by its own key. */
export function buildRoot(
  key: KeyObject,
  subject: readonly NameAttribute[],
  from: number,
  to: number,
): Promise<Buffer> {
  const name = encodeName(subject);
  const publicKeyInfo = publicKeyDer(key);
  const identifier = ext.keyIdentifier(publicKeyInfo);
  return buildCertificate(
    {
      issuer: name,
      subject: name,
      notBefore: from,
      notAfter: to,
      publicKeyInfo,
      extensions: [
        ext.keyUsage(ext.KeyUsage.KeyCertSign, ext.KeyUsage.CrlSign),
        ext.basicConstraints(true),
        ext.subjectKeyIdentifier(identifier),
        ext.authorityKeyIdentifier(identifier),
      ],
    },
    key,
  );
}

/** Makes a root and returns its files, named as in Istio's secret `istio-ca-secret`. */
export async function generateSelfSigned(options: SelfSignedOptions): Promise<Map<string, NewFile>> {
  const { trustDomain, now, keyType = 'ecdsa-p256', ttlMs = ROOT_TTL_MS } = options;
  const key = await generatePrivateKey(keyType);
  // X.509 allows an organization 64 characters, a trust domain may have 255.
  const subject: NameAttribute[] = [['O', trustDomain.slice(0, 64)]];
  const pem = formatPem('CERTIFICATE', await buildRoot(key, subject, now - CLOCK_SKEW_MS, now + ttlMs));
  return new Map<string, NewFile>([
    [CA_FILES.certificate, { text: pem, secret: false }],
    [CA_FILES.key, { text: privateKeyPem(key), secret: true }],
    [CA_FILES.roots, { text: pem, secret: false }],
    [CA_FILES.chain, { text: '', secret: false }],
  ]);
}

/**
 * Sees to it that a folder holds a root, and makes one if the folder is absent or empty. Several processes may do so
 * at once: all of them end up with the same one.
 */
export async function ensureSelfSigned(dir: string, options: SelfSignedOptions): Promise<void> {
  const isThere = async () => (await readFiles(dir, [CA_FILES.certificate])).size > 0;
  if (await isThere()) return;
  if (await createFolder(dir, await generateSelfSigned(options))) return;
  if (!(await isThere()))
    throw new UserError(
      `The folder ${dir} has files but no ${CA_FILES.certificate}; name a new or empty folder for the root, or restore the file.`,
    );
}
