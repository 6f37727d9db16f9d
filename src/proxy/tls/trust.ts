import crypto from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import { Certificate } from './certificate.ts';
import { isCertificate, isCrl, pemBlocks } from './pem.ts';

/** Certificates that a context trusts, as a PEM bundle. */
export interface TrustBundle {
  /** `<inline>`, or the path of the file. */
  readonly origin: string;
  /** The certificates of the bundle, PEM. */
  readonly pem: string;
  /** PEM of each revocation list in it. */
  readonly crls: readonly string[];
  /** SHA-256 of certificates and lists. */
  readonly digest: string;
  readonly certificates: readonly Certificate[];
}

/**
 * Trust bundles by their text: thousands of clusters have the same one. Holds as many as a mesh has, and not more.
 */
export class TrustBundles {
  readonly #bundles = new Map<string, TrustBundle>();
  readonly #limit: number;

  constructor(limit = 64) {
    this.#limit = limit;
  }

  /** Reads a bundle. Throws, in Envoy's words and with the reason, if it holds no certificate or anything that is broken. */
  load(bytes: Buffer, origin: string): TrustBundle {
    const key = `${crypto.hash('sha256', bytes, 'base64')} ${origin}`;
    let bundle = this.#bundles.get(key);
    if (bundle === undefined) {
      bundle = readBundle(bytes.toString('latin1'), origin);
      if (this.#bundles.size >= this.#limit) this.#bundles.delete(this.#bundles.keys().next().value!);
    } else {
      this.#bundles.delete(key);
    }
    this.#bundles.set(key, bundle);
    return bundle;
  }
}

function readBundle(text: string, origin: string): TrustBundle {
  const failed = (why: string) => new Error(`Failed to load trusted CA certificates from ${origin}: ${why}`);
  const certificates: Certificate[] = [];
  const crls: string[] = [];
  let pem = '';
  try {
    for (const block of pemBlocks(text)) {
      if (isCrl(block)) crls.push(block.text);
      if (!isCertificate(block)) continue;
      const certificate = Certificate.fromDer(block.der);
      certificates.push(certificate);
      pem += certificate.pem;
    }
  } catch (error) {
    throw failed(messageOf(error));
  }
  if (certificates.length === 0) throw failed('it has no certificate in PEM');
  return { origin, pem, crls, certificates, digest: crypto.hash('sha256', pem + crls.join(''), 'base64') };
}
