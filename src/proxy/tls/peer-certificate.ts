import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '../net/connection.ts';
import { Certificate } from './certificate.ts';

/** Chains are looked at this far; real ones have two or three certificates. */
const MAX_CHAIN = 16;

/** What a peer presented. */
export interface PeerChain {
  readonly leaf: Certificate;
  /** What it sent along, in its order. Empty where a session was resumed: a ticket keeps the leaf alone. */
  readonly others: readonly X509Certificate[];
}

/**
 * Certificates of admitted peers by what they are, so that a peer that comes a thousand times is read once. Those that
 * were not seen for longest go first.
 */
export class PeerCertificates {
  readonly #entries = new Map<string, PeerFacts>();
  readonly #limit: number;

  constructor(limit = 1024) {
    this.#limit = limit;
  }

  /** Throws if the certificate cannot be read. */
  read(x509: X509Certificate): PeerChain {
    const others: X509Certificate[] = [];
    for (let next = x509.issuerCertificate; next !== undefined && others.length < MAX_CHAIN; ) {
      others.push(next);
      next = next.issuerCertificate;
    }
    const known = this.#entries.get(keyOf(x509, others, true)) ?? this.#entries.get(keyOf(x509, others, false));
    return { leaf: known?.leaf ?? new Certificate(x509), others };
  }

  /** The facts of a peer that was admitted. */
  facts({ leaf, others }: PeerChain, validated: boolean): PeerCertificate {
    const key = keyOf(leaf.x509, others, validated);
    let facts = this.#entries.get(key);
    if (facts === undefined) {
      facts = new PeerFacts(leaf, others, validated);
      if (this.#entries.size >= this.#limit) this.#entries.delete(this.#entries.keys().next().value!);
    } else {
      this.#entries.delete(key);
    }
    this.#entries.set(key, facts);
    return facts;
  }
}

function keyOf(x509: X509Certificate, others: readonly X509Certificate[], validated: boolean): string {
  let key = x509.fingerprint256;
  for (const other of others) key += other.fingerprint256;
  return validated ? key : `${key}?`;
}

class PeerFacts implements PeerCertificate {
  readonly leaf: Certificate;
  readonly sha256: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  readonly validFrom: number;
  readonly validTo: number;
  readonly validated: boolean;
  readonly #others: readonly X509Certificate[];
  #pem: string | undefined;
  #chainPem: string | undefined;

  constructor(leaf: Certificate, others: readonly X509Certificate[], validated: boolean) {
    this.leaf = leaf;
    this.sha256 = leaf.sha256;
    this.serial = leaf.serial;
    this.subject = leaf.subject;
    this.issuer = leaf.issuer;
    this.uriSans = leaf.namesOf('uri');
    this.dnsSans = leaf.namesOf('dns');
    this.ipSans = leaf.namesOf('ip');
    this.emailSans = leaf.namesOf('email');
    this.validFrom = leaf.validFrom;
    this.validTo = leaf.validTo;
    this.validated = validated;
    this.#others = others;
  }

  pem(): string {
    this.#pem ??= urlEncode(this.leaf.pem);
    return this.#pem;
  }

  chainPem(): string {
    this.#chainPem ??= this.pem() + this.#others.map((c) => urlEncode(c.toString())).join('');
    return this.#chainPem;
  }
}

/** PEM as Envoy puts it into headers. */
function urlEncode(pem: string): string {
  return pem.replace(/[\n+/= ]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
