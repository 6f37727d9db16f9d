import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { keyPairJson } from './harness.test.ts';
import { type Made, makeCrl, type PkiName, testPki } from './pki.test.ts';

/** Clients that must not get in, and what they are told: the same table for us and for Envoy. */

const pki = await testPki();

export const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
export type Version = (typeof VERSIONS)[number];

export const ALERTS = {
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  decrypt_error: 51,
  protocol_version: 70,
  bad_certificate_hash_value: 114,
  certificate_required: 116,
};
export type AlertName = keyof typeof ALERTS;
/** As `visit` calls it. */
export const alert = (name: AlertName): string => `alert ${ALERTS[name]}`;

export const trust = (made: Made): JsonObject => ({ trusted_ca: { inline_string: made.ownPem } });
/** A DownstreamTlsContext with a certificate. */
export const context = (common: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  ...more,
  common_tls_context: { tls_certificates: [keyPairJson(pki.server)], ...common },
});
/** One that asks for a certificate, too. */
export const mutual = (validation: JsonObject, more: JsonObject = {}): JsonObject =>
  context({ validation_context: validation }, { require_client_certificate: true, ...more });

export const named: JsonObject = {
  match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/a/sa/client' } }],
};
export const exactly: JsonObject = { ...trust(pki.root), ...named };
export const revoking = async (): Promise<JsonObject> => ({
  ...trust(pki.root),
  crl: { inline_string: await makeCrl(pki.root, [pki.wrongId]) },
});
export const SPIFFE_DOMAINS: JsonObject = {
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      trust_domains: [
        { name: 'cluster.local', trust_bundle: { inline_string: pki.root.ownPem } },
        { name: 'other.example', trust_bundle: { inline_string: pki.other.ownPem } },
      ],
    },
  },
};

export interface Attack {
  readonly name: string;
  readonly validation: JsonObject;
  readonly made: PkiName | undefined;
  readonly alerts: Readonly<Record<Version, AlertName>>;
  /** What Envoy does, where it is not the same. */
  readonly envoy?: 'admits' | 'says more';
}

export async function attacks(): Promise<Attack[]> {
  const crl = await revoking();
  const attack = (
    name: string,
    validation: JsonObject,
    made: PkiName | undefined,
    alerts: AlertName | readonly [AlertName, AlertName],
    envoy?: Attack['envoy'],
  ): Attack => ({
    name,
    validation,
    made,
    alerts:
      typeof alerts === 'string'
        ? { 'TLSv1.2': alerts, 'TLSv1.3': alerts }
        : { 'TLSv1.2': alerts[0], 'TLSv1.3': alerts[1] },
    envoy,
  });
  return [
    attack('no certificate', exactly, undefined, ['handshake_failure', 'certificate_required']),
    attack('another root', exactly, 'otherRoot', 'unknown_ca'),
    attack('expired', exactly, 'expired', 'certificate_expired'),
    attack('not yet valid', exactly, 'notYet', 'certificate_expired'),
    attack('another identity', exactly, 'wrongId', 'certificate_unknown'),
    attack('another trust domain', exactly, 'wrongDomain', 'certificate_unknown'),
    attack('no identity', exactly, 'noNames', 'certificate_unknown'),
    attack('self-signed', exactly, 'selfSigned', 'unknown_ca'),
    attack('intermediate missing', exactly, 'noIntermediate', 'unknown_ca'),
    attack('intermediate expired', exactly, 'oldIntermediate', 'certificate_expired'),
    attack('leaf used as authority', exactly, 'leafAsCa', 'unknown_ca'),
    attack('chain too long for its authority', exactly, 'pathLength', 'unknown_ca'),
    attack('name constraints', exactly, 'constrainedName', 'certificate_unknown'),
    attack('certificate for servers', exactly, 'serverOnly', 'unsupported_certificate'),
    attack('key that may not sign', exactly, 'cannotSign', ['unsupported_certificate', 'illegal_parameter']),
    attack('unknown critical extension', exactly, 'critical', 'certificate_unknown'),
    // BoringSSL's queue has what its ECDSA found before.
    attack('forged signature', exactly, 'forged', 'decrypt_error', 'says more'),
    attack('revoked', crl, 'wrongId', 'certificate_revoked'),
    attack('no list for the intermediate', crl, 'withIntermediate', 'unknown_ca'),
    attack('another hash', { verify_certificate_hash: ['00'.repeat(32)] }, 'good', 'bad_certificate_hash_value'),
    attack('SPIFFE: signed by another domain', SPIFFE_DOMAINS, 'otherRoot', 'certificate_unknown'),
    // An authority of one trust domain could speak for another that way.
    attack('SPIFFE: two domains', SPIFFE_DOMAINS, 'twoDomains', 'certificate_unknown', 'admits'),
    attack('SPIFFE: nobody knows the domain', SPIFFE_DOMAINS, 'wrongDomain', 'certificate_unknown'),
  ];
}

test('no two attacks have one name', async () => {
  const names = (await attacks()).map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
