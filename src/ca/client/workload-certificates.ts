import { Backoff } from '../../base/backoff.ts';
import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Issued } from './issue.ts';
import { StateHolder, type WorkloadCertificate, type WorkloadSource, type WorkloadState } from './state.ts';
import { TrustBundle } from './trust-bundle.ts';

export interface WorkloadCertificatesOptions {
  /** Obtains a certificate with a new key, for at most this long; it must end by itself, well or badly. */
  readonly issue: (ttlMs: number) => Promise<Issued>;
  /** `SECRET_TTL`; 24 h unless told. */
  readonly ttlMs?: number;
  /** `SECRET_GRACE_PERIOD_RATIO`: the share of its life that is left when a certificate is renewed; 0.5 unless told. */
  readonly gracePeriodRatio?: number;
  /** `SECRET_GRACE_PERIOD_RATIO_JITTER`: how far the ratio is varied either way, so that a fleet does not renew at once; 0.01. */
  readonly gracePeriodRatioJitter?: number;
  /**
   * How long a root that the authority no longer gives stays trusted, in milliseconds; unless told, as long as the
   * certificates of this workload live. 0 distrusts it at once, and cuts off peers that have not renewed.
   */
  readonly rootOverlapMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export const SECRET_TTL_MS = 24 * 3_600_000;
const GRACE_PERIOD_RATIO = 0.5;
const GRACE_PERIOD_RATIO_JITTER = 0.01;

/** While there is no certificate nothing works, so attempts come closer than when there is time left. */
const FIRST_BACKOFF = { initialMs: 200, maxMs: 10_000, minMs: 50 };
const RENEWAL_BACKOFF = { initialMs: 1000, maxMs: 60_000, minMs: 200 };
/** Timers do not run while a machine sleeps; what is due is looked at this often, by the wall clock. */
const LOOK_MS = 60_000;

/**
 * Keeps a workload supplied with a valid certificate: obtains one at the start, renews it well before it expires, and
 * goes on with the old one for as long as that is valid if renewal fails.
 */
export class WorkloadCertificates implements WorkloadSource {
  readonly #options: WorkloadCertificatesOptions;
  readonly #clock: Clock;
  readonly #holder = new StateHolder();
  readonly #bundle = new TrustBundle();
  #backoff: Backoff;
  /** When to ask for a certificate; never while one is asked for. */
  #renewAt: number;
  #cancel: Cancel | undefined;
  #closed = false;

  /** Begins at once. */
  constructor(options: WorkloadCertificatesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff({ ...FIRST_BACKOFF, random: options.random });
    this.#renewAt = this.#clock.now();
    this.#look();
  }

  get state(): WorkloadState {
    return this.#holder.state;
  }

  /** When the next attempt is due, milliseconds since 1970; undefined while one is under way. */
  get nextRenewal(): number | undefined {
    return Number.isFinite(this.#renewAt) ? this.#renewAt : undefined;
  }

  subscribe(listener: (state: WorkloadState) => void): () => void {
    return this.#holder.subscribe(listener);
  }

  /** Asks for a new certificate now, unless that is under way already. */
  renew(): void {
    if (this.nextRenewal === undefined) return;
    this.#renewAt = this.#clock.now();
    this.#look();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  /** Does what is due and sets the timer for what comes next. */
  #look(): void {
    if (this.#closed) return;
    const now = this.#clock.now();
    const { certificate, roots } = this.state;
    const trusted = this.#bundle.at(now);
    const expired = certificate !== undefined && now >= certificate.notAfter;
    if (expired || trusted !== roots)
      this.#holder.update({ certificate: expired ? undefined : certificate, roots: trusted });
    if (expired) this.#backoff = new Backoff({ ...FIRST_BACKOFF, random: this.#options.random });
    if (now >= this.#renewAt) {
      this.#renewAt = Number.POSITIVE_INFINITY;
      void this.#renew();
    }
    const due = Math.min(this.#renewAt, this.state.certificate?.notAfter ?? Infinity, this.#bundle.nextChange);
    this.#cancel?.();
    this.#cancel = this.#clock.setTimer(Math.min(due - now, LOOK_MS), () => this.#look());
  }

  async #renew(): Promise<void> {
    const { issue, ttlMs = SECRET_TTL_MS, random } = this.#options;
    try {
      const { certificate, roots } = await issue(ttlMs);
      if (this.#closed) return;
      const now = this.#clock.now();
      this.#bundle.replace(roots, now + this.#overlap(certificate));
      this.#renewAt = this.#renewalTime(certificate, now);
      this.#backoff = new Backoff({ ...RENEWAL_BACKOFF, random });
      this.#holder.update({ certificate, roots: this.#bundle.at(now), lastRenewal: now, lastError: undefined });
    } catch (error) {
      if (this.#closed) return;
      const at = this.#clock.now();
      this.#renewAt = at + this.#backoff.next();
      this.#holder.update({ lastError: { message: messageOf(error), at } });
    }
    this.#look();
  }

  #overlap({ notBefore, notAfter }: WorkloadCertificate): number {
    return this.#options.rootOverlapMs ?? notAfter - notBefore;
  }

  #renewalTime({ notAfter }: WorkloadCertificate, now: number): number {
    const {
      gracePeriodRatio = GRACE_PERIOD_RATIO,
      gracePeriodRatioJitter = GRACE_PERIOD_RATIO_JITTER,
      random = Math.random,
    } = this.#options;
    const ratio = gracePeriodRatio + (2 * random() - 1) * gracePeriodRatioJitter;
    const life = notAfter - now;
    // A ratio near 1 must not make a loop of renewals.
    const soonest = now + Math.min(1000, life / 4);
    return Math.max(notAfter - life * Math.min(Math.max(ratio, 0), 1), soonest);
  }
}
