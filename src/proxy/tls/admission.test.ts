import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { CertificateValidationContextSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { registry } from '../../api/registry.ts';
import { ConfigErrors } from '../config/errors.ts';
import { type Admission, admit, type Candidate } from './admission.ts';
import { alertName } from './alerts.ts';
import { PeerCertificates } from './peer-certificate.ts';
import { type Made, make, makeCrl, type PkiName, spiffe, testPki } from './pki.test.ts';
import { TrustBundles } from './trust.ts';
import { NO_POLICY, type PeerPolicy, peerPolicy } from './validation.ts';

const pki = await testPki();

function policy(json: JsonObject): PeerPolicy {
  const errors = new ConfigErrors();
  const proto = fromJson(CertificateValidationContextSchema, json, { registry });
  const result = peerPolicy(proto, new TrustBundles(), errors);
  assert.equal(errors.toString(), '');
  return result;
}

/** A peer as it stands after a handshake; the chain is linked as Node links what a peer sent. */
function peerOf(made: Made) {
  const peer = new PeerCertificates().read(new X509Certificate(made.der));
  const along = made.pem.split(/(?<=-----END CERTIFICATE-----\n)/).slice(1);
  return { leaf: peer.leaf, others: along.map((pem) => new X509Certificate(pem)) };
}

function judge(made: Made | undefined, peerPolicy: PeerPolicy, more: Partial<Candidate> = {}): Admission {
  return admit({
    peerRole: 'client',
    policy: peerPolicy,
    certificateRequired: true,
    peer: made && peerOf(made),
    verdict: undefined,
    version: 'TLSv1.3',
    expectedNames: [],
    expectedServerName: undefined,
    enforceRsaKeyUsage: false,
    now: Date.now(),
    ...more,
  });
}

/** `ok`, `ok unvalidated`, or the alert with what Envoy would say behind its usual beginning. */
function outcome(admission: Admission): string {
  if (admission.admitted) return admission.validated ? 'ok' : 'ok unvalidated';
  const said = admission.reason
    .replace('TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ', '')
    .replace('X509_verify_cert: certificate verification error at depth ', '')
    .replace(/:TLS_error_end$/, '');
  return `${alertName(admission.alert)} ${said}`;
}

const trusted = { trusted_ca: { inline_string: pki.root.ownPem } };
const client = { san_type: 'URI', matcher: { exact: 'spiffe://cluster.local/ns/a/sa/client' } };
const SPIFFE_TYPE = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
const spiffeValidator = (domains: Record<string, Made>): JsonObject => ({
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: {
      '@type': SPIFFE_TYPE,
      trust_domains: Object.entries(domains).map(([name, ca]) => ({
        name,
        trust_bundle: { inline_string: ca.ownPem },
      })),
    },
  },
});

test('what OpenSSL finds is final, whatever our own search says of the chain', () => {
  const p = policy(trusted);
  assert.equal(outcome(judge(pki.good, p)), 'ok');
  const codes: [string, string][] = [
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'unknown_ca 0: unable to get local issuer certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unknown_ca 0: unable to verify the first certificate'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'unknown_ca 0: self signed certificate'],
    ['CERT_HAS_EXPIRED', 'certificate_expired 0: certificate has expired'],
    [
      'CERT_REVOKED',
      'certificate_revoked 0: certificate revocation check against provided CRLs failed: certificate revoked',
    ],
    [
      'UNABLE_TO_GET_CRL',
      'unknown_ca 0: certificate revocation check against provided CRLs failed: unable to get certificate CRL',
    ],
    ['permitted subtree violation', 'certificate_unknown 0: permitted subtree violation'],
    ['UNSPECIFIED', 'certificate_unknown 0: unknown certificate verification error'],
    ['A_CODE_OF_THE_FUTURE', 'certificate_unknown 0: unknown certificate verification error'],
  ];
  for (const [verdict, expected] of codes) assert.equal(outcome(judge(pki.good, p, { verdict })), expected, verdict);
});

