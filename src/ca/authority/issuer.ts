import { type Clock, systemClock } from '../../base/clock.ts';
import type { FileSet } from '../files/read.ts';
import { buildCertificate, randomSerial } from '../x509/build.ts';
import type { Certificate } from '../x509/certificate.ts';
import { formatTime } from '../x509/chain.ts';
import * as ext from '../x509/extensions.ts';
import { describeKey } from '../x509/keys.ts';
import { encodeName } from '../x509/names.ts';
import { Oid } from '../x509/oids.ts';
import { formatPem } from '../x509/pem.ts';
import { type CertificationRequest, parseRequest, RequestError } from '../x509/request.ts';
import {
  type AuthorityDescription,
  type CertificateAuthority,
  type CertificateSummary,
  CLOCK_SKEW_MS,
  DEFAULT_WORKLOAD_TTL_MS,
  type IssuedCertificate,
  MAX_WORKLOAD_TTL_MS,
  SigningError,
  type SigningOptions,
} from './authority.ts';
import { parseBundle, type SigningBundle } from './bundle.ts';

export interface IssuerOptions {
  readonly trustDomain: string;
  /** Where the files come from, for people: a folder, or a secret's name. */
  readonly source: string;
  /** What to call one of the files in a message; `source` and its name unless given. */
  readonly locate?: (name: string) => string;
  readonly defaultTtlMs?: number;
  readonly maxTtlMs?: number;
  readonly clock?: Clock;
}

/** What every workload certificate has, in the order in which istiod writes it. */
const COMMON_EXTENSIONS = [
  ext.keyUsage(ext.KeyUsage.DigitalSignature, ext.KeyUsage.KeyEncipherment),
  ext.extendedKeyUsage(Oid.serverAuth, Oid.clientAuth),
  ext.basicConstraints(false),
];
const EMPTY_NAME = encodeName([]);

/** Everything that the bundle decides, computed once. */
interface Prepared {
  readonly bundle: SigningBundle;
  readonly extensions: readonly Buffer[];
  readonly chain: readonly string[];
  readonly roots: string;
}

/**
 * The authority over one key, whose files may come from anywhere: a folder ({@link openDirectory}), or the content of a
 * Secret given to {@link Issuer.load} and, when it changes, to {@link Issuer.update}.
 */
export class Issuer implements CertificateAuthority {
  readonly #options: IssuerOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #current: Prepared;

  private constructor(bundle: SigningBundle, options: IssuerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#current = prepare(bundle);
  }

  /** Throws a UserError that names the file with the problem. */
  static async load(files: FileSet, options: IssuerOptions): Promise<Issuer> {
    return new Issuer(await parse(files, options), options);
  }

  /** Takes new files, or throws a UserError and goes on with the old ones. */
  async update(files: FileSet): Promise<void> {
    this.#current = prepare(await parse(files, this.#options));
    for (const listener of this.#listeners) listener();
  }

  async sign(request: string | CertificationRequest, options: SigningOptions): Promise<IssuedCertificate> {
    const { bundle, extensions, chain, roots } = this.#current;
    const { publicKeyInfo } = typeof request === 'string' ? readRequest(request) : request;
    const { identity, dnsNames } = options;
    if (!identity && !dnsNames?.length) throw new SigningError('CERT_GEN_ERROR', 'a certificate needs a name');
    const now = this.#clock.now();
    if (now > bundle.notAfter)
      throw new SigningError('CA_NOT_READY', `the certificate of the CA expired on ${formatTime(bundle.notAfter)}`);
    const notAfter = wholeSeconds(Math.min(now + this.#ttl(options.ttlMs), bundle.notAfter));
    const notBefore = wholeSeconds(now - CLOCK_SKEW_MS);
    const serial = randomSerial();
    const der = await buildCertificate(
      {
        issuer: bundle.certificate.subject,
        subject: EMPTY_NAME,
        notBefore,
        notAfter,
        publicKeyInfo,
        serial,
        extensions: [...extensions, ext.subjectAltName({ uris: identity ? [identity] : [], dnsNames }, true)],
      },
      bundle.key,
    );
    return {
      chain: [formatPem('CERTIFICATE', der), ...chain],
      roots,
      serial: Buffer.from(serial).toString('hex'),
      notBefore,
      notAfter,
    };
  }

  roots(): string {
    return this.#current.roots;
  }

  describe(): AuthorityDescription {
    const { certificate, roots } = this.#current.bundle;
    return {
      source: this.#options.source,
      key: describeKey(certificate.publicKey),
      signer: summarize(certificate),
      selfSigned: roots.some((root) => root.equals(certificate)),
      roots: roots.map(summarize),
    };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #ttl(asked: number | undefined): number {
    const { defaultTtlMs = DEFAULT_WORKLOAD_TTL_MS, maxTtlMs = MAX_WORKLOAD_TTL_MS } = this.#options;
    if (asked === undefined || asked <= 0) return Math.min(defaultTtlMs, maxTtlMs);
    if (asked > maxTtlMs)
      throw new SigningError(
        'TTL_ERROR',
        `requested TTL ${formatDuration(asked)} is greater than the max allowed TTL ${formatDuration(maxTtlMs)}`,
      );
    return asked;
  }
}

const wholeSeconds = (ms: number) => Math.floor(ms / 1000) * 1000;

async function parse(files: FileSet, options: IssuerOptions): Promise<SigningBundle> {
  const { clock = systemClock, trustDomain, source } = options;
  const locate = options.locate ?? ((name) => `${source}: ${name}`);
  return parseBundle(files, { locate, now: clock.now(), trustDomain });
}

function prepare(bundle: SigningBundle): Prepared {
  const identifier = bundle.certificate.extensions.subjectKeyIdentifier;
  return {
    bundle,
    extensions: [
      ...COMMON_EXTENSIONS,
      ...(identifier ? [ext.authorityKeyIdentifier(Buffer.from(identifier, 'hex'))] : []),
    ],
    chain: bundle.chain.map((c) => c.pem),
    roots: bundle.roots.map((c) => c.pem).join(''),
  };
}

function readRequest(pem: string): CertificationRequest {
  try {
    return parseRequest(pem);
  } catch (error) {
    if (error instanceof RequestError) throw new SigningError('CSR_ERROR', error.message);
    throw error;
  }
}

const summarize = (certificate: Certificate): CertificateSummary => ({
  subject: certificate.displayName,
  fingerprint: certificate.fingerprint,
  notBefore: certificate.notBefore,
  notAfter: certificate.notAfter,
});

/** `2160h0m1s`, as Go prints a duration of whole seconds. */
function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)}h${Math.floor(seconds / 60) % 60}m${seconds % 60}s`;
}
