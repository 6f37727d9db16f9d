import crypto, { type KeyObject } from 'node:crypto';
import { DerError, DerReader, readBitString, readOid, Tag } from '../../base/der.ts';
import { messageOf } from '../../base/errors.ts';
import { Oid } from './oids.ts';

/**
 * Reads a SubjectPublicKeyInfo that a stranger sent, in exactly one encoding per key, so that its bytes can go into
 * a certificate as they are: curves by name, points uncompressed (RFC 5480 section 2.2 lets others refuse anything
 * else), RSA with NULL parameters (RFC 3279 section 2.3.1). OpenSSL alone would take more than BoringSSL and Go do.
 * Throws a {@link DerError}.
 */
export function readPublicKey(bytes: Uint8Array): KeyObject {
  const outer = new DerReader(bytes);
  const info = outer.enter(Tag.Sequence, 'the public key');
  outer.end('the public key');
  const algorithm = info.enter(Tag.Sequence, "the public key's algorithm");
  const bits = readBitString(info.next(Tag.BitString, "the public key's bits"), "the public key's bits");
  info.end('the public key');
  const oid = readOid(algorithm.next(Tag.ObjectIdentifier, "the public key's algorithm"), "the public key's algorithm");
  switch (oid) {
    case Oid.ecPublicKey:
      if (!algorithm.optional(Tag.ObjectIdentifier, 'the curve'))
        throw new DerError('an elliptic curve with explicit parameters is not allowed');
      if (bits[0] !== UNCOMPRESSED) throw new DerError('an elliptic curve point that is compressed is not allowed');
      break;
    case Oid.rsaEncryption:
      algorithm.next(Tag.Null, 'the parameters of an RSA key');
      requireRsaNumbers(bits);
      break;
    case Oid.ed25519:
      break;
    default:
      throw new DerError(`keys of type ${oid} are not allowed`);
  }
  algorithm.end("the public key's algorithm");
  try {
    return crypto.createPublicKey({ key: bytes as Buffer, format: 'der', type: 'spki' });
  } catch (error) {
    throw new DerError(`the public key cannot be used (${messageOf(error)})`);
  }
}

const UNCOMPRESSED = 4;

function requireRsaNumbers(bits: Uint8Array): void {
  const outer = new DerReader(bits);
  const numbers = outer.enter(Tag.Sequence, 'the RSA key');
  outer.end('the RSA key');
  for (const name of ['the modulus', 'the public exponent']) {
    const { content } = numbers.next(Tag.Integer, name);
    if (content.length === 0 || content[0] >= 0x80) throw new DerError(`${name} is not positive`);
    if (content.length > 1 && content[0] === 0 && content[1] < 0x80)
      throw new DerError(`${name} is not in its shortest form`);
  }
  numbers.end('the RSA key');
}