test('our own search finds what OpenSSL found, and at which depth', () => {
  const p = policy(trusted);
  const table: [PkiName, string][] = [
    ['otherRoot', 'unknown_ca 0: unable to get local issuer certificate'],
    ['selfSigned', 'unknown_ca 0: unable to get local issuer certificate'],
    ['noIntermediate', 'unknown_ca 0: unable to get local issuer certificate'],
    ['leafAsCa', 'unknown_ca 0: unable to get local issuer certificate'],
    ['expired', 'certificate_expired 0: certificate has expired'],
    ['notYet', 'certificate_expired 0: certificate is not yet valid'],
    ['oldIntermediate', 'certificate_expired 1: certificate has expired'],
    ['pathLength', 'unknown_ca 2: path length constraint exceeded'],
    ['serverOnly', 'unsupported_certificate 0: unsupported certificate purpose'],
    ['forged', 'decrypt_error 0: certificate signature failure'],
  ];
  for (const [name, expected] of table) {
    assert.equal(outcome(judge(pki[name], p, { verdict: 'UNSPECIFIED' })), expected, name);
  }
});

test('a session that is resumed has its certificate judged by today', () => {
  const now = Date.now() + 400 * 86_400_000;
  assert.match(outcome(judge(pki.good, policy(trusted), { now })), /^certificate_expired 0: certificate has expired/);
  assert.match(outcome(judge(pki.good, policy(trusted), { now: 0 })), /^certificate_expired 0: .* not yet valid/);
});

test('no certificate', () => {
  const p = policy(trusted);
  assert.match(
    outcome(judge(undefined, p)),
    /^certificate_required .*peer did not provide required client certificate/,
  );
  assert.match(outcome(judge(undefined, p, { version: 'TLSv1.2' })), /^handshake_failure /);
  assert.equal(outcome(judge(undefined, p, { certificateRequired: false })), 'ok unvalidated');
});

test('contexts that verify nobody', () => {
  assert.equal(outcome(judge(pki.selfSigned, NO_POLICY)), 'ok unvalidated');
  assert.equal(outcome(judge(pki.otherRoot, policy({}), { verdict: 'CERT_UNTRUSTED' })), 'ok unvalidated');
});

describe('names', () => {
  const table: [string, JsonObject, Made, string][] = [
    ['exact', { match_typed_subject_alt_names: [client] }, pki.good, 'ok'],
    [
      'another identity',
      { match_typed_subject_alt_names: [client] },
      pki.wrongId,
      'certificate_unknown SAN matcher, certificate SANs are [spiffe://cluster.local/ns/a/sa/intruder]',
    ],
    [
      'none',
      { match_typed_subject_alt_names: [client] },
      pki.noNames,
      'certificate_unknown SAN matcher, certificate SANs are []',
    ],
    ['untyped', { match_subject_alt_names: [{ prefix: 'spiffe://cluster.local/' }] }, pki.good, 'ok'],
    [
      'another trust domain',
      { match_subject_alt_names: [{ prefix: 'spiffe://cluster.local/' }] },
      pki.wrongDomain,
      'certificate_unknown SAN matcher, certificate SANs are [spiffe://evil.example/ns/a/sa/client]',
    ],
    [
      'several at the peer',
      { match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'zzz.test' } }] },
      pki.server,
      'certificate_unknown SAN matcher, certificate SANs are [server.test, 127.0.0.1, spiffe://cluster.local/ns/a/sa/server]',
    ],
  ];
  for (const [name, rules, made, expected] of table) {
    test(name, () => assert.equal(outcome(judge(made, policy({ ...trusted, ...rules }))), expected));
  }

  test('those of a request come on top of those of the context', () => {
    const p = policy({ ...trusted, match_typed_subject_alt_names: [client] });
    const more = (...expectedNames: string[]) => outcome(judge(pki.good, p, { expectedNames }));
    assert.equal(more('x', 'spiffe://cluster.local/ns/a/sa/client'), 'ok');
    assert.equal(
      more('x', 'y'),
      'certificate_unknown verify SAN list, expected SANs: [x, y], certificate SANs: [spiffe://cluster.local/ns/a/sa/client]',
    );
    const other = policy({ ...trusted, match_typed_subject_alt_names: [client] });
    assert.match(outcome(judge(pki.server, other, { expectedNames: ['server.test'] })), /SAN matcher/);
  });

  test('the server name that was sent, where the context wants it in the certificate', () => {
    const server = (expectedServerName: string) =>
      outcome(judge(pki.otherServer, policy(trusted), { expectedServerName }));
    assert.equal(server('other.test'), 'ok');
    assert.equal(server('A.wild.test'), 'ok');
    assert.match(server('a.b.wild.test'), /SAN matcher/);
    assert.match(server('server.test'), /SAN matcher/);
    assert.equal(server(''), 'ok');
  });
});

