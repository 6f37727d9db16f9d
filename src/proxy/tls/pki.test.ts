import assert from 'node:assert/strict';
import crypto, { type KeyObject, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { encode, encodeBoolean, encodeInteger, encodeTime, sequence, Tag } from '../../base/der.ts';
import { buildCertificate } from '../../ca/x509/build.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  encodeExtension,
  extendedKeyUsage,
  KeyUsage,
  keyIdentifier,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../../ca/x509/extensions.ts';
import { publicKeyDer, sign, signatureAlgorithm } from '../../ca/x509/keys.ts';
import { encodeName, type NameAttribute } from '../../ca/x509/names.ts';
import { Oid } from '../../ca/x509/oids.ts';
import { formatPem } from '../../ca/x509/pem.ts';
import type { SubjectAltNames } from '../../ca/x509/subject-alt-names.ts';

const DAY = 86_400_000;

/** A certificate made for a test, with its key. */
export interface Made {
  readonly name: string;
  readonly subject: Buffer;
  readonly key: KeyObject;
  readonly der: Buffer;
  /** The certificate with those that are sent along, the latter above it. */
  readonly pem: string;
  readonly ownPem: string;
  readonly keyPem: string;
}

export interface Wishes {
  readonly issuer?: Made;
  readonly subject?: readonly NameAttribute[];
  readonly names?: Partial<SubjectAltNames>;
  /** Extensions besides, DER. */
  readonly extensions?: readonly Uint8Array[];
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly purposes?: readonly string[];
  readonly usage?: number;
  readonly rsa?: boolean;
  readonly key?: KeyObject;
  /** Who really signs. */
  readonly signer?: Made;
  /** Certificates to send along. */
  readonly along?: readonly Made[];
}

const CA_USAGE = KeyUsage.KeyCertSign | KeyUsage.CrlSign;

export async function make(name: string, wishes: Wishes = {}): Promise<Made> {
  const { issuer, ca = false } = wishes;
  const key =
    wishes.key ??
    (wishes.rsa
      ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
      : crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const subject = encodeName(
    wishes.subject ?? [
      ['O', 'mesh'],
      ['CN', name],
    ],
  );
  const publicKeyInfo = publicKeyDer(key);
  const own = keyIdentifier(publicKeyInfo);
  const extensions: Uint8Array[] = [
    basicConstraints(ca, wishes.pathLength),
    keyUsage(wishes.usage ?? (ca ? CA_USAGE : KeyUsage.DigitalSignature)),
    subjectKeyIdentifier(own),
    authorityKeyIdentifier(issuer ? keyIdentifier(publicKeyDer(issuer.key)) : own),
  ];
  if (!ca) extensions.push(extendedKeyUsage(...(wishes.purposes ?? [Oid.serverAuth, Oid.clientAuth])));
  if (wishes.names) extensions.push(subjectAltName(wishes.names, false));
  const now = Date.now();
  const der = await buildCertificate(
    {
      issuer: issuer?.subject ?? subject,
      subject,
      notBefore: now + (wishes.from ?? -1) * DAY,
      notAfter: now + (wishes.to ?? 365) * DAY,
      publicKeyInfo,
      extensions: [...extensions, ...(wishes.extensions ?? [])],
    },
    wishes.signer?.key ?? issuer?.key ?? key,
  );
  const ownPem = formatPem('CERTIFICATE', der);
  const pem = ownPem + (wishes.along ?? []).map((c) => c.ownPem).join('');
  return { name, subject, key, der, pem, ownPem, keyPem: key.export({ type: 'pkcs8', format: 'pem' }) as string };
}

/** A revocation list, PEM. Times in days from now. */
export async function makeCrl(issuer: Made, revoked: readonly Made[], from = -1, to = 30): Promise<string> {
  const time = (days: number) => encodeTime(Date.now() + days * DAY);
  const { identifier } = signatureAlgorithm(issuer.key);
  const serial = (c: Made) => encodeInteger(Buffer.from(new X509Certificate(c.der).serialNumber, 'hex'));
  const entries = revoked.map((c) => sequence(serial(c), time(from)));
  const tbs = sequence(
    encodeInteger(1),
    identifier,
    issuer.subject,
    time(from),
    time(to),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
  );
  const signature = encode(Tag.BitString, Uint8Array.of(0), await sign(tbs, issuer.key));
  return formatPem('X509 CRL', sequence(tbs, identifier, signature));
}

export const spiffe = (path: string): Partial<SubjectAltNames> => ({ uris: [`spiffe://${path}`] });
const CLIENT = spiffe('cluster.local/ns/a/sa/client');

/** An extension that nobody knows, critical. */
export const unknownCritical = (): Uint8Array => encodeExtension('1.3.6.1.4.1.99999.1', true, encodeBoolean(true));

/** Name constraints that permit one DNS domain only (RFC 5280 section 4.2.1.10). */
export const permitDomain = (domain: string): Uint8Array =>
  encodeExtension('2.5.29.30', true, sequence(encode(0xa0, sequence(encode(0x82, Buffer.from(domain))))));

export type PkiName = keyof Awaited<ReturnType<typeof makePki>>;
export type Pki = Readonly<Record<PkiName, Made>>;

async function makePki() {
  const root = await make('root', { ca: true, subject: [['O', 'root']] });
  const other = await make('other', { ca: true, subject: [['O', 'other']] });
  const inter = await make('inter', { ca: true, issuer: root, subject: [['O', 'inter']] });
  const oldInter = await make('oldInter', { ca: true, issuer: root, from: -10, to: -1, subject: [['O', 'old']] });
  const shortRoot = await make('short', { ca: true, issuer: root, pathLength: 0, subject: [['O', 'short']] });
  const tooDeep = await make('deep', { ca: true, issuer: shortRoot, subject: [['O', 'deep']] });
  const constrained = await make('constrained', {
    ca: true,
    issuer: root,
    subject: [['O', 'constrained']],
    extensions: [permitDomain('good.test')],
  });
  const plainLeaf = await make('plainLeaf', { issuer: root, names: spiffe('cluster.local/ns/a/sa/x') });
  const leaf = (name: string, wishes: Wishes) => make(name, { issuer: root, names: CLIENT, ...wishes });
  return {
    root,
    other,
    inter,
    server: await leaf('server', {
      names: {
        dnsNames: ['server.test'],
        uris: ['spiffe://cluster.local/ns/a/sa/server'],
        ips: [Uint8Array.of(127, 0, 0, 1)],
      },
    }),
    serverRsa: await leaf('serverRsa', { rsa: true, names: { dnsNames: ['server.test'] } }),
    otherServer: await leaf('otherServer', { names: { dnsNames: ['other.test', '*.wild.test'] } }),
    good: await leaf('good', {}),
    otherRoot: await leaf('otherRoot', { issuer: other }),
    expired: await leaf('expired', { from: -10, to: -1 }),
    notYet: await leaf('notYet', { from: 5, to: 50 }),
    wrongId: await leaf('wrongId', { names: spiffe('cluster.local/ns/a/sa/intruder') }),
    wrongDomain: await leaf('wrongDomain', { names: spiffe('evil.example/ns/a/sa/client') }),
    otherDomain: await leaf('otherDomain', { issuer: other, names: spiffe('other.example/ns/a/sa/client') }),
    twoDomains: await leaf('twoDomains', {
      issuer: other,
      names: { uris: ['spiffe://other.example/ns/a/sa/client', 'spiffe://cluster.local/ns/a/sa/client'] },
    }),
    noNames: await make('noNames', { issuer: root }),
    selfSigned: await make('selfSigned', { names: CLIENT }),
    noIntermediate: await leaf('noIntermediate', { issuer: inter }),
    withIntermediate: await leaf('withIntermediate', { issuer: inter, along: [inter] }),
    oldIntermediate: await leaf('oldIntermediate', { issuer: oldInter, along: [oldInter] }),
    leafAsCa: await leaf('leafAsCa', { issuer: plainLeaf, along: [plainLeaf] }),
    pathLength: await leaf('pathLength', { issuer: tooDeep, along: [tooDeep, shortRoot] }),
    constrainedName: await leaf('constrainedName', {
      issuer: constrained,
      along: [constrained],
      names: { dnsNames: ['bad.test'], ...CLIENT },
    }),
    serverOnly: await leaf('serverOnly', { purposes: [Oid.serverAuth] }),
    clientOnly: await leaf('clientOnly', { purposes: [Oid.clientAuth] }),
    cannotSign: await leaf('cannotSign', { usage: KeyUsage.KeyEncipherment }),
    critical: await leaf('critical', { extensions: [unknownCritical()] }),
    caAsLeaf: await make('caAsLeaf', { ca: true, issuer: root, names: CLIENT }),
    forged: await leaf('forged', { signer: other }),
  };
}

let pki: Promise<Pki> | undefined;

/** Every certificate that the tests of TLS use, made once a process. */
export function testPki(): Promise<Pki> {
  pki ??= makePki();
  return pki;
}

test('the certificates of the tests are what OpenSSL takes them for', async () => {
  const { good, root, other, withIntermediate, inter } = await testPki();
  const read = (made: Made) => new X509Certificate(made.der);
  assert.ok(read(good).verify(read(root).publicKey));
  assert.ok(!read(good).verify(read(other).publicKey));
  assert.ok(read(withIntermediate).checkIssued(read(inter)));
  assert.equal(read(good).subjectAltName, 'URI:spiffe://cluster.local/ns/a/sa/client');
});
