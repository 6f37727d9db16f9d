import { UserError } from '../../base/errors.ts';
import { KEY_TYPES, type KeyType } from '../x509/keys.ts';

/** What pilot-agent's environment variables say about certificates; absent where a variable is. */
export interface CertificateEnvironment {
  /** `SECRET_TTL`, milliseconds. */
  readonly ttlMs?: number;
  /** `SECRET_GRACE_PERIOD_RATIO` and `SECRET_GRACE_PERIOD_RATIO_JITTER`. */
  readonly gracePeriodRatio?: number;
  readonly gracePeriodRatioJitter?: number;
  /** `ECC_SIGNATURE_ALGORITHM` with `ECC_CURVE`, or `WORKLOAD_RSA_KEY_SIZE`. */
  readonly keyType?: KeyType;
  /** `OUTPUT_CERTS` and `PROV_CERT`. */
  readonly outputDir?: string;
  readonly provisionedDir?: string;
  /** `FILE_MOUNTED_CERTS`. */
  readonly fileMounted: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the variables; a UserError names the one that is wrong. */
export function certificateEnvironment(env: Environment): CertificateEnvironment {
  return {
    ttlMs: read(env, 'SECRET_TTL', parseDuration, 'a duration such as 24h0m0s'),
    gracePeriodRatio: read(env, 'SECRET_GRACE_PERIOD_RATIO', parseRatio, 'a number from 0 to 1'),
    gracePeriodRatioJitter: read(env, 'SECRET_GRACE_PERIOD_RATIO_JITTER', parseRatio, 'a number from 0 to 1'),
    keyType: keyType(env),
    outputDir: env.OUTPUT_CERTS || undefined,
    provisionedDir: env.PROV_CERT || undefined,
    fileMounted: read(env, 'FILE_MOUNTED_CERTS', parseBoolean, 'true or false') ?? false,
  };
}

function read<T>(env: Environment, name: string, parse: (text: string) => T | undefined, form: string): T | undefined {
  const text = env[name];
  if (!text) return undefined;
  const value = parse(text);
  if (value === undefined) throw new UserError(`The environment variable ${name} must be ${form}, not "${text}".`);
  return value;
}

function keyType(env: Environment): KeyType | undefined {
  const oneOf = (prefix: string) => (text: string) => KEY_TYPES.find((t) => t === `${prefix}-${text.toLowerCase()}`);
  const ecc = read(env, 'ECC_SIGNATURE_ALGORITHM', (text) => (text === 'ECDSA' ? text : undefined), 'ECDSA');
  const curve = read(env, 'ECC_CURVE', oneOf('ecdsa'), 'P256 or P384');
  if (ecc) return curve ?? 'ecdsa-p256';
  return read(env, 'WORKLOAD_RSA_KEY_SIZE', oneOf('rsa'), '2048, 3072 or 4096');
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** A duration as Go writes it, positive, in milliseconds. */
function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) ms += Number(amount) * UNITS[unit];
  return ms > 0 ? ms : undefined;
}

function parseRatio(text: string): number | undefined {
  const value = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= 0 && value <= 1 ? value : undefined;
}

/** The spellings of Go's `strconv.ParseBool`. */
function parseBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined;
}
