import path from 'node:path';
import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { type FileSet, readFiles, readSmallFile } from '../files/read.ts';
import { FileWatch } from '../files/watch.ts';
import { type NewFile, replaceSet } from '../files/write.ts';
import { parseCertificates } from '../x509/certificate.ts';
import { parsePrivateKey } from '../x509/keys.ts';
import type { Issued } from './issue.ts';
import { replacementDue } from './overdue.ts';
import { StateHolder, type WorkloadSource, type WorkloadState } from './state.ts';

/** Names in `OUTPUT_CERTS` and `PROV_CERT`, and in the folder `./etc/certs` that `FILE_MOUNTED_CERTS` means. */
export const CERTIFICATE_FILES = { key: 'key.pem', chain: 'cert-chain.pem', roots: 'root-cert.pem' } as const;

/** Three paths, for those who name them one by one. */
export interface CertificatePaths {
  readonly key: string;
  readonly chain: string;
  readonly roots: string;
}

export const certificatePathsIn = (dir: string): CertificatePaths => ({
  key: path.join(dir, CERTIFICATE_FILES.key),
  chain: path.join(dir, CERTIFICATE_FILES.chain),
  roots: path.join(dir, CERTIFICATE_FILES.roots),
});

async function readPaths(paths: CertificatePaths): Promise<FileSet> {
  const files = Object.values(paths) as string[];
  const texts = await Promise.all(files.map((file) => readSmallFile(file)));
  return new Map(files.flatMap((file, i) => (texts[i] === undefined ? [] : [[file, texts[i]]])));
}

/** What the files hold; a UserError that names the file if they are no valid set. */
function parseFiles(files: FileSet, paths: CertificatePaths, now: number): Issued {
  const text = (file: string) => {
    const found = files.get(file);
    if (!found?.trim()) throw new UserError(`${file} is ${found === undefined ? 'missing' : 'empty'}.`);
    return found;
  };
  const chain = parseCertificates(text(paths.chain), paths.chain);
  const [leaf] = chain;
  const key = text(paths.key);
  if (!leaf.matches(parsePrivateKey(key, paths.key)))
    throw new UserError(`${paths.key} is not the key of the first certificate in ${paths.chain}.`);
  if (now >= leaf.notAfter) throw new UserError(`The certificate in ${paths.chain} has expired.`);
  const roots = parseCertificates(text(paths.roots), paths.roots);
  const { serial, notBefore, notAfter } = leaf;
  const identity = leaf.extensions.subjectAltNames.uris[0] ?? '';
  return {
    certificate: { key, chain: chain.map((c) => c.pem).join(''), identity, serial, notBefore, notAfter },
    roots: roots.map((c) => c.pem).join(''),
  };
}

/**
 * Certificates that were put on a machine to get it started (`PROV_CERT`): undefined if there are none, a UserError if
 * they are no good. They are read afresh at every call, because they may be the ones of `OUTPUT_CERTS`.
 */
export async function readProvisioned(dir: string, now = Date.now()): Promise<Issued | undefined> {
  const paths = certificatePathsIn(dir);
  const files = await readPaths(paths);
  return files.has(paths.key) && files.has(paths.chain) ? parseFiles(files, paths, now) : undefined;
}

export interface MountedCertificatesOptions {
  readonly clock?: Clock;
  readonly pollMs?: number;
}

const POLL_MS = 2000;

/** Certificates that something else keeps fresh on disk (`FILE_MOUNTED_CERTS`). */
export class MountedCertificates implements WorkloadSource {
  readonly #paths: CertificatePaths;
  readonly #clock: Clock;
  readonly #holder = new StateHolder();
  readonly #watch: FileWatch;
  #expiry: Cancel | undefined;

  private constructor(files: FileSet, paths: CertificatePaths, options: MountedCertificatesOptions) {
    const { clock = systemClock, pollMs = POLL_MS } = options;
    this.#paths = paths;
    this.#clock = clock;
    this.#take(files);
    this.#watch = new FileWatch(files, {
      read: () => readPaths(paths),
      onChange: (changed) => this.#take(changed),
      onError: (error) => this.#fail(error),
      clock,
      intervalMs: pollMs,
      paths: Object.values(paths),
    });
  }

  /** Reads the files once; if they are not there or not valid the state says so, and they are looked for from then on. */
  static async open(paths: CertificatePaths, options: MountedCertificatesOptions = {}): Promise<MountedCertificates> {
    return new MountedCertificates(await readPaths(paths), paths, options);
  }

  get state(): WorkloadState {
    return this.#holder.state;
  }

  subscribe(listener: (state: WorkloadState) => void): () => void {
    return this.#holder.subscribe(listener);
  }

  close(): void {
    this.#watch.close();
    this.#expiry?.();
  }

  #take(files: FileSet): void {
    try {
      const now = this.#clock.now();
      const { certificate, roots } = parseFiles(files, this.#paths, now);
      this.#expiry?.();
      this.#expiry = this.#clock.setTimer(certificate.notAfter - now, () => this.#expire());
      const renewalDue = replacementDue(certificate);
      this.#holder.update({ certificate, roots, lastRenewal: now, renewalDue, lastError: undefined });
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#holder.update({ lastError: { message: messageOf(error), at: this.#clock.now() } });
  }

  #expire(): void {
    const message = `The certificate in ${this.#paths.chain} has expired.`;
    const lastError = { message, at: this.#clock.now() };
    this.#holder.update({ certificate: undefined, renewalDue: undefined, lastError });
  }
}

/** Writes what a source has to a folder (`OUTPUT_CERTS`), for programs that read files. */
export class CertificateOutput {
  readonly #dir: string;
  #last: Promise<void> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Replaces key, chain and roots together, if they differ from what is there. Nothing is written without a certificate. */
  write(state: WorkloadState): Promise<void> {
    const done = this.#last.then(() => this.#write(state));
    // One failure must not keep later certificates from being written.
    this.#last = done.catch(() => {});
    return done;
  }

  async #write({ certificate, roots }: WorkloadState): Promise<void> {
    if (!certificate) return;
    const files = new Map<string, NewFile>([
      [CERTIFICATE_FILES.key, { text: certificate.key, secret: true }],
      [CERTIFICATE_FILES.chain, { text: certificate.chain, secret: false }],
      [CERTIFICATE_FILES.roots, { text: roots, secret: false }],
    ]);
    const present = await readFiles(this.#dir, [...files.keys()]);
    if ([...files].some(([name, { text }]) => present.get(name) !== text)) await replaceSet(this.#dir, files);
  }
}
