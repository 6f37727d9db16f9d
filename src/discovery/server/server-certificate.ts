import type { Cancel, Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CertificateAuthority } from '../../ca/authority/authority.ts';
import { generatePrivateKey, privateKeyPem } from '../../ca/x509/keys.ts';
import { createRequest } from '../../ca/x509/request.ts';

/** What a TLS server presents and verifies with, in PEM. */
export interface ServerCredentials {
  readonly key: string;
  readonly chain: string;
  /** Trust bundle for client certificates. */
  readonly roots: string;
}

/** Names under which clients look for istiod, wherever it runs: those of its Kubernetes service, and this machine's. */
export function controlPlaneNames(namespace: string, revision = ''): string[] {
  const services = ['istiod', ...(revision ? [`istiod-${revision}`] : []), 'istiod-remote', 'istio-pilot'];
  return [
    ...services.flatMap((service) => [`${service}.${namespace}.svc`, `${service}.${namespace}`]),
    `istiod.${namespace}.svc.cluster.local`,
    'istiod',
    'localhost',
  ];
}

export interface ServerCertificateOptions {
  readonly authority: CertificateAuthority;
  readonly dnsNames: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of every certificate after the first. */
  readonly onRenewed: (credentials: ServerCredentials) => void;
}

/** Renewal that failed is tried again after this. */
const RETRY_MS = 60_000;

/**
 * The control plane's own certificate, from its own authority: renewed at half of its life, and whenever the
 * authority's key or roots change. The key never leaves the process.
 */
export class ServerCertificate {
  readonly #options: ServerCertificateOptions;
  readonly #unsubscribe: () => void;
  #cancel: Cancel | undefined;
  #closed = false;

  private constructor(options: ServerCertificateOptions) {
    this.#options = options;
    this.#unsubscribe = options.authority.subscribe(() => void this.#renew());
  }

  /** Issues the first certificate. Throws what the authority throws. */
  static async issue(
    options: ServerCertificateOptions,
  ): Promise<{ certificate: ServerCertificate; credentials: ServerCredentials }> {
    const certificate = new ServerCertificate(options);
    return { certificate, credentials: await certificate.#issue() };
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#cancel?.();
  }

  async #issue(): Promise<ServerCredentials> {
    const { authority, dnsNames, clock } = this.#options;
    const key = await generatePrivateKey('ecdsa-p256');
    const request = await createRequest(key, { dnsNames: [...dnsNames] });
    const { chain, roots, notAfter } = await authority.sign(request, { dnsNames });
    this.#schedule(Math.max((notAfter - clock.now()) / 2, RETRY_MS));
    return { key: privateKeyPem(key), chain: chain.join(''), roots };
  }

  async #renew(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#options.onRenewed(await this.#issue());
      this.#options.log.info('the certificate of the control plane has been renewed');
    } catch (error) {
      this.#options.log.error(`the certificate of the control plane cannot be renewed: ${messageOf(error)}`);
      this.#schedule(RETRY_MS);
    }
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    if (!this.#closed) this.#cancel = this.#options.clock.setTimer(ms, () => void this.#renew());
  }
}
