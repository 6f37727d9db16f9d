import type { Refusal } from './admission.ts';
import { alertName } from './alerts.ts';
import type { KeyPair } from './key-pair.ts';
import { boringSslError, describeTlsError, tlsErrorReason, transportFailureReason } from './openssl-errors.ts';
import type { PeerChain } from './peer-certificate.ts';
import type { TlsFailure } from './transport.ts';
import type { PeerPolicy } from './validation.ts';

/** What a handshake was about, for people. */
export interface HandshakeFacts {
  readonly peerRole: 'client' | 'server';
  readonly sni: string;
  /** Protocols that the client offered. */
  readonly alpn: readonly string[];
  /** The certificate of this side, if it has one. */
  readonly own: KeyPair | undefined;
  readonly policy: PeerPolicy;
}

/** Parts of both come from the peer. */
const MAX_LENGTH = 4096;

const bounded = (text: string): string => (text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}...` : text);

function failure(reason: string, explanation: string): TlsFailure {
  return { reason: bounded(reason), explanation: bounded(explanation), secretsMissing: false };
}

/** The context has no secrets yet, or none that it can use; `complaint` says why not. */
export const secretsMissing = (names: readonly string[], complaint: string): TlsFailure => ({
  reason: 'TLS error: Secret is not supplied by SDS',
  explanation: bounded(
    names.length > 0
      ? `no TLS yet: waiting for the secret ${names.join(', ')}.`
      : `no TLS: the secrets that came do not go with the configuration (${complaint}).`,
  ),
  secretsMissing: true,
});

/** The peer's certificate was not admitted. */
export function refused(
  refusal: Refusal,
  peer: PeerChain | undefined,
  version: string,
  facts: HandshakeFacts,
): TlsFailure {
  const parts = [`the certificate of the ${facts.peerRole} is refused: ${refusal.why}`];
  if (peer) parts.push(`it presented ${describePeer(peer)}`);
  parts.push(describeTrust(facts.policy), ...describeHandshake(facts));
  parts.push(`${version}, told ${alertName(refusal.alert)}`);
  return failure(refusal.reason, `${parts.join('; ')}.`);
}

/** The handshake itself failed, at our end or the peer's. */
export function handshakeFailed(error: Error, facts: HandshakeFacts): TlsFailure {
  const parts = [`TLS with the ${facts.peerRole} failed: ${describeTlsError(error)}`, ...describeHandshake(facts)];
  return failure(transportFailureReason(error), `${parts.join('; ')}.`);
}

/** The peer went away while shaking hands, about which Envoy has no words. */
export function abandoned(facts: HandshakeFacts): TlsFailure {
  const parts = [`the ${facts.peerRole} closed the connection during the TLS handshake`, ...describeHandshake(facts)];
  return failure('', `${parts.join('; ')}.`);
}

/** The peer's certificate, or our own judging of it, broke down: that admits nobody. */
export function defect(why: string, facts: HandshakeFacts): TlsFailure {
  const reason = tlsErrorReason(boringSslError('CERTIFICATE_VERIFY_FAILED'));
  return failure(reason, `the certificate of the ${facts.peerRole} could not be judged: ${why}.`);
}

function describePeer({ leaf, others }: PeerChain): string {
  const names = leaf.names.slice(0, 5).map((name) => `${name.type.toUpperCase()} ${name.value}`);
  const sent = others.length === 0 ? 'alone' : `with ${others.length} more`;
  return (
    `"${leaf.subject}"${names.length > 0 ? ` (${names.join(', ')})` : ''} issued by "${leaf.issuer}", SHA-256 ${leaf.sha256}, ` +
    `valid from ${new Date(leaf.validFrom).toISOString()} to ${new Date(leaf.validTo).toISOString()}, sent ${sent}`
  );
}

function describeTrust({ trust, spiffe }: PeerPolicy): string {
  const bundles = spiffe ? [...spiffe] : trust ? [['', trust] as const] : [];
  if (bundles.length === 0) return 'this side trusts no authority';
  const shown = bundles.flatMap(([domain, bundle]) =>
    bundle.certificates.map((c) => `${domain === '' ? '' : `for ${domain} `}"${c.subject}" SHA-256 ${c.sha256}`),
  );
  const more = shown.length > 5 ? ` and ${shown.length - 5} more` : '';
  return `this side trusts ${shown.slice(0, 5).join(', ')}${more}`;
}

function describeHandshake({ own, sni, alpn, peerRole }: HandshakeFacts): string[] {
  const parts: string[] = [];
  if (own) parts.push(`this side is "${own.leaf.displayName}" issued by "${own.leaf.issuer}"`);
  else if (peerRole === 'server') parts.push('this side has no certificate');
  parts.push(sni === '' ? 'no server name' : `server name ${sni}`);
  parts.push(alpn.length === 0 ? 'no ALPN' : `ALPN ${alpn.slice(0, 10).join(',')}`);
  return parts;
}
