import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { FieldPath } from '../config/object.ts';
import type { Resource } from './resource.ts';

/** A certificate and its key, in PEM, and the fields that have them. */
export interface CredentialPair {
  readonly certificate: string;
  readonly key: string;
  readonly certificatePath: FieldPath;
  readonly keyPath: FieldPath;
}

/** Why a secret is of no use. No value is part of it. */
export interface CredentialProblem {
  /** A clause. */
  readonly text: string;
  /** The field that it is about; undefined when it is about the secret. */
  readonly path: FieldPath | undefined;
}

/** Names under which secrets keep a certificate and its key: Istio's own, which come first, and Kubernetes'. */
const PAIR_KEYS = [
  ['cert', 'key'],
  ['tls.crt', 'tls.key'],
] as const;
const CA_KEYS = ['cacert', 'ca.crt'];

/** The pair that a gateway would use, or undefined when the secret has none. */
export function pairOf(secret: Resource<'Secret'>): CredentialPair | undefined {
  for (const [certificateKey, keyKey] of PAIR_KEYS) {
    const certificate = entryOf(secret, certificateKey);
    const key = entryOf(secret, keyKey);
    if (certificate?.text && key?.text) {
      return { certificate: certificate.text, key: key.text, certificatePath: certificate.path, keyPath: key.path };
    }
  }
  return undefined;
}

/** Why the certificate of a secret is of no use at this time, or undefined. */
export function certificateProblem(secret: Resource<'Secret'>, now: number): CredentialProblem | undefined {
  const pair = pairOf(secret);
  if (pair === undefined) return { text: 'it has neither tls.crt and tls.key nor cert and key', path: undefined };
  const path = pair.certificatePath;
  const certificate = parseCertificate(pair.certificate);
  if (certificate === undefined) return { text: 'its certificate is not a certificate in PEM', path };
  if (now > Date.parse(certificate.validTo))
    return { text: `its certificate expired on ${day(certificate.validTo)}`, path };
  if (now < Date.parse(certificate.validFrom))
    return { text: `its certificate is valid only from ${day(certificate.validFrom)}`, path };
  return undefined;
}

/** Why a key cannot be used with its certificate, or undefined. */
export function keyProblem(pair: CredentialPair): CredentialProblem | undefined {
  const certificate = parseCertificate(pair.certificate);
  if (certificate === undefined) return undefined;
  const path = pair.keyPath;
  try {
    const matches = certificate.checkPrivateKey(createPrivateKey(pair.key));
    return matches ? undefined : { text: 'its key does not belong to its certificate', path };
  } catch {
    return { text: 'its key is not a private key in PEM', path };
  }
}

/** Why certificates of clients cannot be held against a secret, or undefined. */
export function caProblem(secret: Resource<'Secret'>): CredentialProblem | undefined {
  const entry = CA_KEYS.map((key) => entryOf(secret, key)).find((found) => found?.text);
  if (entry === undefined) return { text: 'it has neither ca.crt nor cacert, which this mode needs', path: undefined };
  if (parseCertificate(entry.text) !== undefined) return undefined;
  return { text: 'its CA certificate is not a certificate in PEM', path: entry.path };
}

function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function day(date: string): string {
  return new Date(Date.parse(date)).toISOString().slice(0, 10);
}

function entryOf(
  { spec }: Resource<'Secret'>,
  key: string,
): { readonly text: string; readonly path: FieldPath } | undefined {
  const text = spec.stringData?.[key];
  if (text !== undefined) return { text, path: ['stringData', key] };
  const data = spec.data?.[key];
  return data === undefined ? undefined : { text: Buffer.from(data, 'base64').toString(), path: ['data', key] };
}
