import { createPublicKey, type webcrypto } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import type { Report } from '../report.ts';
import { isRecord } from '../schema/index.ts';

/** The rules for a key set that stands in the configuration: keys that can be read, and no private ones. */
export function validateJwks(text: string, report: Report): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    report.error('must be a JSON Web Key Set, and is not even JSON');
    return;
  }
  if (!isRecord(parsed)) {
    report.error('must be a JSON Web Key Set, an object with keys');
    return;
  }
  // One key alone is accepted too.
  const keys = Array.isArray(parsed.keys) ? parsed.keys : [parsed];
  for (const [i, key] of keys.entries()) {
    const wrong = checkKey(key);
    if (wrong !== undefined) report.error(`has a key (number ${i}) that ${wrong}`);
    else if (isPrivate(key))
      report.warning(
        `has a private key (number ${i}), which everyone who reads this can use; only the public part is needed`,
      );
  }
}

function isPrivate(key: unknown): boolean {
  return isRecord(key) && (key.kty === 'oct' || key.d !== undefined);
}

function checkKey(key: unknown): string | undefined {
  if (!isRecord(key)) return 'is not an object';
  switch (key.kty) {
    case 'oct':
      return typeof key.k === 'string' ? undefined : 'has no k';
    case 'RSA':
    case 'EC':
    case 'OKP':
      try {
        const { d: _, ...publicPart } = key;
        createPublicKey({ key: publicPart as webcrypto.JsonWebKey, format: 'jwk' });
        return undefined;
      } catch (error) {
        return `cannot be read: ${messageOf(error)}`;
      }
    default:
      return `has the type ${JSON.stringify(key.kty)}, not RSA, EC, OKP or oct`;
  }
}