test('hashes of certificates and keys', async () => {
  const { leaf } = peerOf(pki.good);
  const hash = { verify_certificate_hash: [leaf.sha256] };
  const colons = { verify_certificate_hash: [leaf.sha256.toUpperCase().match(/../g)!.join(':')] };
  const key = { verify_certificate_spki: [leaf.spkiSha256] };
  const wrong = 'bad_certificate_hash_value cert hash and spki';
  for (const rules of [hash, colons, key, { ...key, verify_certificate_hash: ['00'.repeat(32)] }]) {
    assert.equal(outcome(judge(pki.good, policy({ ...trusted, ...rules }))), 'ok');
    assert.equal(outcome(judge(pki.wrongId, policy({ ...trusted, ...rules }))), wrong);
  }
  // Without authorities the hash alone decides.
  assert.equal(outcome(judge(pki.good, policy(hash), { verdict: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })), 'ok');
  assert.equal(outcome(judge(pki.selfSigned, policy(hash))), wrong);
});

test('ACCEPT_UNTRUSTED admits anybody with a certificate, and says that it does not know them', () => {
  const p = policy({
    ...trusted,
    trust_chain_verification: 'ACCEPT_UNTRUSTED',
    match_typed_subject_alt_names: [client],
  });
  assert.equal(outcome(judge(pki.good, p)), 'ok');
  assert.equal(outcome(judge(pki.wrongId, p)), 'ok unvalidated');
  assert.equal(outcome(judge(pki.otherRoot, p, { verdict: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })), 'ok unvalidated');
  assert.match(outcome(judge(pki.cannotSign, p)), /^illegal_parameter .*KEY_USAGE_BIT_INCORRECT/);
});

test('a key does only what its certificate says', async () => {
  const p = policy(trusted);
  const wrong = /^illegal_parameter .*\|268435758:SSL routines:OPENSSL_internal:KEY_USAGE_BIT_INCORRECT/;
  assert.match(outcome(judge(pki.cannotSign, p)), wrong);
  assert.match(outcome(judge(pki.cannotSign, NO_POLICY, { peerRole: 'server', version: 'TLSv1.2' })), wrong);
  const rsa = await make('rsa', {
    issuer: pki.root,
    rsa: true,
    usage: 0x20,
    names: spiffe('cluster.local/ns/a/sa/client'),
  });
  const old = { peerRole: 'server', version: 'TLSv1.2' } as const;
  assert.equal(outcome(judge(rsa, p, old)), 'ok');
  assert.match(outcome(judge(rsa, p, { ...old, enforceRsaKeyUsage: true })), wrong);
  assert.match(outcome(judge(rsa, p, { peerRole: 'server' })), wrong);
});

