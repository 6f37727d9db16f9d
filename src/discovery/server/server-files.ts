import type { Clock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { checkCertificateAndKey, checkTrustedCa } from '../../ca/content/checks.ts';
import { type FileSet, readSmallFile } from '../../ca/files/read.ts';
import { FileWatch } from '../../ca/files/watch.ts';
import type { ServerCredentials } from './server-certificate.ts';

/** The files of `--tlsCertFile`, `--tlsKeyFile` and `--caCertFile`. */
export type ServerFilePaths = Readonly<Record<keyof ServerCredentials, string>>;

export interface ServerFilesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every certificate after the first. */
  readonly onRenewed: (credentials: ServerCredentials) => void;
}

const INTERVAL_MS = 10_000;
const FLAGS: ServerFilePaths = { chain: '--tlsCertFile', key: '--tlsKeyFile', roots: '--caCertFile' };

/**
 * The control plane's own certificate from files that somebody else renews. What cannot be used is told, and the last
 * good one goes on. Throws a UserError that names the flag if there is none to begin with.
 */
export async function followServerFiles(
  paths: ServerFilePaths,
  { clock, log, onRenewed }: ServerFilesOptions,
): Promise<{ readonly credentials: ServerCredentials; close(): void }> {
  const read = () => readAll(paths);
  const first = await read();
  const credentials = credentialsOf(first, paths, clock.now());
  const watch = new FileWatch(first, {
    read,
    onChange: (files) => {
      onRenewed(credentialsOf(files, paths, clock.now()));
      log.info(`the certificate of the control plane has been renewed from ${paths.chain}`);
    },
    onError: (error) => log.error(`the certificate of the control plane stays what it is: ${messageOf(error)}`),
    clock,
    intervalMs: INTERVAL_MS,
    paths: Object.values(paths),
  });
  return { credentials, close: () => watch.close() };
}

async function readAll(paths: ServerFilePaths): Promise<FileSet> {
  const files = new Map<string, string>();
  for (const file of new Set(Object.values(paths))) {
    const text = await readSmallFile(file);
    if (text !== undefined) files.set(file, text);
  }
  return files;
}

function credentialsOf(files: FileSet, paths: ServerFilePaths, now: number): ServerCredentials {
  const get = (which: keyof ServerCredentials) => {
    const text = files.get(paths[which]);
    if (text === undefined) throw new UserError(`${FLAGS[which]} ${paths[which]} cannot be read: it is not there.`);
    return text;
  };
  const credentials = { chain: get('chain'), key: get('key'), roots: get('roots') };
  const names = { chain: `${FLAGS.chain} ${paths.chain}`, key: `${FLAGS.key} ${paths.key}` };
  checkCertificateAndKey(credentials.chain, credentials.key, names, now);
  checkTrustedCa(credentials.roots, `${FLAGS.roots} ${paths.roots}`, now);
  return credentials;
}
