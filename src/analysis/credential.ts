import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Resource } from './resource.ts';

/** A certificate and its key, in PEM. */
export interface CredentialPair {
  readonly certificate: string;
  readonly key: string;
}

/** Names under which secrets keep a certificate and its key: Kubernetes', and those of `kubectl create secret generic`. */
const PAIR_KEYS = [
  ['tls.crt', 'tls.key'],
  ['cert', 'key'],
] as const;

/** The pair that a gateway would use, or undefined when the secret has none. */
export function pairOf(secret: Resource<'Secret'>): CredentialPair | undefined {
  for (const [certificateKey, keyKey] of PAIR_KEYS) {
    const certificate = entryOf(secret, certificateKey);
    const key = entryOf(secret, keyKey);
    if (certificate && key) return { certificate, key };
  }
  return undefined;
}

/** Why the certificate of a secret is of no use at this time, as a clause, or undefined. No value is part of it. */
export function certificateProblem(secret: Resource<'Secret'>, now: number): string | undefined {
  const pair = pairOf(secret);
  if (pair === undefined) return 'it has neither tls.crt and tls.key nor cert and key';
  const certificate = parseCertificate(pair.certificate);
  if (certificate === undefined) return 'its certificate is not a certificate in PEM';
  if (now > Date.parse(certificate.validTo)) return `its certificate expired on ${day(certificate.validTo)}`;
  if (now < Date.parse(certificate.validFrom))
    return `its certificate is valid only from ${day(certificate.validFrom)}`;
  return undefined;
}

/** Why a key cannot be used with its certificate, as a clause, or undefined. */
export function keyProblem(pair: CredentialPair): string | undefined {
  const certificate = parseCertificate(pair.certificate);
  if (certificate === undefined) return undefined;
  try {
    const matches = certificate.checkPrivateKey(createPrivateKey(pair.key));
    return matches ? undefined : 'its key does not belong to its certificate';
  } catch {
    return 'its key is not a private key in PEM';
  }
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

function entryOf({ spec }: Resource<'Secret'>, key: string): string | undefined {
  const text = spec.stringData?.[key];
  if (text !== undefined) return text;
  const data = spec.data?.[key];
  return data === undefined ? undefined : Buffer.from(data, 'base64').toString();
}
