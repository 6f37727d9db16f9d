import type { KeyObject } from 'node:crypto';
import path from 'node:path';
import { UserError } from '../../base/errors.ts';
import { readFiles } from '../files/read.ts';
import { type Certificate, parseCertificates } from '../x509/certificate.ts';
import { KeyUsage } from '../x509/extensions.ts';
import { parsePrivateKey } from '../x509/keys.ts';

/** A key on disk that certificates can be signed with, and what goes along with them. */
export interface Signer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  /** What the holder of a certificate presents after its own; empty under a root. */
  readonly chain: readonly Certificate[];
  readonly roots: readonly Certificate[];
}

/** Files of a root that is kept apart from what it signs. */
export const ROOT_FILES = { certificate: 'root-cert.pem', key: 'root-key.pem' } as const;

interface Layout {
  readonly certificate: string;
  readonly key: string;
  readonly chain?: string;
  readonly roots?: string;
}

/** How authorities lie in folders: as Istio has them, as `isthmus ca root` makes them, and as people name them. */
const LAYOUTS: readonly Layout[] = [
  { certificate: 'ca-cert.pem', key: 'ca-key.pem', chain: 'cert-chain.pem', roots: 'root-cert.pem' },
  ROOT_FILES,
  { certificate: 'tls.crt', key: 'tls.key', chain: 'tls.crt', roots: 'ca.crt' },
  { certificate: 'ca.crt', key: 'ca.key' },
  { certificate: 'ca.pem', key: 'ca.key' },
];

/** Finds the authority in a folder. Throws a UserError that names the file with the problem. */
export async function loadSigner(dir: string): Promise<Signer> {
  const names = [...new Set(LAYOUTS.flatMap((layout) => Object.values(layout) as string[]))];
  const files = await readFiles(dir, names);
  const layout = LAYOUTS.find((l) => files.has(l.certificate) && files.has(l.key));
  if (!layout) {
    const pairs = LAYOUTS.map((l) => `${l.certificate} and ${l.key}`).join(', ');
    throw new UserError(`The folder ${dir} holds no authority; looked for ${pairs}. "isthmus ca root" makes one.`);
  }
  const at = (name: string) => path.join(dir, name);
  const read = (name: string | undefined) => {
    const text = name === undefined ? '' : (files.get(name) ?? '');
    return name === undefined || text.trim() === '' ? [] : parseCertificates(text, at(name));
  };
  const [certificate] = parseCertificates(files.get(layout.certificate) ?? '', at(layout.certificate));
  const key = parsePrivateKey(files.get(layout.key) ?? '', at(layout.key));
  if (!certificate.matches(key))
    throw new UserError(`${at(layout.key)} is not the key of the certificate in ${at(layout.certificate)}.`);
  requireAuthority(certificate, at(layout.certificate));
  if (certificate.selfIssued) return { certificate, key, chain: [], roots: [certificate] };

  const roots = read(layout.roots);
  if (roots.length === 0)
    throw new UserError(
      `${at(layout.certificate)} is an intermediate, and ${at(layout.roots ?? 'root-cert.pem')} with its root is missing.`,
    );
  const above = read(layout.chain).filter((c) => !c.equals(certificate) && !roots.some((root) => root.equals(c)));
  return { certificate, key, chain: [certificate, ...above], roots };
}

function requireAuthority({ extensions, version }: Certificate, file: string): void {
  const { basicConstraints, keyUsage } = extensions;
  // Old recipes make version 1 roots, which cannot say what they are.
  if (version > 1 && !basicConstraints?.ca)
    throw new UserError(`${file} is not the certificate of an authority: its basic constraints lack CA:TRUE.`);
  if (keyUsage !== undefined && !(keyUsage & KeyUsage.KeyCertSign))
    throw new UserError(`${file} may not sign certificates: its key usage lacks keyCertSign.`);
}

/** The identifier that certificates below an authority carry: its own, or what it would be. */
export function authorityIdentifier(certificate: Certificate, compute: (info: Uint8Array) => Buffer): Buffer {
  const own = certificate.extensions.subjectKeyIdentifier;
  return own ? Buffer.from(own, 'hex') : compute(certificate.publicKeyInfo);
}
