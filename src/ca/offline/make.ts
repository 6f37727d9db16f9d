import { UserError } from '../../base/errors.ts';
import { CLOCK_SKEW_MS } from '../authority/authority.ts';
import { CA_FILES } from '../authority/bundle.ts';
import type { NewFile } from '../files/write.ts';
import { buildCertificate } from '../x509/build.ts';
import { Certificate } from '../x509/certificate.ts';
import { formatTime, verifyChain } from '../x509/chain.ts';
import * as ext from '../x509/extensions.ts';
import { generatePrivateKey, type KeyType, privateKeyPem, publicKeyDer } from '../x509/keys.ts';
import { encodeName, type NameAttribute } from '../x509/names.ts';
import { Oid } from '../x509/oids.ts';
import type { SubjectAltNames } from '../x509/subject-alt-names.ts';
import { writeFiles } from './output.ts';
import { authorityIdentifier, loadSigner, ROOT_FILES, type Signer } from './signer.ts';

interface Common {
  /** Folder for the new files. */
  readonly dir: string;
  readonly subject: readonly NameAttribute[];
  readonly keyType: KeyType;
  readonly ttlMs: number;
  readonly now: number;
  /** Replace files that exist. */
  readonly force: boolean;
}

export interface Made {
  readonly certificate: Certificate;
  readonly files: readonly string[];
  /** The lifetime asked for would have been longer than that of the issuer. */
  readonly shortened: boolean;
}

const pem = (certificates: readonly Certificate[]) => certificates.map((c) => c.pem).join('');
const open = (text: string): NewFile => ({ text, secret: false });
const secret = (text: string): NewFile => ({ text, secret: true });

/** A root: `root-cert.pem` and `root-key.pem`. */
export async function makeRoot(options: Common): Promise<Made> {
  const { certificate, key, shortened } = await certify(undefined, options, authorityExtensions(undefined));
  const files = new Map([
    [ROOT_FILES.key, secret(key)],
    [ROOT_FILES.certificate, open(certificate.pem)],
  ]);
  return { certificate, files: await writeFiles(options.dir, files, options.force), shortened };
}

export interface IntermediateOptions extends Common {
  /** Folder of the authority that signs. */
  readonly authority: string;
  /** How many further authorities may stand below. */
  readonly pathLength: number;
}

/** An intermediate, as a folder that is a `cacerts`. */
export async function makeIntermediate(options: IntermediateOptions): Promise<Made> {
  const signer = await loadSigner(options.authority);
  requireRoomBelow(signer, options.now);
  const { certificate, key, shortened } = await certify(signer, options, authorityExtensions(options.pathLength));
  const files = new Map([
    [CA_FILES.key, secret(key)],
    [CA_FILES.certificate, open(certificate.pem)],
    [CA_FILES.chain, open(pem([certificate, ...signer.chain]))],
    [CA_FILES.roots, open(pem(signer.roots))],
  ]);
  return { certificate, files: await writeFiles(options.dir, files, options.force), shortened };
}

/** An authority that its issuers do not allow would verify itself, but nothing that it signs. */
function requireRoomBelow({ certificate, chain: intermediates, roots }: Signer, now: number): void {
  const { path = [] } = verifyChain(certificate, { intermediates, roots, now });
  for (const [above, issuer] of path.entries()) {
    const { pathLength } = issuer.extensions.basicConstraints ?? {};
    if (pathLength !== undefined && pathLength <= above)
      throw new UserError(`The path length of "${issuer.displayName}" allows no further authority below it.`);
  }
}

/** Names of the files of a leaf: those of a Kubernetes TLS secret, or those of a folder of mesh certificates. */
export const LEAF_LAYOUTS = {
  tls: { chain: 'tls.crt', key: 'tls.key', roots: 'ca.crt' },
  mesh: { chain: 'cert-chain.pem', key: 'key.pem', roots: 'root-cert.pem' },
} as const;
export type LeafLayout = keyof typeof LEAF_LAYOUTS;

export interface LeafOptions extends Common {
  readonly authority: string;
  readonly names: Partial<SubjectAltNames>;
  readonly server: boolean;
  readonly client: boolean;
  readonly layout: LeafLayout;
}

/** A certificate for a server, a client or a workload, with the chain that leads to the root. */
export async function makeLeaf(options: LeafOptions): Promise<Made> {
  const signer = await loadSigner(options.authority);
  const { names, subject, server, client, keyType } = options;
  const named = Object.values(names).some((list) => Array.isArray(list) && list.length > 0);
  if (!named && subject.length === 0) throw new UserError('A certificate needs a subject or a name.');
  const usage = keyType.startsWith('rsa') ? [ext.KeyUsage.KeyEncipherment] : [];
  const { certificate, key, shortened } = await certify(signer, options, [
    ext.keyUsage(ext.KeyUsage.DigitalSignature, ...usage),
    ext.extendedKeyUsage(...(server ? [Oid.serverAuth] : []), ...(client ? [Oid.clientAuth] : [])),
    ext.basicConstraints(false),
    ...(named ? [ext.subjectAltName(names, subject.length === 0)] : []),
  ]);
  const layout = LEAF_LAYOUTS[options.layout];
  const files = new Map<string, NewFile>([
    [layout.key, secret(key)],
    [layout.chain, open(pem([certificate, ...signer.chain]))],
    [layout.roots, open(pem(signer.roots))],
  ]);
  return { certificate, files: await writeFiles(options.dir, files, options.force), shortened };
}

const authorityExtensions = (pathLength: number | undefined) => [
  ext.keyUsage(ext.KeyUsage.KeyCertSign, ext.KeyUsage.CrlSign),
  ext.basicConstraints(true, pathLength),
];

/** Makes a key and its certificate, and proves that what was made verifies before anything is written. */
async function certify(
  signer: Signer | undefined,
  { keyType, subject, now, ttlMs }: Common,
  extensions: readonly Buffer[],
): Promise<{ certificate: Certificate; key: string; shortened: boolean }> {
  const limit = signer?.certificate.notAfter ?? Number.POSITIVE_INFINITY;
  if (signer && limit <= now)
    throw new UserError(`The authority "${signer.certificate.displayName}" expired on ${formatTime(limit)}.`);
  const key = await generatePrivateKey(keyType);
  const publicKeyInfo = publicKeyDer(key);
  const identifier = ext.keyIdentifier(publicKeyInfo);
  const der = await buildCertificate(
    {
      issuer: signer?.certificate.subject ?? encodeName(subject),
      subject: encodeName(subject),
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: Math.min(now + ttlMs, limit),
      publicKeyInfo,
      extensions: [
        ...extensions,
        ext.subjectKeyIdentifier(identifier),
        ext.authorityKeyIdentifier(signer ? authorityIdentifier(signer.certificate, ext.keyIdentifier) : identifier),
      ],
    },
    signer?.key ?? key,
  );
  const certificate = new Certificate(der);
  const { problem } = verifyChain(certificate, {
    intermediates: signer?.chain ?? [],
    roots: signer?.roots ?? [certificate],
    now,
  });
  if (problem) throw new UserError(`The certificate would not verify: ${problem}.`);
  return { certificate, key: privateKeyPem(key), shortened: now + ttlMs > limit };
}
