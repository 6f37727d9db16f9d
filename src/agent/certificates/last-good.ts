import fs from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isSameAccount, parseWorkloadIdentity, type WorkloadIdentity } from '../../base/spiffe.ts';
import { CertificateOutput, readProvisioned } from '../../ca/client/files.ts';
import type { Issued } from '../../ca/client/issue.ts';
import type { WorkloadState } from '../../ca/client/state.ts';

/** Keeps the last certificate on disk, for a start while the authority is away. */
export class LastGoodCertificate {
  readonly #dir: string;
  readonly #output: CertificateOutput;
  readonly #identity: WorkloadIdentity;
  readonly #log: Logger;

  constructor(dir: string, identity: WorkloadIdentity, log: Logger) {
    this.#dir = dir;
    this.#output = new CertificateOutput(dir);
    this.#identity = identity;
    this.#log = log;
  }

  /** What was kept, if it is this workload's and still valid. */
  async read(now: number): Promise<Issued | undefined> {
    try {
      const issued = await readProvisioned(this.#dir, now);
      const kept = issued && parseWorkloadIdentity(issued.certificate.identity);
      return kept && isSameAccount(kept, this.#identity) ? issued : undefined;
    } catch (error) {
      this.#log.info(`the certificate of an earlier run is not used: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Writes what there is; a folder that cannot be written costs the next start its certificate, and nothing now. */
  async write(state: WorkloadState): Promise<void> {
    try {
      await fs.mkdir(this.#dir, { recursive: true, mode: 0o700 });
      await this.#output.write(state);
    } catch (error) {
      this.#log.warn(`the certificate is not kept for the next start: ${messageOf(error)}`);
    }
  }
}
