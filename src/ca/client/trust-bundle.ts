import { parseCertificates } from '../x509/certificate.ts';

interface Kept {
  readonly pem: string;
  readonly until: number;
}

/** More roots than this are not kept beside those of the authority. */
const MAX_KEPT = 16;

/**
 * The roots that a workload trusts. What the authority gives last is trusted; a root that it no longer gives stays
 * trusted for a while, because peers hold certificates under it until they renew, and would be cut off meanwhile.
 */
export class TrustBundle {
  #given: readonly string[] = [];
  #kept: readonly Kept[] = [];

  /** Takes the authority's bundle. What it leaves out is kept until `keepUntil`, milliseconds since 1970. */
  replace(pem: string, keepUntil: number): void {
    const given = parseCertificates(pem, 'The trust bundle').map((c) => c.pem);
    const dropped = this.#given.filter((root) => !given.includes(root));
    const kept = this.#kept.filter((k) => !given.includes(k.pem) && !dropped.includes(k.pem));
    this.#kept = [...dropped.map((root) => ({ pem: root, until: keepUntil })), ...kept].slice(0, MAX_KEPT);
    this.#given = given;
  }

  /** The bundle in PEM at a moment; forgets what is kept no longer. */
  at(now: number): string {
    this.#kept = this.#kept.filter((k) => k.until > now);
    return [...this.#given, ...this.#kept.map((k) => k.pem)].join('');
  }

  /** When {@link at} will next change on its own. */
  get nextChange(): number {
    return Math.min(...this.#kept.map((k) => k.until), Number.POSITIVE_INFINITY);
  }
}
