import crypto from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type CertificateValidationContext,
  CertificateValidationContext_TrustChainVerification as Verification,
} from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { SPIFFECertValidatorConfigSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { messageOf } from '../../base/errors.ts';
import { trustDomainProblem } from '../../base/spiffe.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { isSet, loadData } from '../config/load-data.ts';
import { Crl } from './crl.ts';
import { isCrl, pemBlocks } from './pem.ts';
import { type SanMatcher, sanMatchers } from './san-matcher.ts';
import type { TrustBundle, TrustBundles } from './trust.ts';

/** Whom a context admits: a CertificateValidationContext, with its files read. */
export interface PeerPolicy {
  /** Whether a server asks clients for a certificate. */
  readonly asks: boolean;
  /** Whether names, hashes or keys are checked, which nobody without a certificate can pass. */
  readonly requires: boolean;
  /** `trusted_ca`; undefined if chains are not verified, or by `spiffe`. */
  readonly trust: TrustBundle | undefined;
  /** Trust domain -> its bundle, for `envoy.tls.cert_validator.spiffe`. */
  readonly spiffe: ReadonlyMap<string, TrustBundle> | undefined;
  readonly acceptUntrusted: boolean;
  readonly allowExpired: boolean;
  /** Certificates above the peer's, the anchor included. */
  readonly maxDepth: number;
  readonly names: readonly SanMatcher[];
  /** Lower-case hexadecimal SHA-256 of certificates. */
  readonly hashes: ReadonlySet<string>;
  /** Base64 SHA-256 of public keys. */
  readonly keys: ReadonlySet<string>;
  /** Lists for OpenSSL, PEM, which checks every certificate of a chain. */
  readonly crls: readonly string[];
  /** Lists that are for the peer's own certificate only (`only_verify_leaf_cert_crl`). */
  readonly leafCrls: readonly Crl[];
  /** Whether its verdict needs the whole chain, which a resumed session no longer has. */
  readonly needsChain: boolean;
  /** Certificates for OpenSSL, PEM, or empty. */
  readonly anchorsPem: string;
  /** Stands for whom it trusts: sessions are resumed only under the same. */
  readonly trustDigest: string;
}

const UNLIMITED_DEPTH = 100;
const NONE: ReadonlySet<string> = new Set();
const setOf = (values: readonly string[]): ReadonlySet<string> => (values.length > 0 ? new Set(values) : NONE);

/** For contexts without a validation context: nobody is verified, as in Envoy. */
export const NO_POLICY: PeerPolicy = {
  asks: false,
  requires: false,
  trust: undefined,
  spiffe: undefined,
  acceptUntrusted: false,
  allowExpired: false,
  maxDepth: UNLIMITED_DEPTH,
  names: [],
  hashes: NONE,
  keys: NONE,
  crls: [],
  leafCrls: [],
  needsChain: false,
  anchorsPem: '',
  trustDigest: '',
};

/**
 * Reads a validation context, whole or a part that is yet to be merged with another. What cannot be honoured goes to
 * `errors`; the result then is not to be used.
 */
export function peerPolicy(
  proto: CertificateValidationContext,
  bundles: TrustBundles,
  errors: ConfigErrors,
  extent: 'whole' | 'part' = 'whole',
): PeerPolicy {
  const spiffe = proto.customValidatorConfig && spiffeBundles(proto, bundles, errors);
  const trust = loadTrust(proto, bundles, errors);
  const acceptUntrusted = proto.trustChainVerification === Verification.ACCEPT_UNTRUSTED;
  const names = sanMatchers(proto, errors);
  const hashes = setOf(proto.verifyCertificateHash.map((h, i) => hash(h, errors.at('verify_certificate_hash').at(i))));
  const keys = setOf(proto.verifyCertificateSpki.map((k, i) => spki(k, errors.at('verify_certificate_spki').at(i))));
  const lists = [...(trust?.crls ?? []), ...loadCrls(proto, errors)];
  if (extent === 'whole') checkCombination(proto, trust, spiffe, errors);

  const leafOnly = proto.onlyVerifyLeafCertCrl;
  const parsed = parseCrls(lists, errors);
  const leafCrls = leafOnly ? parsed : [];
  const crls = leafOnly ? [] : lists;
  const lax = proto.allowExpiredCertificate;
  if (lax && crls.length > 0) {
    errors.add('allow_expired_certificate', 'is supported together with crl only if only_verify_leaf_cert_crl is set');
  }
  const maxDepth = proto.maxVerifyDepth ?? UNLIMITED_DEPTH;
  const bundled = spiffe ? [...spiffe.values()] : trust ? [trust] : [];
  const trustDigest = crypto.hash(
    'sha256',
    JSON.stringify([spiffe ? [...spiffe.keys()] : null, bundled.map((b) => b.digest), lists, leafOnly, lax, maxDepth]),
    'base64',
  );
  const checksMore = names.length > 0 || hashes.size > 0 || keys.size > 0;
  return {
    asks: bundled.length > 0 || acceptUntrusted || checksMore,
    requires: checksMore && !acceptUntrusted,
    trust: spiffe ? undefined : trust,
    spiffe,
    acceptUntrusted,
    allowExpired: lax,
    maxDepth,
    names,
    hashes,
    keys,
    crls,
    leafCrls,
    needsChain: spiffe !== undefined || lax || leafCrls.length > 0 || maxDepth < UNLIMITED_DEPTH,
    anchorsPem: bundled.map((b) => b.pem).join(''),
    trustDigest,
  };
}

/** What would leave less verified than whoever wrote it believes. The first three are Envoy's, in its words. */
function checkCombination(
  proto: CertificateValidationContext,
  trust: TrustBundle | undefined,
  spiffe: unknown,
  errors: ConfigErrors,
): void {
  if (spiffe !== undefined) {
    for (const [field, set] of [
      ['trusted_ca', isSet(proto.trustedCa)],
      ['crl', isSet(proto.crl)],
      ['verify_certificate_hash', proto.verifyCertificateHash.length > 0],
      ['verify_certificate_spki', proto.verifyCertificateSpki.length > 0],
      ['max_verify_depth', proto.maxVerifyDepth !== undefined],
    ] as const) {
      if (set) errors.add(field, 'is not looked at by envoy.tls.cert_validator.spiffe');
    }
    return;
  }
  if (trust !== undefined || isSet(proto.trustedCa)) return;
  const names =
    proto.matchTypedSubjectAltNames.length > 0 ? 'match_typed_subject_alt_names' : 'match_subject_alt_names';
  if (proto.matchTypedSubjectAltNames.length > 0 || proto.matchSubjectAltNames.length > 0) {
    errors.add(names, 'SAN-based verification of peer certificates without trusted CA is insecure and not allowed');
  }
  if (isSet(proto.crl)) errors.add('crl', 'Failed to load CRL without trusted CA');
  if (proto.allowExpiredCertificate) {
    errors.add('allow_expired_certificate', 'Certificate validity period is always ignored without trusted CA');
  }
  if (proto.maxVerifyDepth !== undefined) errors.add('max_verify_depth', 'means nothing without trusted CA');
}

function loadTrust(
  { trustedCa }: CertificateValidationContext,
  bundles: TrustBundles,
  errors: ConfigErrors,
): TrustBundle | undefined {
  if (!isSet(trustedCa)) return undefined;
  try {
    const { bytes, origin } = loadData(trustedCa);
    return bundles.load(bytes, origin);
  } catch (error) {
    errors.add('trusted_ca', messageOf(error));
    return undefined;
  }
}

function loadCrls({ crl }: CertificateValidationContext, errors: ConfigErrors): string[] {
  if (!isSet(crl)) return [];
  try {
    const { bytes, origin } = loadData(crl);
    const lists = pemBlocks(bytes.toString('latin1')).filter(isCrl);
    if (lists.length === 0) throw new Error(`Failed to load CRL from ${origin}: it has no X509 CRL in PEM`);
    return lists.map((block) => block.text);
  } catch (error) {
    errors.add('crl', messageOf(error));
    return [];
  }
}

function parseCrls(lists: readonly string[], errors: ConfigErrors): Crl[] {
  try {
    return lists.map((text) => new Crl(pemBlocks(text)[0].der));
  } catch (error) {
    errors.add('crl', `cannot be read: ${messageOf(error)}`);
    return [];
  }
}

function spiffeBundles(
  { customValidatorConfig }: CertificateValidationContext,
  bundles: TrustBundles,
  errors: ConfigErrors,
): ReadonlyMap<string, TrustBundle> {
  const result = new Map<string, TrustBundle>();
  const at = errors.at('custom_validator_config');
  const config = customValidatorConfig?.typedConfig;
  if (config === undefined || typeNameOf(config.typeUrl) !== SPIFFECertValidatorConfigSchema.typeName) {
    at.add('', `${customValidatorConfig?.name} is not supported, only envoy.tls.cert_validator.spiffe is`);
    return result;
  }
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, config.value);
  const domains = at.at('typed_config').at('trust_domains');
  if (trustDomains.length === 0) domains.add('', 'at least one is needed');
  for (const [i, { name, trustBundle }] of trustDomains.entries()) {
    const problem = trustDomainProblem(name);
    if (problem) domains.at(i).add('name', problem);
    if (result.has(name)) {
      domains.at(i).add('name', `Multiple trust bundles are given for one trust domain for ${name}`);
    }
    try {
      if (!isSet(trustBundle)) throw new Error('is needed');
      const { bytes, origin } = loadData(trustBundle);
      result.set(name, bundles.load(bytes, origin));
    } catch (error) {
      domains.at(i).add('trust_bundle', messageOf(error));
    }
  }
  return result;
}

function hash(text: string, errors: ConfigErrors): string {
  const hex = (text.length === 95 ? text.replaceAll(':', '') : text).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) errors.add('', `Invalid hex-encoded SHA-256 ${text}`);
  return hex;
}

function spki(text: string, errors: ConfigErrors): string {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) errors.add('', `Invalid base64-encoded SHA-256 ${text}`);
  return text;
}
