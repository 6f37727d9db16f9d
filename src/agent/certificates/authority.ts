import fs from 'node:fs/promises';
import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import { CsrClient, tokenFromFile } from '../../ca/client/csr-client.ts';
import type { CertificateEnvironment } from '../../ca/client/environment.ts';
import { readProvisioned } from '../../ca/client/files.ts';
import { type Issued, issueCertificate } from '../../ca/client/issue.ts';
import { type ChannelCredentials, GrpcChannel } from '../grpc-channel.ts';
import type { AgentMetrics } from '../status/metrics.ts';
import { MOUNTED_ROOTS, readRoots } from './roots.ts';

export interface AuthorityOptions {
  readonly host: string;
  readonly port: number;
  /** What the server's certificate must be for; undefined is plaintext. */
  readonly serverName: string | undefined;
  /** `CA_ROOT_CA`. */
  readonly roots: string | undefined;
  readonly identity: WorkloadIdentity;
  readonly clusterId: string | undefined;
  readonly certificates: CertificateEnvironment;
  readonly tokenFile: string;
  /** Where a path that a person configured really lies. */
  readonly resolve: (path: string) => string;
  /** The certificate that this workload has now, if any: it proves who asks where there is no token. */
  readonly current: () => Issued['certificate'] | undefined;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  readonly clock?: Clock;
}

const DEADLINE_MS = 10_000;

/** Asks the mesh's authority for certificates, over one gRPC channel. */
export class Authority {
  readonly #options: AuthorityOptions;
  readonly #channel: GrpcChannel;

  constructor(options: AuthorityOptions) {
    this.#options = options;
    const { host, port, serverName, clock } = options;
    this.#channel = new GrpcChannel({
      host,
      port,
      ...(serverName !== undefined && { tls: { serverName, credentials: () => this.#credentials() } }),
      deadlineMs: DEADLINE_MS,
      clock,
    });
  }

  /** Obtains a certificate with a new key. */
  async issue(ttlMs: number): Promise<Issued> {
    const { tokenFile, clusterId, identity, certificates, metrics, clock = systemClock } = this.#options;
    const hasToken = await exists(tokenFile);
    const client = new CsrClient({
      transport: this.#channel,
      // Without a token file the certificate that the channel presents must do; if there is none, the file is missed.
      ...(hasToken || !(await this.#ownCertificate()) ? { token: tokenFromFile(tokenFile) } : {}),
      clusterId,
      timeoutMs: DEADLINE_MS,
      clock,
    });
    const begun = clock.now();
    metrics.increment('num_outgoing_requests', 'csr');
    try {
      return await issueCertificate(
        {
          send: (csr, ttl) => client.request(csr, ttl),
          identity,
          keyType: certificates.keyType,
          clock,
        },
        ttlMs,
      );
    } catch (error) {
      metrics.increment('num_failed_outgoing_requests', 'csr');
      throw error;
    } finally {
      metrics.add('outgoing_latency', clock.now() - begun, 'csr');
    }
  }

  close(): void {
    this.#channel.close();
  }

  async #credentials(): Promise<ChannelCredentials> {
    const { roots, certificates, resolve } = this.#options;
    const { provisionedDir } = certificates;
    const provisionedRoots = provisionedDir === undefined ? [] : [`${provisionedDir}/root-cert.pem`];
    const certificate = await this.#ownCertificate();
    return {
      roots: await readRoots(roots, [...provisionedRoots, ...MOUNTED_ROOTS], resolve),
      ...(certificate && { certificate }),
    };
  }

  /** What was provisioned, or else what was issued before. */
  async #ownCertificate(): Promise<Issued['certificate'] | undefined> {
    const { certificates, resolve, current, log, clock = systemClock } = this.#options;
    const { provisionedDir } = certificates;
    if (provisionedDir !== undefined) {
      try {
        const provisioned = await readProvisioned(resolve(provisionedDir), clock.now());
        if (provisioned) return provisioned.certificate;
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        log.warn(`the certificate in PROV_CERT is not used: ${messageOf(error)}`);
      }
    }
    return current();
  }
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
