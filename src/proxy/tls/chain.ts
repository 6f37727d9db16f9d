import type { X509Certificate } from 'node:crypto';
import { Certificate, KeyUsage } from './certificate.ts';
import type { PeerChain } from './peer-certificate.ts';
import { VerifyError } from './verify-errors.ts';

/** What is wrong with a chain, and with which of its certificates: 0 is the peer's own. */
export interface ChainProblem {
  readonly error: number;
  readonly depth: number;
  readonly certificate: Certificate;
}

export interface ChainRules {
  /** Trusted certificates; they need not be self-signed. */
  readonly anchors: readonly Certificate[];
  /** Milliseconds since 1970; undefined to take certificates of any time. */
  readonly now: number | undefined;
  /** What the peer presents its certificate as; undefined to leave key purposes alone. */
  readonly purpose: 'client' | 'server' | undefined;
  /** How many certificates may stand above the peer's, the anchor included; 0 is 1, as with BoringSSL. */
  readonly maxDepth: number;
  /**
   * Refuses what only OpenSSL evaluates, which is name constraints and critical extensions that we do not know. For
   * where OpenSSL's own verdict cannot be relied on.
   */
  readonly strict: boolean;
}

export type ChainVerdict =
  | { readonly path: readonly Certificate[]; readonly problem?: undefined }
  | { readonly path?: undefined; readonly problem: ChainProblem };

/** Bounds of one search: a peer can send certificates that make it explode. */
const MAX_PATH = 12;
const MAX_CANDIDATES = 32;
const MAX_SIGNATURES = 16;

const NAME_CONSTRAINTS = '2.5.29.30';
/** Basic constraints, key usage, extended key usage, subject alternative name. */
const KNOWN_CRITICAL: ReadonlySet<string> = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17']);
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_PURPOSE = '2.5.29.37.0';
const KEY_AGREEMENT = 0x08;

/**
 * Looks for a path from the peer's certificate to a trusted one, and says in BoringSSL's terms what is wrong if there
 * is none. Admission rests on OpenSSL's verdict; this explains that verdict, which Node passes on as one code without
 * a depth, and narrows it where a context has rules that Node cannot give to OpenSSL.
 */
export function verifyChain(peer: PeerChain, rules: ChainRules): ChainVerdict {
  const search: Search = { rules, others: readable(peer.others), candidates: 0, signatures: 0, problem: undefined };
  const path = extend(search, [peer.leaf]);
  return path ? { path } : { problem: search.problem ?? problem(VerifyError.UnableToGetIssuerLocally, 0, peer.leaf) };
}

interface Search {
  readonly rules: ChainRules;
  readonly others: readonly Certificate[];
  candidates: number;
  signatures: number;
  /** Of the first path that was tried to its end. */
  problem: ChainProblem | undefined;
}

const problem = (error: number, depth: number, certificate: Certificate): ChainProblem => ({
  error,
  depth,
  certificate,
});

function readable(certificates: readonly X509Certificate[]): Certificate[] {
  const list: Certificate[] = [];
  for (const x509 of certificates) {
    try {
      list.push(new Certificate(x509));
    } catch {
      // A certificate that cannot be read cannot be on the path; the search says what is missing.
    }
  }
  return list;
}

function extend(search: Search, path: readonly Certificate[]): readonly Certificate[] | undefined {
  const last = path[path.length - 1];
  const depth = path.length - 1;
  const { anchors, maxDepth } = search.rules;
  if (anchors.some((anchor) => anchor.sha256 === last.sha256)) {
    const found = pathProblem(path, search);
    if (found === undefined) return path;
    search.problem ??= found;
    return undefined;
  }
  let incomplete = true;
  if (depth < Math.min(Math.max(1, maxDepth), MAX_PATH)) {
    for (const candidate of [...anchors, ...search.others]) {
      if (path.some((c) => c.sha256 === candidate.sha256) || !last.x509.checkIssued(candidate.x509)) continue;
      if (++search.candidates > MAX_CANDIDATES) break;
      incomplete = false;
      const found = extend(search, [...path, candidate]);
      if (found) return found;
    }
  }
  if (incomplete) search.problem ??= problem(VerifyError.UnableToGetIssuerLocally, depth, last);
  return undefined;
}

/** The first thing wrong with a path that ends in an anchor, in BoringSSL's order: extensions, then signatures and time. */
function pathProblem(path: readonly Certificate[], search: Search): ChainProblem | undefined {
  const { rules } = search;
  let below = 0;
  for (const [depth, certificate] of path.entries()) {
    const error = extensionError(certificate, depth, below, path.length - 1, rules);
    if (error !== undefined) return problem(error, depth, certificate);
    if (depth > 0 && certificate.subject !== certificate.issuer) below++;
  }
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const certificate = path[depth];
    if (depth < path.length - 1) {
      if (++search.signatures > MAX_SIGNATURES) return problem(VerifyError.ChainTooLong, depth, certificate);
      if (!isSignedBy(certificate, path[depth + 1])) return problem(VerifyError.SignatureFailure, depth, certificate);
    }
    const { now } = rules;
    if (now === undefined) continue;
    if (now < certificate.validFrom) return problem(VerifyError.NotYetValid, depth, certificate);
    if (now > certificate.validTo) return problem(VerifyError.Expired, depth, certificate);
  }
  return undefined;
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.x509.verify(issuer.x509.publicKey);
  } catch {
    return false;
  }
}

/** `below`: authorities that stand between this certificate and the peer's. */
function extensionError(
  certificate: Certificate,
  depth: number,
  below: number,
  last: number,
  { purpose, strict }: ChainRules,
): number | undefined {
  if (strict) {
    if (certificate.extensions.has(NAME_CONSTRAINTS)) return VerifyError.UnsupportedConstraint;
    if (certificate.criticalExtensions.some((oid) => !KNOWN_CRITICAL.has(oid))) {
      return VerifyError.UnhandledCriticalExtension;
    }
  }
  const usage = certificate.keyUsage;
  if (depth > 0) {
    // Version 1 has no way to say CA:TRUE, so only being trusted can say it.
    const oldRoot = depth === last && certificate.extensions.size === 0;
    if (!certificate.ca && !oldRoot) return VerifyError.InvalidCa;
    if (usage !== undefined && !(usage & KeyUsage.KeyCertSign)) return VerifyError.InvalidCa;
    const limit = certificate.ca?.pathLength;
    if (limit !== undefined && below > limit) return VerifyError.PathLengthExceeded;
  }
  if (purpose === undefined) return undefined;
  const purposes = certificate.x509.keyUsage as readonly string[] | undefined;
  const wanted = purpose === 'server' ? SERVER_AUTH : CLIENT_AUTH;
  if (purposes && purposes.length > 0 && !purposes.includes(wanted) && !purposes.includes(ANY_PURPOSE)) {
    return VerifyError.InvalidPurpose;
  }
  if (depth === 0 && usage !== undefined) {
    const allowed = KeyUsage.DigitalSignature | KEY_AGREEMENT | (purpose === 'server' ? KeyUsage.KeyEncipherment : 0);
    if (!(usage & allowed)) return VerifyError.InvalidPurpose;
  }
  return undefined;
}
