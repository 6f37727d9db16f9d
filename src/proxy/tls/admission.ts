import { Alert } from './alerts.ts';
import { type Certificate, KeyUsage } from './certificate.ts';
import { type ChainVerdict, verifyChain } from './chain.ts';
import { boringSslError, tlsErrorReason } from './openssl-errors.ts';
import type { PeerChain } from './peer-certificate.ts';
import { anyNameMatcher, dnsMatcher, type SanMatcher } from './san-matcher.ts';
import type { VerifyStatistic } from './stats.ts';
import type { TrustBundle } from './trust.ts';
import type { PeerPolicy } from './validation.ts';
import { alertOfVerifyError, describeVerifyError, VerifyError, verifyErrorNumber } from './verify-errors.ts';

/** A handshake that OpenSSL has finished, as it stands before the one who is to judge it. */
export interface Candidate {
  /** What the peer is. */
  readonly peerRole: 'client' | 'server';
  readonly policy: PeerPolicy;
  /** Whether the peer has to have a certificate. */
  readonly certificateRequired: boolean;
  readonly peer: PeerChain | undefined;
  /** OpenSSL's verdict on the peer's chain, undefined if it is content; see `chainVerdict`. */
  readonly verdict: string | undefined;
  /** `TLSv1.3`. */
  readonly version: string;
  /** SANs that the request insists on, besides what the policy does. */
  readonly expectedNames: readonly string[];
  /** The server name that was sent, if it is to be the certificate's as well, instead of what the policy names. */
  readonly expectedServerName: string | undefined;
  /** Under TLS 1.2 as well. */
  readonly enforceRsaKeyUsage: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type Admission =
  | { readonly admitted: true; readonly validated: boolean }
  | ({ readonly admitted: false } & Refusal);

export interface Refusal {
  /** In the words of Envoy's transport failure reason. */
  readonly reason: string;
  readonly alert: Alert;
  /** The same for people, as the end of a sentence that begins with the certificate. */
  readonly why: string;
  readonly statistic: VerifyStatistic | undefined;
}

/** Codes of OpenSSL's that are all right where certificates of any time are taken. */
const TIME_VERDICTS: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
/** Envoy's SPIFFE validator leaves key purposes alone; OpenSSL has no way to. */
const PURPOSE_VERDICT = 'INVALID_PURPOSE';
/** Names of a certificate beyond these are counted, not listed: they are the peer's to choose. */
const MAX_NAMES_SHOWN = 20;

/**
 * Admits a peer, or says why not. Every TLS connection of the proxy goes through here, on either side, full handshakes
 * and resumed sessions alike, before a byte of it reaches anybody.
 */
export function admit(candidate: Candidate): Admission {
  const { peer, policy } = candidate;
  if (peer === undefined) return withoutCertificate(candidate);
  const early = candidate.version === 'TLSv1.3' ? keyUsageProblem(peer.leaf, candidate) : undefined;
  if (early) return early;

  const verifies = policy.trust !== undefined || policy.spiffe !== undefined;
  const chain = verifies ? chainRefusal(peer, candidate) : undefined;
  const refusal = chain ?? identityRefusal(peer.leaf, candidate);
  // What BoringSSL checks by itself is not subject to the policy.
  const late = refusal && !policy.acceptUntrusted ? undefined : keyUsageProblem(peer.leaf, candidate);
  if (late) return late;
  if (refusal === undefined) {
    const checked = policy.names.length + policy.hashes.size + policy.keys.size + candidate.expectedNames.length > 0;
    return { admitted: true, validated: verifies || checked };
  }
  return policy.acceptUntrusted ? { admitted: true, validated: false } : { admitted: false, ...refusal };
}

function withoutCertificate({ certificateRequired, peerRole, version }: Candidate): Admission {
  if (!certificateRequired) return { admitted: true, validated: false };
  // OpenSSL ends such a handshake itself. What comes here is a session that was made without, or a change in Node.
  return {
    admitted: false,
    reason: tlsErrorReason(
      `${boringSslError('PEER_DID_NOT_RETURN_A_CERTIFICATE')}:peer did not provide required ${peerRole} certificate`,
    ),
    alert: version === 'TLSv1.3' ? Alert.CertificateRequired : Alert.HandshakeFailure,
    why: 'there is none, and this side requires one',
    statistic: 'fail_verify_no_cert',
  };
}

const verifyFailed = (detail: string): string =>
  tlsErrorReason(`${boringSslError('CERTIFICATE_VERIFY_FAILED')}:verify cert failed: ${detail}`);

function refuse(
  detail: string,
  why: string,
  statistic: Refusal['statistic'],
  alert: Alert = Alert.CertificateUnknown,
): Refusal {
  return { reason: verifyFailed(detail), alert, why, statistic };
}

/** A key may only do what its certificate says (RFC 8446 section 4.4.2.2); BoringSSL insists on that. */
function keyUsageProblem(
  leaf: Certificate,
  { version, peerRole, enforceRsaKeyUsage }: Candidate,
): Admission | undefined {
  if (leaf.keyUsage === undefined || leaf.keyUsage & KeyUsage.DigitalSignature) return undefined;
  const rsa = leaf.x509.publicKey.asymmetricKeyType === 'rsa';
  if (version !== 'TLSv1.3' && rsa && peerRole === 'server' && !enforceRsaKeyUsage) return undefined;
  return {
    admitted: false,
    reason: tlsErrorReason(boringSslError('KEY_USAGE_BIT_INCORRECT')),
    alert: Alert.IllegalParameter,
    why: 'its key usage does not include digitalSignature',
    statistic: undefined,
  };
}

function chainRefusal(peer: PeerChain, candidate: Candidate): Refusal | undefined {
  const { policy, now } = candidate;
  const chain = policy.spiffe
    ? spiffeRefusal(peer, policy.spiffe, candidate)
    : trustRefusal(peer, policy.trust!, candidate);
  if (chain || policy.allowExpired) return chain;
  // For a resumed session OpenSSL's verdict is of the day when that was made.
  const { leaf } = peer;
  if (now < leaf.validFrom) return chainError(VerifyError.NotYetValid, 0, leaf);
  return now > leaf.validTo ? chainError(VerifyError.Expired, 0, leaf) : undefined;
}

function chainError(error: number, depth: number, certificate: Certificate): Refusal {
  const detail = describeVerifyError(error, depth);
  const about = depth === 0 ? 'it' : `"${certificate.displayName}" above it`;
  return refuse(detail, explainVerifyError(error, about, certificate), 'fail_verify_error', alertOfVerifyError(error));
}

const day = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function explainVerifyError(error: number, about: string, certificate: Certificate): string {
  switch (error) {
    case VerifyError.UnableToGetIssuerLocally:
      return `the issuer ${about === 'it' ? '' : `of ${about}, `}"${certificate.issuer}" is neither trusted nor sent along`;
    case VerifyError.Expired:
      return `${about} expired on ${day(certificate.validTo)}`;
    case VerifyError.NotYetValid:
      return `${about} is not valid before ${day(certificate.validFrom)}; are the clocks right?`;
    case VerifyError.SignatureFailure:
      return `${about} is not signed by the key of its issuer ${certificate.issuer}`;
    case VerifyError.Revoked:
      return `${about} is revoked`;
    default:
      return `${about} does not pass: ${describeVerifyError(error, 0).replace(/^.*depth 0: /, '')}`;
  }
}

/** Envoy's default validator: OpenSSL's verdict, and what Node cannot tell OpenSSL to look at. */
function trustRefusal(peer: PeerChain, trust: TrustBundle, candidate: Candidate): Refusal | undefined {
  const { policy, verdict, peerRole, now } = candidate;
  const rules = { anchors: trust.certificates, purpose: peerRole, maxDepth: policy.maxDepth };
  if (verdict === undefined) {
    // Contexts that need the chain resume no sessions; if one came all the same, its chain would be found wanting.
    if (!policy.needsChain) return undefined;
    const own = verifyChain(peer, { ...rules, now: policy.allowExpired ? undefined : now, strict: false });
    return problemOf(own) ?? leafCrlRefusal(peer.leaf, own, candidate);
  }
  if (policy.allowExpired && TIME_VERDICTS.has(verdict)) {
    // OpenSSL reports only the last thing it found: what else there may be is ours to find.
    const own = verifyChain(peer, { ...rules, now: undefined, strict: true });
    return problemOf(own) ?? leafCrlRefusal(peer.leaf, own, candidate);
  }
  const own = verifyChain(peer, { ...rules, now, strict: false });
  return problemOf(own) ?? chainError(verifyErrorNumber(verdict), 0, peer.leaf);
}

const problemOf = ({ problem }: ChainVerdict): Refusal | undefined =>
  problem && chainError(problem.error, problem.depth, problem.certificate);

/** `only_verify_leaf_cert_crl`. */
function leafCrlRefusal(leaf: Certificate, { path }: ChainVerdict, { policy, now }: Candidate): Refusal | undefined {
  if (policy.leafCrls.length === 0) return undefined;
  const list = policy.leafCrls.find((crl) => crl.isOf(leaf));
  const issuer = path?.[1] ?? leaf;
  const error = list ? list.check(leaf, issuer, policy.allowExpired ? undefined : now) : VerifyError.UnableToGetCrl;
  return error === undefined ? undefined : chainError(error, 0, leaf);
}

const SPIFFE_PREFIX = 'spiffe://';

/** Envoy's SPIFFE validator: the peer's trust domain decides whose signature counts. */
function spiffeRefusal(
  peer: PeerChain,
  bundles: ReadonlyMap<string, TrustBundle>,
  { policy, verdict, now }: Candidate,
): Refusal | undefined {
  const { leaf } = peer;
  const usage = leaf.keyUsage ?? 0;
  if (leaf.ca || usage & (KeyUsage.KeyCertSign | KeyUsage.CrlSign)) {
    return refuse('cert precheck', 'it is a certificate authority, which no workload may be', 'fail_verify_error');
  }
  const ids = leaf.namesOf('uri');
  // X.509-SVID section 2: exactly one. With two, one authority could speak for the trust domain of another.
  const bundle = ids.length === 1 && ids[0].startsWith(SPIFFE_PREFIX) ? bundles.get(ids[0].split('/')[2]) : undefined;
  if (bundle === undefined) {
    const why =
      ids.length === 1
        ? `its trust domain is none of ${[...bundles.keys()].join(', ')}`
        : `it has ${ids.length} URI names where a SPIFFE certificate has one`;
    return refuse('no trust bundle store', why, 'fail_verify_error');
  }
  const ignoreTime = policy.allowExpired;
  const trusted = verdict === undefined || verdict === PURPOSE_VERDICT || (ignoreTime && TIME_VERDICTS.has(verdict));
  const own = verifyChain(peer, {
    anchors: bundle.certificates,
    now: ignoreTime ? undefined : now,
    purpose: undefined,
    maxDepth: policy.maxDepth,
    // With a single bundle and no complaint OpenSSL has walked the same path, name constraints and all.
    strict: verdict !== undefined || bundles.size > 1,
  });
  const problem = problemOf(own) ?? (trusted ? undefined : chainError(verifyErrorNumber(verdict), 0, leaf));
  return problem && { ...problem, alert: Alert.CertificateUnknown };
}

/** Names, then hashes. */
function identityRefusal(leaf: Certificate, candidate: Candidate): Refusal | undefined {
  const { policy, expectedNames, expectedServerName } = candidate;
  // The SPIFFE validator looks at URIs only.
  const names = policy.spiffe ? leaf.names.filter((name) => name.type === 'uri') : leaf.names;
  const matchesAny = (matchers: readonly SanMatcher[]) => matchers.some((m) => names.some((name) => m.matches(name)));
  const shown = leaf.names.slice(0, MAX_NAMES_SHOWN).map((name) => name.value);
  if (leaf.names.length > MAX_NAMES_SHOWN) shown.push(`and ${leaf.names.length - MAX_NAMES_SHOWN} more`);
  const presented = `[${shown.join(', ')}]`;

  if (expectedNames.length > 0 && !matchesAny(expectedNames.map(anyNameMatcher))) {
    return refuse(
      `verify SAN list, expected SANs: [${expectedNames.join(', ')}], certificate SANs: ${presented}`,
      `none of its names ${presented} is ${expectedNames.join(' or ')}, which the request insists on`,
      'fail_verify_san',
    );
  }
  const serverName = expectedServerName && expectedNames.length === 0 ? [dnsMatcher(expectedServerName)] : undefined;
  const matchers = serverName ?? policy.names;
  if (matchers.length > 0 && !matchesAny(matchers)) {
    return refuse(
      policy.spiffe ? 'SAN match' : `SAN matcher, certificate SANs are ${presented}`,
      `none of its names ${presented} is what is expected: ${matchers.map((m) => m.description).join(', or ')}`,
      'fail_verify_san',
    );
  }
  const { hashes, keys } = policy;
  if (hashes.size + keys.size > 0 && !hashes.has(leaf.sha256) && !keys.has(leaf.spkiSha256)) {
    return refuse(
      'cert hash and spki',
      `neither its hash ${leaf.sha256} nor that of its key, ${leaf.spkiSha256}, is among those expected`,
      'fail_verify_cert_hash',
      Alert.BadCertificateHashValue,
    );
  }
  return undefined;
}
