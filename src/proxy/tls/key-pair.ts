import crypto, { type KeyObject, type X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { TlsCertificate } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts';
import { messageOf } from '../../base/errors.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { isSet, type LoadedData, loadData } from '../config/load-data.ts';
import { Certificate } from './certificate.ts';
import { isCertificate, pemBlocks } from './pem.ts';

interface KeyPairFields {
  readonly origin: string;
  readonly leaf: Certificate;
  readonly chainPem: string;
  readonly chainLength: number;
  readonly keyType: 'rsa' | 'ec';
  readonly curve: string | undefined;
}

/** The private key as OpenSSL takes it. */
interface Credentials {
  readonly key: string;
  readonly passphrase: string | undefined;
}

/** A certificate chain with the private key of its first certificate. No way of printing it shows the key. */
export class KeyPair {
  /** `<inline>`, or the path of the chain's file. */
  readonly origin: string;
  readonly leaf: Certificate;
  /** PEM, the leaf first. */
  readonly chainPem: string;
  readonly chainLength: number;
  readonly keyType: 'rsa' | 'ec';
  /** Name of the curve of an EC key. */
  readonly curve: string | undefined;
  /** SHA-256 of chain and key. */
  readonly digest: string;
  readonly #credentials: Credentials;

  constructor(fields: KeyPairFields, credentials: Credentials) {
    this.origin = fields.origin;
    this.leaf = fields.leaf;
    this.chainPem = fields.chainPem;
    this.chainLength = fields.chainLength;
    this.keyType = fields.keyType;
    this.curve = fields.curve;
    this.digest = crypto.createHash('sha256').update(fields.chainPem).update(credentials.key).digest('base64');
    this.#credentials = credentials;
  }

  credentials(): Credentials {
    return this.#credentials;
  }
}

const MIN_RSA_BITS = 2048;
/** OpenSSL's names of the curves that BoringSSL takes for certificates. */
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads a TlsCertificate and sees that its parts belong together. What is wrong goes to `errors`, in Envoy's words
 * where it has them, and never with any of the key.
 */
export function loadKeyPair(proto: TlsCertificate, errors: ConfigErrors): KeyPair | undefined {
  if (!isSet(proto.certificateChain)) errors.add('certificate_chain', 'is needed');
  if (!isSet(proto.privateKey)) errors.add('private_key', 'is needed');
  const chain = load(proto.certificateChain, errors.at('certificate_chain'));
  const key = load(proto.privateKey, errors.at('private_key'));
  const password = load(proto.password, errors.at('password'));
  if (chain === undefined || key === undefined || (isSet(proto.password) && password === undefined)) return undefined;

  let certificates: Certificate[];
  try {
    certificates = readChain(chain);
  } catch (error) {
    errors.add('certificate_chain', `Failed to load certificate chain from ${chain.origin}: ${messageOf(error)}`);
    return undefined;
  }
  const [leaf] = certificates;
  const kind = keyKind(leaf.x509);
  if (typeof kind === 'string') {
    errors.add('certificate_chain', `Failed to load certificate chain from ${chain.origin}, ${kind}`);
    return undefined;
  }
  const passphrase = password?.bytes.toString('utf8').replace(/\r?\n$/, '');
  const problem = keyProblem(key, passphrase, leaf);
  if (problem) {
    errors.add('private_key', `Failed to load private key from ${key.origin}, Cause: ${problem}`);
    return undefined;
  }
  const chainPem = certificates.map((c) => c.pem).join('');
  const credentials = { key: key.bytes.toString('latin1'), passphrase };
  try {
    tls.createSecureContext({ cert: chainPem, ...credentials, ca: [] });
  } catch (error) {
    // Such as a signature with SHA-1, which is below the security level of today's OpenSSL.
    errors.add('', `TLS cannot be made with the certificate from ${chain.origin}: ${messageOf(error)}`);
    return undefined;
  }
  const { origin } = chain;
  return new KeyPair({ origin, leaf, chainPem, chainLength: certificates.length, ...kind }, credentials);
}

function load(source: TlsCertificate['privateKey'], errors: ConfigErrors): LoadedData | undefined {
  if (!isSet(source)) return undefined;
  try {
    return loadData(source);
  } catch (error) {
    errors.add('', messageOf(error));
    return undefined;
  }
}

function readChain({ bytes }: LoadedData): Certificate[] {
  const blocks = pemBlocks(bytes.toString('latin1')).filter(isCertificate);
  if (blocks.length === 0) throw new Error('it has no certificate in PEM');
  return blocks.map((block) => Certificate.fromDer(block.der));
}

function keyKind({ publicKey }: X509Certificate): Pick<KeyPair, 'keyType' | 'curve'> | string {
  const details = publicKey.asymmetricKeyDetails;
  if (publicKey.asymmetricKeyType === 'rsa') {
    if ((details?.modulusLength ?? 0) >= MIN_RSA_BITS) return { keyType: 'rsa', curve: undefined };
    return 'only RSA certificates with 2048-bit or larger keys are supported';
  }
  if (publicKey.asymmetricKeyType === 'ec') {
    if (CURVES.has(details?.namedCurve ?? '')) return { keyType: 'ec', curve: details?.namedCurve };
    return 'only P-256, P-384 or P-521 ECDSA certificates are supported';
  }
  return `${publicKey.asymmetricKeyType} certificates are not supported, only RSA and ECDSA are`;
}

const ENCRYPTED = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

function keyProblem({ bytes }: LoadedData, passphrase: string | undefined, leaf: Certificate): string | undefined {
  const encrypted = ENCRYPTED.test(bytes.toString('latin1'));
  if (encrypted && passphrase === undefined) return 'it is encrypted and no password is given';
  let key: KeyObject;
  try {
    key = crypto.createPrivateKey({ key: bytes, passphrase });
  } catch {
    return encrypted ? 'it cannot be decrypted with the password' : 'it holds no private key in PEM';
  }
  return leaf.x509.checkPrivateKey(key) ? undefined : 'it is not the key of the certificate (KEY_VALUES_MISMATCH)';
}
