import type { Certificate } from './certificate.ts';
import { KeyUsage } from './extensions.ts';
import { nameConstraintsProblem } from './name-constraints.ts';
import { Oid, WEAK_SIGNATURES } from './oids.ts';

export interface ChainOptions {
  /** Certificates that may stand between leaf and root, in any order. */
  readonly intermediates: readonly Certificate[];
  /** Trust anchors. */
  readonly roots: readonly Certificate[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What the leaf is presented as; every extended key usage on the way must allow it. Anything if left out. */
  readonly purpose?: 'server' | 'client';
}

/** A path from the leaf to a trust anchor, both included; or why there is none. */
export type ChainVerdict =
  | { readonly path: readonly Certificate[]; readonly problem?: undefined }
  | { readonly path?: undefined; readonly problem: string };

/** Longest path, and the most signatures that one verdict may cost: cross-signed bundles can be made to explode. */
const MAX_PATH = 10;
const MAX_SIGNATURES = 100;

/**
 * Builds and validates a path (RFC 5280 section 6.1): signatures, dates, CA flag, keyCertSign, path length, name
 * constraints, key purposes, and no critical extension that is not understood. Policies and revocation are not looked at.
 */
export function verifyChain(leaf: Certificate, options: ChainOptions): ChainVerdict {
  const search: Search = { ...options, signatures: 0, problem: undefined };
  const path = extend(search, [leaf]);
  return path ? { path } : { problem: search.problem ?? 'no path to a trusted root was found' };
}

interface Search extends ChainOptions {
  signatures: number;
  /** The problem of the path that came furthest. */
  problem: string | undefined;
}

/** Depth first over every possible issuer of the last certificate, so that one bad candidate does not hide a good one. */
function extend(search: Search, path: Certificate[]): Certificate[] | undefined {
  const last = path[path.length - 1];
  const problem = certificateProblem(last, path, search);
  if (problem) {
    search.problem = problem;
    return undefined;
  }
  if (search.roots.some((root) => root.equals(last))) return path;
  if (WEAK_SIGNATURES.has(last.signatureAlgorithm)) {
    search.problem = `"${last.displayName}" is signed with MD5 or SHA-1, which proves nothing`;
    return undefined;
  }
  if (path.length === MAX_PATH) {
    search.problem = `the chain is longer than ${MAX_PATH} certificates`;
    return undefined;
  }
  const candidates = [...search.roots, ...search.intermediates].filter(
    (c) => couldHaveIssued(c, last) && !path.some((p) => p.equals(c)),
  );
  let reached = false;
  for (const candidate of candidates) {
    if (++search.signatures > MAX_SIGNATURES) {
      search.problem = `no valid chain was found within ${MAX_SIGNATURES} signatures`;
      return undefined;
    }
    if (!last.isSignedBy(candidate)) {
      if (!reached) search.problem = `"${last.displayName}" is not signed by the key of "${candidate.displayName}"`;
      continue;
    }
    reached = true;
    const found = extend(search, [...path, candidate]);
    if (found) return found;
  }
  if (candidates.length === 0)
    search.problem = last.selfIssued
      ? `"${last.displayName}" is self-signed and is not a trusted root`
      : `the issuer "${last.issuerName}" of "${last.displayName}" is not among the given certificates`;
  return undefined;
}

function couldHaveIssued(issuer: Certificate, subject: Certificate): boolean {
  if (Buffer.compare(issuer.subject, subject.issuer) !== 0) return false;
  const wanted = subject.extensions.authorityKeyIdentifier;
  const has = issuer.extensions.subjectKeyIdentifier;
  return wanted === undefined || has === undefined || wanted === has;
}

function certificateProblem(
  certificate: Certificate,
  path: readonly Certificate[],
  search: Search,
): string | undefined {
  const name = `"${certificate.displayName}"`;
  const { extensions } = certificate;
  if (search.now < certificate.notBefore) return `${name} is not valid before ${formatTime(certificate.notBefore)}`;
  if (search.now > certificate.notAfter) return `${name} expired on ${formatTime(certificate.notAfter)}`;
  if (extensions.unknownCritical.length > 0)
    return `${name} has the critical extension ${extensions.unknownCritical[0]}, which is not supported`;
  if (path.length > 1) {
    const problem = issuerProblem(certificate, path, search.roots);
    if (problem) return problem;
  }
  const allowed = extensions.extendedKeyUsage;
  const purpose = search.purpose && (search.purpose === 'server' ? Oid.serverAuth : Oid.clientAuth);
  if (purpose && allowed && !allowed.includes(purpose) && !allowed.includes(Oid.anyExtendedKeyUsage))
    return `the extended key usage of ${name} does not allow it for a TLS ${search.purpose}`;
  return undefined;
}

/** Why the last certificate of a path cannot have issued the one before it. */
function issuerProblem(
  issuer: Certificate,
  path: readonly Certificate[],
  roots: readonly Certificate[],
): string | undefined {
  const name = `"${issuer.displayName}"`;
  const { basicConstraints, keyUsage, nameConstraints } = issuer.extensions;
  // Version 1 has no way to say CA:TRUE, so only being a trust anchor can say it.
  const oldRoot = issuer.version === 1 && roots.some((root) => root.equals(issuer));
  if (!basicConstraints?.ca && !oldRoot) return `${name} is not a certificate authority (CA:TRUE is missing)`;
  if (keyUsage !== undefined && !(keyUsage & KeyUsage.KeyCertSign))
    return `the key usage of ${name} does not include keyCertSign`;
  const below = path.slice(1, -1).filter((c) => !c.selfIssued).length;
  if (basicConstraints?.pathLength !== undefined && below > basicConstraints.pathLength)
    return `the path length of ${name} allows ${basicConstraints.pathLength} authorities below it, and there are ${below}`;
  if (nameConstraints) {
    for (const [i, certificate] of path.slice(0, -1).entries()) {
      if (i > 0 && certificate.selfIssued) continue;
      const forbidden = nameConstraintsProblem(
        nameConstraints,
        certificate.extensions.subjectAltNames,
        certificate.subjectName === '',
      );
      if (forbidden) return `the name constraints of ${name} do not permit ${forbidden}`;
    }
  }
  return undefined;
}

/** `2030-01-01 00:00:00 UTC`. */
export const formatTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
