import path from 'node:path';
import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { WorkloadIdentity } from '../../base/spiffe.ts';
import type { Issued } from '../../ca/client/issue.ts';
import type { OutputState, WorkloadSource, WorkloadState } from '../../ca/client/state.ts';
import { WorkloadCertificates } from '../../ca/client/workload-certificates.ts';
import { Authority } from './authority.ts';
import type { LastGoodCertificate } from './last-good.ts';
import type { CertificatesOptions } from './options.ts';
import { OutputFiles } from './output.ts';
import { PublishedTrust } from './published.ts';

const TOKEN_FILE = './var/run/secrets/tokens/istio-token';
/** A certificate of an earlier run is replaced soon, but not at once: the authority was away a moment ago. */
const RENEW_AFTER_LAST_GOOD_MS = 5000;

/**
 * Certificates from the mesh's authority. While it cannot be reached at the start, the certificate of an earlier run
 * stands in for as long as it is valid.
 */
export class IssuedCertificates implements WorkloadSource {
  readonly #options: CertificatesOptions;
  readonly #clock: Clock;
  readonly #kept: Issued | undefined;
  readonly #lastGood: LastGoodCertificate | undefined;
  readonly #output: OutputFiles | undefined;
  readonly #authority: Authority;
  readonly #certificates: WorkloadCertificates;
  #usesKept = false;
  #cancelRenewal: Cancel = () => {};
  #lastError: WorkloadState['lastError'];
  #failures = 0;
  #serial: string | undefined;
  #roots = '';
  readonly #published: PublishedTrust;

  /** Begins at once. `kept` is what `lastGood` had. */
  constructor(
    options: CertificatesOptions,
    identity: WorkloadIdentity,
    lastGood: LastGoodCertificate | undefined,
    kept: Issued | undefined,
  ) {
    const { environment, authority, resolve, metrics, log, random, clock = systemClock } = options;
    const { certificates } = environment;
    this.#options = options;
    this.#clock = clock;
    this.#kept = kept;
    this.#lastGood = lastGood;
    this.#output = certificates.outputDir
      ? new OutputFiles({ dir: outputFolder(certificates.outputDir, options), log, clock, random })
      : undefined;
    this.#authority = new Authority({
      ...authority,
      roots: environment.caRootCa ?? environment.xdsRootCa,
      identity,
      clusterId: environment.clusterId,
      certificates,
      tokenFile: resolve(TOKEN_FILE),
      resolve,
      current: () => this.#current(),
      metrics,
      log,
      clock,
    });
    this.#certificates = new WorkloadCertificates({
      issue: (ttlMs) => this.#issue(ttlMs),
      ttlMs: certificates.ttlMs,
      gracePeriodRatio: certificates.gracePeriodRatio,
      gracePeriodRatioJitter: certificates.gracePeriodRatioJitter,
      clock,
      random,
    });
    this.#certificates.subscribe((state) => this.#note(state));
    this.#published = new PublishedTrust({
      resolve,
      onRoots: (pem) => this.#certificates.publish(pem),
      onRevocations: (crl) => this.#certificates.setRevocations(crl),
      log,
      clock,
    });
  }

  get state(): WorkloadState {
    return this.#certificates.state;
  }

  get output(): OutputState | undefined {
    return this.#output?.state;
  }

  subscribe(listener: (state: WorkloadState) => void): () => void {
    return this.#certificates.subscribe(listener);
  }

  renew(): void {
    this.#certificates.renew();
  }

  close(): void {
    this.#cancelRenewal();
    this.#published.close();
    this.#output?.close();
    this.#certificates.close();
    this.#authority.close();
  }

  /** What proves who we are when a certificate is asked for without a token. */
  #current(): Issued['certificate'] | undefined {
    const certificate = this.#serial === undefined ? this.#kept?.certificate : this.state.certificate;
    return certificate && this.#clock.now() < certificate.notAfter ? certificate : undefined;
  }

  async #issue(ttlMs: number): Promise<Issued> {
    try {
      return await this.#authority.issue(ttlMs);
    } catch (error) {
      const kept = this.#kept;
      if (this.#usesKept || this.#serial !== undefined || !kept || this.#clock.now() >= kept.certificate.notAfter)
        throw error;
      this.#usesKept = true;
      this.#options.log.warn(
        `no certificate from the authority (${messageOf(error)}): starting with the one of an earlier run`,
      );
      this.#cancelRenewal = this.#clock.setTimer(RENEW_AFTER_LAST_GOOD_MS, () => this.#certificates.renew());
      return kept;
    }
  }

  #note(state: WorkloadState): void {
    const { metrics, log } = this.#options;
    const { certificate, lastError } = state;
    if (lastError && lastError !== this.#lastError) {
      if (++this.#failures > 1) metrics.increment('num_outgoing_retries', 'csr');
      log.warn(`no new certificate from the authority: ${lastError.message}`);
    }
    this.#lastError = lastError;
    if (!certificate) return;
    const isNew = certificate.serial !== this.#serial;
    if (!isNew && state.roots === this.#roots) return;
    this.#roots = state.roots;
    if (isNew) {
      this.#failures = 0;
      this.#serial = certificate.serial;
      log.info(`certificate ${certificate.identity} is valid until ${new Date(certificate.notAfter).toISOString()}`);
    } else log.info('the roots of the mesh have changed');
    void this.#lastGood?.write(state);
    this.#output?.write(state);
  }
}

/** A pod that shares its machine with others has a folder of its own, and writes nowhere else. */
function outputFolder(dir: string, { environment, resolve }: CertificatesOptions): string {
  return resolve(environment.sharesFiles && path.isAbsolute(dir) ? `.${dir}` : dir);
}
