import type { KeyObject } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.ts';
import { UserError } from '../../base/errors.ts';
import {
  formatWorkloadIdentity,
  isSameAccount,
  parseWorkloadIdentity,
  type WorkloadIdentity,
} from '../../base/spiffe.ts';
import { type Certificate, parseCertificates } from '../x509/certificate.ts';
import { verifyChain } from '../x509/chain.ts';
import { generatePrivateKey, type KeyType, privateKeyPem } from '../x509/keys.ts';
import { createRequest } from '../x509/request.ts';
import type { WorkloadCertificate } from './state.ts';

/** A certificate, and the trust bundle that came with it. */
export interface Issued {
  readonly certificate: WorkloadCertificate;
  readonly roots: string;
}

export interface IssueOptions {
  /** Sends a request, as `CsrClient.request` does. */
  readonly send: (csr: string, ttlMs: number) => Promise<readonly string[]>;
  /** Who this workload is: asked for, and insisted on in the answer. */
  readonly identity: WorkloadIdentity;
  /** ECDSA P-256 unless told. */
  readonly keyType?: KeyType;
  readonly clock?: Clock;
}

/** Far more than any chain, and few enough to verify. */
const MAX_TEXTS = 64;

/** Makes a new key, has it certified, and returns the result only if it is what a peer will accept from this workload. */
export async function issueCertificate(options: IssueOptions, ttlMs: number): Promise<Issued> {
  const { send, identity, keyType = 'ecdsa-p256', clock = systemClock } = options;
  const uri = formatWorkloadIdentity(identity);
  if (!uri) throw new UserError(`"${Object.values(identity).join('/')}" cannot be written as a SPIFFE ID.`);
  const key = await generatePrivateKey(keyType);
  const texts = await send(await createRequest(key, { uris: [uri] }), ttlMs);
  return acceptChain(texts, key, identity, clock.now());
}

/**
 * Checks an answer: the leaf has our key and is for our account, and verifies now, as a server's and as a client's, up to the
 * trust bundle, which is the last text. In which trust domain the account is, the authority says, as with istiod: a
 * workload that knows a former name of the mesh, now an alias, gets the new one. Throws a UserError that says what is wrong with it.
 */
export function acceptChain(texts: readonly string[], key: KeyObject, identity: WorkloadIdentity, now: number): Issued {
  if (texts.length < 2 || texts.length > MAX_TEXTS)
    throw new UserError(
      `The authority answered with ${texts.length} certificates, where a chain and a root should be.`,
    );
  const roots = parseCertificates(texts[texts.length - 1], 'The trust bundle from the authority');
  const chain = parseCertificates(texts.slice(0, -1).join(''), 'The chain from the authority');
  const [leaf, ...rest] = chain;
  if (!leaf.matches(key)) throw new UserError('The certificate from the authority is for another key.');
  const { uris } = leaf.extensions.subjectAltNames;
  const certified = uris.length === 1 ? parseWorkloadIdentity(uris[0]) : undefined;
  if (!certified || !isSameAccount(certified, identity))
    throw new UserError(
      `The certificate from the authority is for ${JSON.stringify(uris)}, and not for "${formatWorkloadIdentity(identity)}".`,
    );
  let root: Certificate | undefined;
  for (const purpose of ['server', 'client'] as const) {
    const { path, problem } = verifyChain(leaf, { intermediates: rest, roots, now, purpose });
    if (problem) throw new UserError(`The certificate from the authority does not verify: ${problem}.`);
    root = path?.at(-1);
  }
  return {
    certificate: {
      key: privateKeyPem(key),
      chain: toPem(chain.filter((c) => !roots.some((root) => root.equals(c)))),
      identity: uris[0],
      serial: leaf.serial,
      notBefore: leaf.notBefore,
      notAfter: Math.min(...[leaf, ...rest.filter((c) => !roots.some((r) => r.equals(c)))].map((c) => c.notAfter)),
      root: root?.pem,
    },
    roots: toPem(roots),
  };
}

const toPem = (certificates: readonly Certificate[]) => certificates.map((c) => c.pem).join('');
