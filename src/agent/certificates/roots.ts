import fs from 'node:fs/promises';
import { codeOf, messageOf, UserError } from '../../base/errors.ts';

/** Where the roots of the mesh are mounted, before a workload has any from its authority. */
export const MOUNTED_ROOTS = ['./var/run/secrets/istio/root-cert.pem', './etc/certs/root-cert.pem'] as const;
/** Value of `CA_ROOT_CA` and `XDS_ROOT_CA` that means the roots of the operating system. */
const SYSTEM_ROOTS = 'SYSTEM';

/** Bundles of the usual distributions, for a proxy that must be given a file. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const MAX_BYTES = 1 << 20;

/**
 * The roots that the authority's server is verified with, read afresh at every call: the file that is named, or the
 * first of the candidates that is there. Undefined means those of the system. A UserError says what is missing.
 */
export async function readRoots(
  named: string | undefined,
  candidates: readonly string[],
  resolve: (path: string) => string,
): Promise<string | undefined> {
  if (named === SYSTEM_ROOTS) return undefined;
  for (const candidate of named === undefined ? candidates : [named]) {
    const text = await read(resolve(candidate));
    if (text !== undefined) return text;
  }
  throw new UserError(
    named === undefined
      ? `There is no root certificate to verify the control plane with: looked for ${candidates.join(', ')}; name one in CA_ROOT_CA.`
      : `The root certificate ${named} is missing.`,
  );
}

/** The file of the roots that a proxy verifies discovery with, if they are not the mesh's own. */
export async function discoveryRootsFile(named: string | undefined): Promise<string | undefined> {
  return named === SYSTEM_ROOTS ? systemRootsFile('XDS_ROOT_CA is SYSTEM') : named;
}

/** The bundle of roots of this system. A UserError begins with why it is wanted. */
export async function systemRootsFile(why = 'tlsSettings without caCertificates'): Promise<string> {
  for (const bundle of SYSTEM_BUNDLES) if ((await fs.stat(bundle).catch(() => undefined))?.isFile()) return bundle;
  throw new UserError(`${why}, and this system has none of ${SYSTEM_BUNDLES.join(', ')}.`);
}

async function read(file: string): Promise<string | undefined> {
  try {
    const { size } = await fs.stat(file);
    if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw new UserError(`The root certificate ${file} cannot be read: ${messageOf(error)}.`);
  }
}
