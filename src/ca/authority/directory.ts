import path from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { readFiles } from '../files/read.ts';
import { FileWatch } from '../files/watch.ts';
import type { KeyType } from '../x509/keys.ts';
import type { CertificateAuthority } from './authority.ts';
import { CA_FILE_NAMES } from './bundle.ts';
import { Issuer, type IssuerOptions } from './issuer.ts';
import { ensureSelfSigned } from './self-signed.ts';

export interface DirectoryOptions extends Omit<IssuerOptions, 'source' | 'locate'> {
  /** Told when files changed and could not be taken; the old ones stay in use. */
  readonly onError?: (error: unknown) => void;
  readonly pollMs?: number;
}

/** An authority that follows its files until it is closed. */
export interface DirectoryAuthority extends CertificateAuthority {
  close(): void;
}

const POLL_MS = 2000;

/**
 * Opens a folder with the files of an authority: `cacerts` as people plug it in (`ca-cert.pem`, `ca-key.pem`,
 * `root-cert.pem`, `cert-chain.pem`, or the names of a TLS secret). Throws a UserError that names the file with the
 * problem. Later changes are taken once the set as a whole is valid.
 */
export async function openDirectory(dir: string, options: DirectoryOptions): Promise<DirectoryAuthority> {
  const { clock = systemClock, onError = () => {}, pollMs = POLL_MS, ...rest } = options;
  const read = () => readFiles(dir, CA_FILE_NAMES);
  const files = await read();
  const issuer = await Issuer.load(files, { ...rest, clock, source: dir, locate: (name) => path.join(dir, name) });
  const onChange = (changed: typeof files) => issuer.update(changed);
  const paths = CA_FILE_NAMES.map((name) => path.join(dir, name));
  const watch = new FileWatch(files, { read, onChange, onError, clock, intervalMs: pollMs, paths });
  return Object.assign(issuer, { close: () => watch.close() });
}

/** As {@link openDirectory}, after making a self-signed root there if there is none. */
export async function openSelfSigned(
  dir: string,
  options: DirectoryOptions & { readonly keyType?: KeyType; readonly rootTtlMs?: number },
): Promise<DirectoryAuthority> {
  const { keyType, rootTtlMs, ...rest } = options;
  const now = (options.clock ?? systemClock).now();
  await ensureSelfSigned(dir, { trustDomain: options.trustDomain, now, keyType, ttlMs: rootTtlMs });
  return openDirectory(dir, rest);
}
