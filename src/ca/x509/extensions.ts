import crypto from 'node:crypto';
import {
  contextTag,
  DerReader,
  encode,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  sequence,
  Tag,
} from '../../base/der.ts';
import { Oid } from './oids.ts';
import { encodeSubjectAltNames, type SubjectAltNames } from './subject-alt-names.ts';

/** Bits of a KeyUsage, most significant first as in its BIT STRING (RFC 5280 section 4.2.1.3). */
export const KeyUsage = {
  DigitalSignature: 0x80,
  KeyEncipherment: 0x20,
  KeyCertSign: 0x04,
  CrlSign: 0x02,
} as const;

/** An Extension with a value that is DER already. */
export function encodeExtension(oid: string, critical: boolean, value: Uint8Array): Buffer {
  return critical
    ? sequence(encodeOid(oid), encodeBoolean(true), encodeOctetString(value))
    : sequence(encodeOid(oid), encodeOctetString(value));
}

/** `pathLength` is how many certificate authorities may stand below this one. */
export function basicConstraints(ca: boolean, pathLength?: number): Buffer {
  const value = ca
    ? sequence(encodeBoolean(true), ...(pathLength === undefined ? [] : [encodeInteger(pathLength)]))
    : sequence();
  return encodeExtension(Oid.basicConstraints, true, value);
}

export function keyUsage(...bits: readonly number[]): Buffer {
  const byte = bits.reduce((all, bit) => all | bit, 0);
  const unused = byte === 0 ? 0 : Math.log2(byte & -byte);
  return encodeExtension(
    Oid.keyUsage,
    true,
    encodeBitString(byte === 0 ? Buffer.alloc(0) : Uint8Array.of(byte), unused),
  );
}

export const extendedKeyUsage = (...oids: readonly string[]): Buffer =>
  encodeExtension(Oid.extendedKeyUsage, false, sequence(...oids.map(encodeOid)));

/** Critical when the subject is empty (RFC 5280 section 4.2.1.6). */
export const subjectAltName = (names: Partial<SubjectAltNames>, critical: boolean): Buffer =>
  encodeExtension(Oid.subjectAltName, critical, encodeSubjectAltNames(names));

/** SHA-1 of the public key's bits (RFC 5280 section 4.2.1.2, method 1); an identifier, not a protection. */
export function keyIdentifier(subjectPublicKeyInfo: Uint8Array): Buffer {
  const info = new DerReader(subjectPublicKeyInfo).enter(Tag.Sequence, 'the public key');
  info.next(Tag.Sequence, "the public key's algorithm");
  const bits = info.next(Tag.BitString, "the public key's bits").content;
  return crypto.createHash('sha1').update(bits.subarray(1)).digest();
}

export const subjectKeyIdentifier = (identifier: Uint8Array): Buffer =>
  encodeExtension(Oid.subjectKeyIdentifier, false, encodeOctetString(identifier));

export const authorityKeyIdentifier = (identifier: Uint8Array): Buffer =>
  encodeExtension(Oid.authorityKeyIdentifier, false, sequence(encode(contextTag(0, false), identifier)));
