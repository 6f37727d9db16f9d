import type { KeyObject } from 'node:crypto';
import {
  contextTag,
  DerError,
  DerReader,
  encode,
  encodeBitString,
  encodeInteger,
  encodeOid,
  readBitString,
  readOid,
  readSmallInteger,
  sequence,
  Tag,
} from '../../base/der.ts';
import { subjectAltName } from './extensions.ts';
import { publicKeyDer, sign, signatureAlgorithm, weakKeyProblem } from './keys.ts';
import { encodeName, type NameAttribute } from './names.ts';
import { Oid } from './oids.ts';
import { formatPem, parsePem } from './pem.ts';
import { readPublicKey } from './public-key.ts';
import { verifySignature } from './signature.ts';
import { NO_NAMES, readSubjectAltNames, type SubjectAltNames } from './subject-alt-names.ts';

/** A PKCS#10 request (RFC 2986) whose signature has been verified, so that whoever made it holds the private key. */
export interface CertificationRequest {
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER in its one accepted form. */
  readonly publicKeyInfo: Uint8Array;
  /** What the request asks for: a wish, never an authorization. */
  readonly names: SubjectAltNames;
  /** The request as it came, for those who hand it on. */
  readonly pem: string;
}

/** Why a request cannot be signed. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
}

/** An RSA 8192 request with a long list of names is about 6 KB in PEM. */
const MAX_REQUEST_BYTES = 16384;
const LABELS = new Set(['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']);

/**
 * Reads and verifies one request. Throws a {@link RequestError} for anything but a single well-formed PKCS#10 of
 * bounded size with a key of sufficient strength and a signature that verifies.
 */
export function parseRequest(pem: string): CertificationRequest {
  if (pem.length > MAX_REQUEST_BYTES)
    throw new RequestError(`certificate signing request is larger than ${MAX_REQUEST_BYTES} bytes`);
  let blocks: ReturnType<typeof parsePem>;
  try {
    blocks = parsePem(pem, 'certificate signing request');
  } catch {
    blocks = [];
  }
  if (blocks.length !== 1 || !LABELS.has(blocks[0].label))
    throw new RequestError('certificate signing request is not properly encoded');
  try {
    return { ...verified(blocks[0].der), pem: formatPem('CERTIFICATE REQUEST', blocks[0].der) };
  } catch (error) {
    if (error instanceof DerError)
      throw new RequestError(`failed to parse X.509 certificate signing request: ${error.message}`);
    throw error;
  }
}

function verified(der: Buffer): Omit<CertificationRequest, 'pem'> {
  const outer = new DerReader(der);
  const request = outer.enter(Tag.Sequence, 'the request');
  outer.end('the request');
  const info = request.next(Tag.Sequence, 'the request info');
  const algorithm = request.enter(Tag.Sequence, 'the signature algorithm');
  const oid = readOid(algorithm.next(Tag.ObjectIdentifier, 'the signature algorithm'), 'the signature algorithm');
  const signature = readBitString(request.next(Tag.BitString, 'the signature'), 'the signature');
  request.end('the request');

  const fields = new DerReader(info.content);
  if (readSmallInteger(fields.next(Tag.Integer, 'the version'), 'the version') !== 0)
    throw new DerError('the version is not 0');
  fields.next(Tag.Sequence, 'the subject');
  const spki = fields.next(Tag.Sequence, 'the public key').bytes;
  const attributes = fields.optional(contextTag(0, true), 'the attributes');
  fields.end('the request info');
  const names = attributes ? requestedNames(new DerReader(attributes.content)) : NO_NAMES;

  const publicKey = readPublicKey(spki);
  const weak = weakKeyProblem(publicKey);
  if (weak) throw new RequestError(weak);
  const verdict = verifySignature(oid, info.bytes, publicKey, signature);
  if (verdict === undefined)
    throw new RequestError(
      `the signature algorithm ${oid} is not accepted with a key of type ${publicKey.asymmetricKeyType}`,
    );
  if (!verdict) throw new RequestError('the signature of the certificate signing request does not verify');
  return { publicKey, publicKeyInfo: spki, names };
}

function requestedNames(attributes: DerReader): SubjectAltNames {
  while (!attributes.done) {
    const attribute = attributes.enter(Tag.Sequence, 'an attribute');
    const oid = readOid(attribute.next(Tag.ObjectIdentifier, "an attribute's type"), "an attribute's type");
    const values = attribute.enter(Tag.Set, "an attribute's values");
    if (oid !== Oid.extensionRequest) continue;
    const extensions = values.enter(Tag.Sequence, 'the requested extensions');
    while (!extensions.done) {
      const extension = extensions.enter(Tag.Sequence, 'a requested extension');
      const type = readOid(extension.next(Tag.ObjectIdentifier, "an extension's type"), "an extension's type");
      extension.optional(Tag.Boolean, 'the critical flag');
      const value = extension.next(Tag.OctetString, "an extension's value").content;
      if (type === Oid.subjectAltName) return readSubjectAltNames(value);
    }
  }
  return NO_NAMES;
}

/** Makes a request in PEM, signed with the key that it asks a certificate for. */
export async function createRequest(
  privateKey: KeyObject,
  names: Partial<SubjectAltNames>,
  subject: readonly NameAttribute[] = [],
): Promise<string> {
  const extensions = sequence(subjectAltName(names, subject.length === 0));
  const info = sequence(
    encodeInteger(0),
    encodeName(subject),
    publicKeyDer(privateKey),
    encode(contextTag(0, true), sequence(encodeOid(Oid.extensionRequest), encode(Tag.Set, extensions))),
  );
  const signature = await sign(info, privateKey);
  const der = sequence(info, signatureAlgorithm(privateKey).identifier, encodeBitString(signature));
  return formatPem('CERTIFICATE REQUEST', der);
}
