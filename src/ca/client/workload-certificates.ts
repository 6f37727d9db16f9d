import { Backoff } from '../../base/backoff.ts';
import { type Cancel, type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { parseCertificates } from '../x509/certificate.ts';
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
/** A fleet that is told of a new root at once does not ask for certificates at once. */
const SPREAD_MS = 2000;
/** How often a certificate under the new root is asked for; the authority may be the last to know of it. */
const PROMPT_ATTEMPTS = 4;
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
  /** When the renewal of the present certificate was planned; attempts that fail do not move it. */
  #due: number | undefined;
  /** The root under which the mesh wants certificates, PEM, and how often one will still be asked for early. */
  #preferred: { readonly root: string; readonly attempts: number } | undefined;
  /** The last bundle that was published. */
  #published: string | undefined;
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

  /**
   * Takes the bundle that the mesh publishes: what is in it is trusted, what it leaves out no longer is. Its first root
   * is the one to be under; a certificate under another is renewed early. Throws a UserError if it is no bundle.
   */
  publish(pem: string): void {
    this.#preferred = { root: parseCertificates(pem, 'The trust bundle of the mesh')[0].pem, attempts: 0 };
    this.#published = pem;
    this.#takePublished();
    this.#renewForRoot();
    this.#look();
  }

  #takePublished(): void {
    const { certificate } = this.state;
    if (this.#published === undefined) return;
    const keepUntil = this.#clock.now() + (certificate ? this.#overlap(certificate) : 0);
    this.#bundle.publish(this.#published, certificate?.root, keepUntil);
  }

  /** Takes the revocation lists that the mesh publishes; undefined if there are none. */
  setRevocations(crl: string | undefined): void {
    if (crl !== this.state.crl) this.#holder.update({ crl });
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
      this.#holder.update({
        certificate: expired ? undefined : certificate,
        roots: trusted,
        ...(expired && { renewalDue: undefined }),
      });
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
    const published = this.#published;
    try {
      const { certificate, roots } = await issue(ttlMs);
      if (this.#closed) return;
      const now = this.#clock.now();
      this.#bundle.replace(roots, now + this.#overlap(certificate));
      this.#renewAt = this.#due = this.#renewalTime(certificate, now);
      this.#backoff = new Backoff({ ...RENEWAL_BACKOFF, random });
      this.#holder.update({
        certificate,
        roots: this.#bundle.at(now),
        lastRenewal: now,
        renewalDue: this.#due,
        lastError: undefined,
      });
      // What came while we asked is newer than the answer.
      if (this.#published !== published) this.#takePublished();
      this.#renewForRoot();
    } catch (error) {
      if (this.#closed) return;
      const at = this.#clock.now();
      this.#renewAt = at + this.#backoff.next();
      this.#holder.update({ lastError: { message: messageOf(error), at } });
    }
    this.#look();
  }

  /** Sees to an early renewal if the certificate stands under another root than the mesh wants. */
  #renewForRoot(): void {
    const own = this.state.certificate?.root;
    const { root, attempts } = this.#preferred ?? {};
    if (own === undefined || root === undefined || own === root || attempts === undefined) return;
    if (attempts >= PROMPT_ATTEMPTS || !Number.isFinite(this.#renewAt)) return;
    this.#preferred = { root, attempts: attempts + 1 };
    const { random = Math.random } = this.#options;
    this.#renewAt = Math.min(this.#renewAt, this.#clock.now() + random() * SPREAD_MS * 2 ** attempts);
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
