import { UserError } from '../../base/errors.ts';
import { checkCertificateAndKey, checkRevocationLists, checkTrustedCa } from './checks.ts';
import type { CertificateSecret, ValidationSecret } from './secret.ts';

/** As much of a Secret or ConfigMap as matters here. */
export interface CredentialObject {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
  /** Values decoded from base64. */
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/** Keys that Istio reads: of generic secrets, then of those of type kubernetes.io/tls. */
const PAIRS = [
  { chain: 'cert', key: 'key' },
  { chain: 'tls.crt', key: 'tls.key' },
] as const;
const CA_KEYS = ['cacert', 'ca.crt'];
const CRL_KEYS = ['crl', 'ca.crl'];
const OCSP_KEY = 'tls.ocsp-staple';

/** Appended to a credential's name to ask for the CA certificates that go with it. */
export const CA_SUFFIX = '-cacert';

/** A `credentialName` as it stands in a TLS context. */
export interface CredentialReference {
  readonly kind: 'Secret' | 'ConfigMap';
  /** Undefined: the namespace of the proxy. */
  readonly namespace: string | undefined;
  readonly name: string;
}

const KUBERNETES_NAME = '([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)';
const REFERENCE = new RegExp(
  `^(kubernetes|kubernetes-gateway|configmap)://(?:${KUBERNETES_NAME}/)?${KUBERNETES_NAME}$`,
);

/**
 * Takes a resource name apart: `kubernetes://NAME`, `kubernetes://NAMESPACE/NAME`, `kubernetes-gateway://NAMESPACE/NAME`
 * or `configmap://NAMESPACE/NAME`; undefined for any other.
 */
export function parseCredentialReference(resource: string): CredentialReference | undefined {
  const match = REFERENCE.exec(resource);
  if (!match || (match[1] !== 'kubernetes' && match[2] === undefined)) return undefined;
  return { kind: match[1] === 'configmap' ? 'ConfigMap' : 'Secret', namespace: match[2], name: match[3] };
}

/**
 * Which object holds the CA certificates that `NAME-cacert` asks for: the secret of that very name if there is one, else
 * the one without the suffix. `find` looks an object up by its name.
 */
export function findCaObject(
  name: string,
  find: (name: string) => CredentialObject | undefined,
): CredentialObject | undefined {
  return find(name) ?? (name.endsWith(CA_SUFFIX) ? find(name.slice(0, -CA_SUFFIX.length)) : undefined);
}

/**
 * Whether a reference asks for CA certificates: by the suffix of its name, by the kind of its object, or, as a
 * `caCertCredentialName` may do, by naming an object that has them and no certificate with a key.
 */
export function asksForCa({ kind, name }: CredentialReference, object: CredentialObject): boolean {
  if (kind === 'ConfigMap' || name.endsWith(CA_SUFFIX)) return true;
  const hasPair = PAIRS.some((pair) => object.data.has(pair.chain) || object.data.has(pair.key));
  return !hasPair && CA_KEYS.some((key) => object.data.has(key));
}

/** Certificate and key for a server or client. Throws a UserError that names the object and the key in it. */
export function certificateSecret(resource: string, object: CredentialObject, now: number): CertificateSecret {
  const names = PAIRS.find((pair) => hasValue(object, pair.chain) && hasValue(object, pair.key));
  if (!names) {
    const empty = PAIRS.find((pair) => object.data.has(pair.chain) && object.data.has(pair.key));
    if (empty)
      throw new UserError(`${title(object)} has the keys "${empty.chain}" and "${empty.key}", but no value in both.`);
    const wanted = PAIRS.map((pair) => `"${pair.chain}" and "${pair.key}"`).join(', or ');
    throw new UserError(`${title(object)} lacks the keys ${wanted}; it has ${keysOf(object)}.`);
  }
  const [certificateChain, privateKey] = [textOf(object, names.chain), textOf(object, names.key)];
  const where = { chain: `${title(object)}, key "${names.chain}"`, key: `${title(object)}, key "${names.key}"` };
  checkCertificateAndKey(certificateChain, privateKey, where, now);
  const ocspStaple = hasValue(object, OCSP_KEY) ? object.data.get(OCSP_KEY) : undefined;
  return { type: 'certificate', name: resource, certificateChain, privateKey, ...(ocspStaple && { ocspStaple }) };
}

/** CA certificates, with revocation lists if there are any. Throws a UserError that names the object and the key in it. */
export function validationSecret(resource: string, object: CredentialObject, now: number): ValidationSecret {
  const key = CA_KEYS.find((name) => hasValue(object, name));
  if (!key) {
    const empty = CA_KEYS.find((name) => object.data.has(name));
    if (empty) throw new UserError(`${title(object)} has the key "${empty}", but no value in it.`);
    throw new UserError(`${title(object)} lacks the key "${CA_KEYS.join('" or "')}"; it has ${keysOf(object)}.`);
  }
  const trustedCa = textOf(object, key);
  checkTrustedCa(trustedCa, `${title(object)}, key "${key}"`, now);
  const crlKey = CRL_KEYS.find((name) => hasValue(object, name));
  if (!crlKey) return { type: 'validation', name: resource, trustedCa };
  const crl = textOf(object, crlKey);
  checkRevocationLists(crl, `${title(object)}, key "${crlKey}"`);
  return { type: 'validation', name: resource, trustedCa, crl };
}

const title = ({ kind, namespace, name }: CredentialObject) => `${kind} ${namespace}/${name}`;
const hasValue = (object: CredentialObject, key: string) => (object.data.get(key)?.length ?? 0) > 0;
const textOf = (object: CredentialObject, key: string) => Buffer.from(object.data.get(key) ?? []).toString('utf8');

/** The first few keys of an object, without their values. */
function keysOf({ data }: CredentialObject): string {
  const keys = [...data.keys()].sort().map((key) => `"${key}"`);
  if (keys.length === 0) return 'none';
  return keys.length <= 3 ? keys.join(', ') : `${keys.slice(0, 3).join(', ')} and ${keys.length - 3} more`;
}
