import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import {
  type AuthorityDescription,
  type CertificateAuthority,
  type CertificateSummary,
  DEFAULT_WORKLOAD_TTL_MS,
  type IssuedCertificate,
  MAX_WORKLOAD_TTL_MS,
  SigningError,
  type SigningOptions,
} from '../authority/authority.ts';
import { type Certificate, parseCertificates } from '../x509/certificate.ts';
import { formatTime, verifyChain } from '../x509/chain.ts';
import { describeKey } from '../x509/keys.ts';
import { type CertificationRequest, parseRequest, RequestError } from '../x509/request.ts';

/** What another authority has issued. */
export interface RemoteAnswer {
  /** PEM, the new certificate first, then what leads to a root. */
  readonly chain: string;
  /** Its trust bundle in PEM, if it tells. */
  readonly roots?: string;
}

/** An authority outside of the mesh that signs on our behalf. */
export interface RemoteSigner {
  /** For people: its address. */
  readonly source: string;
  /** Rejects with an Error in words, which holds no credential. */
  sign(csr: string, names: Pick<SigningOptions, 'identity' | 'dnsNames'>, ttlMs: number): Promise<RemoteAnswer>;
}

export interface RemoteAuthorityOptions {
  readonly signer: RemoteSigner;
  /** Trust bundle in PEM that holds until the signer tells another one. */
  readonly roots: string;
  /** What to call that in a message. */
  readonly rootsName: string;
  readonly defaultTtlMs?: number;
  readonly maxTtlMs?: number;
  /** Told why a request failed; whoever asked is told less. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
}

/**
 * Has another authority sign, behind the same interface as our own. It is not taken at its word: a certificate goes to
 * a workload only if it is for the key and for exactly the names that were asked for, and leads to a trusted root.
 */
export class RemoteAuthority implements CertificateAuthority {
  readonly #options: RemoteAuthorityOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #roots: readonly Certificate[];
  #issuer: Certificate | undefined;

  /** Throws a UserError if the roots are not good. */
  constructor(options: RemoteAuthorityOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#roots = parseCertificates(options.roots, options.rootsName);
  }

  async sign(request: string | CertificationRequest, options: SigningOptions): Promise<IssuedCertificate> {
    const csr = typeof request === 'string' ? readRequest(request) : request;
    const { identity, dnsNames } = options;
    if (!identity && !dnsNames?.length) throw new SigningError('CERT_GEN_ERROR', 'a certificate needs a name');
    const { signer, onError } = this.#options;
    const ttlMs = this.#ttl(options.ttlMs);
    let answer: RemoteAnswer;
    try {
      answer = await signer.sign(csr.pem, { identity, dnsNames }, ttlMs);
    } catch (error) {
      onError?.(error);
      throw new SigningError('CA_NOT_READY', 'the upstream CA does not issue certificates', { cause: error });
    }
    try {
      return this.#accept(answer, csr, options);
    } catch (error) {
      onError?.(new UserError(`${signer.source} answered with what cannot be used: ${messageOf(error)}`));
      throw new SigningError('CERT_GEN_ERROR', 'the upstream CA answered with what cannot be used');
    }
  }

  roots(): string {
    return toPem(this.#roots);
  }

  describe(): AuthorityDescription {
    const signer = this.#issuer ?? this.#roots[0]!;
    return {
      source: this.#options.signer.source,
      key: describeKey(signer.publicKey),
      signer: summarize(signer),
      selfSigned: this.#roots.some((root) => root.equals(signer)),
      roots: this.#roots.map(summarize),
    };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #accept(answer: RemoteAnswer, csr: CertificationRequest, { identity, dnsNames = [] }: SigningOptions) {
    const now = this.#clock.now();
    const roots = answer.roots === undefined ? this.#roots : parseCertificates(answer.roots, 'its trust bundle');
    const [leaf, ...rest] = parseCertificates(answer.chain, 'its chain') as [Certificate, ...Certificate[]];
    if (Buffer.compare(leaf.publicKeyInfo, csr.publicKeyInfo) !== 0)
      throw new UserError('the certificate is for another key');
    const { uris, dnsNames: dns, ips, emails } = leaf.extensions.subjectAltNames;
    const has = [...uris, ...dns, ...ips.map(String), ...emails].sort();
    const wanted = [...(identity ? [identity] : []), ...dnsNames].sort();
    if (JSON.stringify(has) !== JSON.stringify(wanted))
      throw new UserError(`the certificate is for ${has.join(', ') || 'nobody'}, and not for ${wanted.join(', ')}`);
    if (leaf.extensions.basicConstraints?.ca) throw new UserError('the certificate is that of an authority');
    const intermediates = rest.filter((c) => !roots.some((root) => root.equals(c)));
    for (const purpose of identity ? (['server', 'client'] as const) : (['server'] as const)) {
      const { problem } = verifyChain(leaf, { intermediates, roots, now, purpose });
      if (problem) throw new UserError(`the certificate does not verify: ${problem}`);
    }
    const { path = [] } = verifyChain(leaf, { intermediates, roots, now });
    this.#take(path[1] ?? roots[0]!, roots);
    return {
      chain: [leaf, ...intermediates].map((c) => c.pem),
      roots: toPem(roots),
      serial: leaf.serial,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
    };
  }

  /** Notes who has signed. Those who follow the authority are told where that, or the roots, are others than before. */
  #take(issuer: Certificate, roots: readonly Certificate[]): void {
    const isSame = toPem(roots) === toPem(this.#roots) && (this.#issuer === undefined || this.#issuer.equals(issuer));
    this.#issuer = issuer;
    this.#roots = roots;
    if (!isSame) for (const listener of this.#listeners) listener();
  }

  #ttl(asked: number | undefined): number {
    const { defaultTtlMs = DEFAULT_WORKLOAD_TTL_MS, maxTtlMs = MAX_WORKLOAD_TTL_MS } = this.#options;
    if (asked === undefined || asked <= 0) return Math.min(defaultTtlMs, maxTtlMs);
    if (asked > maxTtlMs)
      throw new SigningError(
        'TTL_ERROR',
        `a certificate until ${formatTime(this.#clock.now() + asked)} was asked for, which is longer than allowed`,
      );
    return asked;
  }
}

function readRequest(pem: string): CertificationRequest {
  try {
    return parseRequest(pem);
  } catch (error) {
    if (error instanceof RequestError) throw new SigningError('CSR_ERROR', error.message);
    throw error;
  }
}

const toPem = (certificates: readonly Certificate[]) => certificates.map((c) => c.pem).join('');

const summarize = (certificate: Certificate): CertificateSummary => ({
  subject: certificate.displayName,
  fingerprint: certificate.fingerprint,
  notBefore: certificate.notBefore,
  notAfter: certificate.notAfter,
});
