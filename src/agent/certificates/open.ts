import fs from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { type CertificatePaths, certificatePathsIn, MountedCertificates } from '../../ca/client/files.ts';
import type { WorkloadSource } from '../../ca/client/state.ts';
import type { AgentEnvironment } from '../environment/environment.ts';
import { IssuedCertificates } from './issued.ts';
import { LastGoodCertificate } from './last-good.ts';
import type { CertificatesOptions } from './options.ts';

const MOUNTED_DIR = './etc/certs';

/**
 * Opens what keeps this workload supplied with certificates: files that are mounted (`FILE_MOUNTED_CERTS`, or a whole
 * set in ./etc/certs), or the mesh's authority. Certificates from the authority are written to `OUTPUT_CERTS`.
 */
export async function openCertificates(options: CertificatesOptions): Promise<WorkloadSource> {
  const { environment, resolve, log, clock = systemClock } = options;
  const { certificates } = environment;
  const mounted = mountedPaths(environment, resolve);
  const unasked = certificates.provisionedDir === undefined && certificates.outputDir === undefined;
  if (certificates.fileMounted || (unasked && (await allThere(mounted)))) {
    log.info(`certificates come from ${mounted.chain}, ${mounted.key} and ${mounted.roots}`);
    const source = await MountedCertificates.open(mounted, { clock });
    source.subscribe(({ lastError }) => lastError && options.metrics.increment('num_file_watcher_failures_total'));
    return source;
  }
  return openFromAuthority(options);
}

function mountedPaths({ metadata }: AgentEnvironment, resolve: (path: string) => string): CertificatePaths {
  const standard = certificatePathsIn(MOUNTED_DIR);
  const named = (key: string, otherwise: string) => {
    const value = metadata[key];
    return resolve(typeof value === 'string' && value !== '' ? value : `./${otherwise}`);
  };
  return {
    chain: named('TLS_CLIENT_CERT_CHAIN', standard.chain),
    key: named('TLS_CLIENT_KEY', standard.key),
    roots: named('TLS_CLIENT_ROOT_CERT', standard.roots),
  };
}

async function allThere(paths: CertificatePaths): Promise<boolean> {
  const found = await Promise.all(
    Object.values(paths).map((file: string) =>
      fs.access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every((there) => there);
}

async function openFromAuthority(options: CertificatesOptions): Promise<WorkloadSource> {
  const { environment, stateDir, log, clock = systemClock } = options;
  const { trustDomain, podNamespace, serviceAccount } = environment;
  const identity = { trustDomain, namespace: podNamespace, serviceAccount };
  if (stateDir === undefined) return new IssuedCertificates(options, identity, undefined, undefined);
  const lastGood = new LastGoodCertificate(path.join(stateDir, 'certs'), identity, log);
  return new IssuedCertificates(options, identity, lastGood, await lastGood.read(clock.now()));
}
