import { type Clock, systemClock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { parseWorkloadIdentity, SPIFFE_SCHEME, type TrustDomains } from '../../base/spiffe.ts';
import { Certificate, parseCertificates } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { AuthenticationError, type Authenticator, type Caller, type Credentials } from './authenticator.ts';

export interface CertificateAuthenticatorOptions {
  /** The trust bundle in PEM as it is now. */
  readonly roots: () => string;
  readonly trustDomains: TrustDomains;
  /** Whether the authority has taken a certificate back; none unless told. */
  readonly isRevoked?: (certificate: Certificate) => boolean;
  readonly clock?: Clock;
}

const MAX_CERTIFICATES = 16;
/** More intermediates than a mesh has at a time. */
const MAX_KNOWN = 64;

/**
 * Accepts a workload certificate that is still valid, so that a workload can renew without a token, as Istio allows.
 * The chain is verified here, whatever the TLS layer was told to verify.
 */
export class CertificateAuthenticator implements Authenticator {
  readonly name = 'ClientCertAuthenticator';
  readonly #options: CertificateAuthenticatorOptions;
  readonly #clock: Clock;
  #roots: { readonly pem: string; readonly certificates: readonly Certificate[] } = { pem: '', certificates: [] };

  /**
   * Intermediates that have led to a root, by their bytes: every workload presents the same few, whose signatures need not
   * be verified for each. Everything else about them is looked at each time.
   */
  readonly #known = new Map<string, Certificate>();

  /** What a connection presented, which is the same for all of its calls: read once, and its signatures verified once. */
  readonly #presented = new WeakMap<readonly Uint8Array[], readonly [Certificate, ...Certificate[]]>();

  constructor(options: CertificateAuthenticatorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async authenticate({ peerCertificates }: Credentials): Promise<Caller | null> {
    if (!peerCertificates?.length) return null;
    const [leaf, ...intermediates] = this.#read(peerCertificates);
    const { path, problem } = verifyChain(leaf, {
      intermediates,
      roots: this.#trusted(),
      now: this.#clock.now(),
      purpose: 'client',
    });
    if (path === undefined) throw new AuthenticationError(problem);
    for (const certificate of path.slice(1)) this.#keep(certificate);
    const revoked = path.find((certificate) => this.#options.isRevoked?.(certificate));
    if (revoked) throw new AuthenticationError(`the certificate "${revoked.displayName}" is revoked`);
    // X509-SVID section 5.2: a leaf is no authority and has one URI.
    if (leaf.extensions.basicConstraints?.ca) throw new AuthenticationError('the certificate is that of an authority');
    const { uris } = leaf.extensions.subjectAltNames;
    const identity = uris.length === 1 ? parseWorkloadIdentity(uris[0]) : undefined;
    if (!identity)
      throw new AuthenticationError(`the certificate does not carry one ${SPIFFE_SCHEME}TRUST_DOMAIN/ns/NS/sa/SA`);
    if (!this.#options.trustDomains.has(identity.trustDomain))
      throw new AuthenticationError(`the trust domain "${identity.trustDomain}" is not one of this mesh`);
    return { identity, via: 'certificate', expiresAt: leaf.notAfter };
  }

  #read(presented: readonly Uint8Array[]): readonly [Certificate, ...Certificate[]] {
    let certificates = this.#presented.get(presented);
    if (certificates === undefined) {
      if (presented.length > MAX_CERTIFICATES)
        throw new AuthenticationError(`the peer presented more than ${MAX_CERTIFICATES} certificates`);
      const others = presented.slice(1).map((der) => this.#known.get(keyOf(der)) ?? read(der));
      certificates = [read(presented[0]!), ...others];
      this.#presented.set(presented, certificates);
    }
    return certificates;
  }

  #keep(certificate: Certificate): void {
    const key = keyOf(certificate.der);
    if (this.#known.has(key)) return;
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, certificate);
  }

  #trusted(): readonly Certificate[] {
    const pem = this.#options.roots();
    if (pem !== this.#roots.pem) this.#roots = { pem, certificates: parseCertificates(pem, 'the trust bundle') };
    return this.#roots.certificates;
  }
}

const keyOf = (der: Uint8Array) => Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1');

function read(der: Uint8Array): Certificate {
  try {
    return new Certificate(der);
  } catch (error) {
    throw new AuthenticationError(`a certificate of the peer cannot be read (${messageOf(error)})`);
  }
}