describe('allow_expired_certificate', () => {
  const p = policy({ ...trusted, allow_expired_certificate: true });
  // OpenSSL reports the last thing it found: behind "expired" there may be anything.
  const expired = { verdict: 'CERT_HAS_EXPIRED' };
  const table: [PkiName, Partial<Candidate>, string][] = [
    ['good', {}, 'ok'],
    ['expired', expired, 'ok'],
    ['notYet', { verdict: 'CERT_NOT_YET_VALID' }, 'ok'],
    ['oldIntermediate', expired, 'ok'],
    ['otherRoot', expired, 'unknown_ca 0: unable to get local issuer certificate'],
    [
      'otherRoot',
      { verdict: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      'unknown_ca 0: unable to get local issuer certificate',
    ],
    ['forged', expired, 'decrypt_error 0: certificate signature failure'],
    ['pathLength', expired, 'unknown_ca 2: path length constraint exceeded'],
    ['serverOnly', expired, 'unsupported_certificate 0: unsupported certificate purpose'],
    ['critical', expired, 'certificate_unknown 0: unhandled critical extension'],
    ['constrainedName', expired, 'certificate_unknown 1: unsupported or invalid name constraint syntax'],
  ];
  for (const [name, more, expected] of table) {
    test(`${name} ${more.verdict ?? ''}`, () => assert.equal(outcome(judge(pki[name], p, more)), expected));
  }
});

test('max_verify_depth counts the authorities', () => {
  const depth = (n: number) => policy({ ...trusted, max_verify_depth: n });
  assert.equal(outcome(judge(pki.good, depth(1))), 'ok');
  assert.equal(outcome(judge(pki.good, depth(0))), 'ok');
  assert.match(outcome(judge(pki.withIntermediate, depth(0))), /^unknown_ca 1: /);
  assert.equal(outcome(judge(pki.withIntermediate, depth(1))), 'unknown_ca 1: unable to get local issuer certificate');
  assert.equal(outcome(judge(pki.withIntermediate, depth(2))), 'ok');
});

test('an authority that is trusted need not be a root', () => {
  const p = policy({ trusted_ca: { inline_string: pki.inter.ownPem }, max_verify_depth: 1 });
  assert.equal(outcome(judge(pki.noIntermediate, p)), 'ok');
  assert.match(outcome(judge(pki.good, p)), /^unknown_ca 0:/);
});

describe('only_verify_leaf_cert_crl', async () => {
  const failed = 'certificate revocation check against provided CRLs failed: ';
  const list = await makeCrl(pki.root, [pki.wrongId]);
  const withList = (pem: string) =>
    policy({ ...trusted, crl: { inline_string: pem }, only_verify_leaf_cert_crl: true });
  const table: [string, string, PkiName, string][] = [
    ['good', list, 'good', 'ok'],
    ['revoked', list, 'wrongId', `certificate_revoked 0: ${failed}certificate revoked`],
    ['no list of its issuer', list, 'withIntermediate', `unknown_ca 0: ${failed}unable to get certificate CRL`],
    ['a list of its issuer only', await makeCrl(pki.inter, []), 'withIntermediate', 'ok'],
    ['an old list', await makeCrl(pki.root, [], -9, -2), 'good', `certificate_expired 0: ${failed}CRL has expired`],
    [
      'a list of tomorrow',
      await makeCrl(pki.root, [], 2, 9),
      'good',
      `certificate_expired 0: ${failed}CRL is not yet valid`,
    ],
    [
      'a list that another signed',
      await makeCrl({ ...pki.root, key: pki.other.key }, []),
      'good',
      `decrypt_error 0: ${failed}CRL signature failure`,
    ],
  ];
  for (const [name, pem, made, expected] of table) {
    test(name, () => assert.equal(outcome(judge(pki[made], withList(pem))), expected));
  }
});

describe('SPIFFE validator', () => {
  const both = policy(spiffeValidator({ 'cluster.local': pki.root, 'other.example': pki.other }));
  const one = policy(spiffeValidator({ 'cluster.local': pki.root }));
  const table: [string, PeerPolicy, PkiName, Partial<Candidate>, string][] = [
    ['its own authority', both, 'good', {}, 'ok'],
    ['its own authority, the other domain', both, 'otherDomain', {}, 'ok'],
    ['an intermediate', both, 'withIntermediate', {}, 'ok'],
    // OpenSSL trusts all bundles alike, so it is content with these.
    [
      'the authority of another domain',
      both,
      'otherRoot',
      {},
      'certificate_unknown 0: unable to get local issuer certificate',
    ],
    ['a domain that nobody knows', both, 'wrongDomain', {}, 'certificate_unknown no trust bundle store'],
    ['two identities', both, 'twoDomains', {}, 'certificate_unknown no trust bundle store'],
    ['no identity', both, 'noNames', {}, 'certificate_unknown no trust bundle store'],
    ['an authority itself', one, 'caAsLeaf', { version: 'TLSv1.2' }, 'certificate_unknown cert precheck'],
    [
      'name constraints among several bundles',
      both,
      'constrainedName',
      {},
      'certificate_unknown 1: unsupported or invalid name constraint syntax',
    ],
    ['expired', one, 'expired', { verdict: 'CERT_HAS_EXPIRED' }, 'certificate_unknown 0: certificate has expired'],
    ['a purpose, which it leaves alone', one, 'serverOnly', { verdict: 'INVALID_PURPOSE' }, 'ok'],
    [
      'what OpenSSL has against it',
      one,
      'good',
      { verdict: 'CERT_REVOKED' },
      'certificate_unknown 0: certificate revocation check against provided CRLs failed: certificate revoked',
    ],
    ['forged', one, 'forged', { verdict: 'INVALID_PURPOSE' }, 'certificate_unknown 0: certificate signature failure'],
  ];
  for (const [name, p, made, more, expected] of table) {
    test(name, () => assert.equal(outcome(judge(pki[made], p, more)), expected));
  }

  test('names besides', () => {
    const rules = { ...spiffeValidator({ 'cluster.local': pki.root }), match_typed_subject_alt_names: [client] };
    assert.equal(outcome(judge(pki.good, policy(rules))), 'ok');
    assert.equal(outcome(judge(pki.wrongId, policy(rules))), 'certificate_unknown SAN match');
  });
});
