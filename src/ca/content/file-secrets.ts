import { type Clock, systemClock } from '../../base/clock.ts';
import { UserError } from '../../base/errors.ts';
import { type FileSet, readSmallFile } from '../files/read.ts';
import { FileWatch } from '../files/watch.ts';
import { checkCertificateAndKey, checkTrustedCa } from './checks.ts';
import type { SecretContent } from './secret.ts';

/** A resource name that stands for files, taken apart. */
export type FileResource =
  | { readonly type: 'certificate'; readonly chain: string; readonly key: string }
  | { readonly type: 'validation'; readonly trustedCa: string };

const CERTIFICATE = 'file-cert:';
const ROOT = 'file-root:';
const SEPARATOR = '~';

/** `file-cert:CERT~KEY` and `file-root:CA`, as Istio names files in a TLS context; undefined for any other name. */
export function parseFileResource(name: string): FileResource | undefined {
  if (name.startsWith(CERTIFICATE)) {
    const [chain, key, ...rest] = name.slice(CERTIFICATE.length).split(SEPARATOR);
    return chain && key && rest.length === 0 ? { type: 'certificate', chain, key } : undefined;
  }
  const trustedCa = name.startsWith(ROOT) ? name.slice(ROOT.length) : '';
  return trustedCa ? { type: 'validation', trustedCa } : undefined;
}

export interface FileSecretOptions {
  /** Where a path may really lie, for workloads whose mounts are under a folder of their own: the first that is there counts. */
  readonly places?: (path: string) => readonly string[];
  readonly onChange: (secret: SecretContent) => void;
  /** Told of files that are missing or not valid; the last good secret stays in use. */
  readonly onError: (error: unknown) => void;
  readonly clock?: Clock;
  readonly pollMs?: number;
}

const POLL_MS = 2000;

/**
 * Follows the files behind a resource name until it is closed: tells of the secret at once if they are good, and again
 * whenever they change. Throws a UserError for a name that stands for no files.
 */
export async function watchFileSecret(name: string, options: FileSecretOptions): Promise<{ close(): void }> {
  const resource = parseFileResource(name);
  if (!resource) throw new UserError(`"${name}" is neither ${CERTIFICATE}CERT${SEPARATOR}KEY nor ${ROOT}CA.`);
  const { places = (path) => [path], onChange, onError, clock = systemClock, pollMs = POLL_MS } = options;
  const paths = resource.type === 'certificate' ? [resource.chain, resource.key] : [resource.trustedCa];
  const read = async (): Promise<FileSet> => {
    const texts = await Promise.all(paths.map((path) => readFirst(places(path))));
    return new Map(paths.flatMap((path, i) => (texts[i] === undefined ? [] : [[path, texts[i]]])));
  };
  const take = (files: FileSet) => onChange(fromFiles(name, resource, files, clock.now()));
  const files = await read();
  try {
    take(files);
  } catch (error) {
    onError(error);
  }
  return new FileWatch(files, {
    read,
    onChange: take,
    onError,
    clock,
    intervalMs: pollMs,
    paths: paths.flatMap((path) => places(path)),
  });
}

async function readFirst(places: readonly string[]): Promise<string | undefined> {
  for (const place of places) {
    const text = await readSmallFile(place);
    if (text !== undefined) return text;
  }
  return undefined;
}

function fromFiles(name: string, resource: FileResource, files: FileSet, now: number): SecretContent {
  const text = (path: string) => {
    const found = files.get(path);
    if (!found?.trim()) throw new UserError(`${path} is ${found === undefined ? 'missing' : 'empty'}.`);
    return found;
  };
  if (resource.type === 'validation') {
    const trustedCa = text(resource.trustedCa);
    checkTrustedCa(trustedCa, resource.trustedCa, now);
    return { type: 'validation', name, trustedCa };
  }
  const [certificateChain, privateKey] = [text(resource.chain), text(resource.key)];
  checkCertificateAndKey(certificateChain, privateKey, { chain: resource.chain, key: resource.key }, now);
  return { type: 'certificate', name, certificateChain, privateKey };
}
