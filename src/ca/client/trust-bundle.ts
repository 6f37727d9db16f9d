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

  /**
   * Takes what the mesh has published as its bundle (Istio's `istio-ca-root-cert`). It counts only if it shares a root
   * with what the authority has given, for the file may belong to another mesh. A root that it leaves out is distrusted
   * at once, except `own`, under which this workload's certificate stands: then the mesh has not waited for us, nor for
   * others perhaps, and that one is kept until `keepUntil`. Returns whether it counts.
   */
  publish(pem: string, own: string | undefined, keepUntil: number): boolean {
    const published = parseCertificates(pem, 'The trust bundle of the mesh').map((c) => c.pem);
    if (!published.some((root) => this.#given.includes(root))) return false;
    const isKept = own !== undefined && this.#given.includes(own) && !published.includes(own);
    const kept = this.#kept.filter((k) => !published.includes(k.pem) && k.pem !== own);
    this.#kept = isKept ? [{ pem: own, until: keepUntil }, ...kept].slice(0, MAX_KEPT) : kept;
    this.#given = published;
    return true;
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
