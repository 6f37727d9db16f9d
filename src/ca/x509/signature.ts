import crypto, { type KeyObject } from 'node:crypto';
import { Oid } from './oids.ts';

interface Algorithm {
  readonly keyType: string;
  /** Null where the scheme has its own. */
  readonly hash: string | null;
}

/** None with a hash that can be made to collide. */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  [Oid.ecdsaWithSha256]: { keyType: 'ec', hash: 'sha256' },
  [Oid.ecdsaWithSha384]: { keyType: 'ec', hash: 'sha384' },
  [Oid.ecdsaWithSha512]: { keyType: 'ec', hash: 'sha512' },
  [Oid.sha256WithRsa]: { keyType: 'rsa', hash: 'sha256' },
  [Oid.sha384WithRsa]: { keyType: 'rsa', hash: 'sha384' },
  [Oid.sha512WithRsa]: { keyType: 'rsa', hash: 'sha512' },
  [Oid.ed25519]: { keyType: 'ed25519', hash: null },
};

/**
 * Verifies a signature by its algorithm's object identifier. Undefined if this is none of the algorithms that are known
 * here, or none that goes with the key.
 */
export function verifySignature(
  algorithm: string,
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean | undefined {
  const known = ALGORITHMS[algorithm];
  if (known === undefined || known.keyType !== key.asymmetricKeyType) return undefined;
  return crypto.verify(known.hash, data, key, signature);
}
