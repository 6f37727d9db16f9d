import { JwtStatus } from './status.ts';

/** Algorithms that a token may be signed with. */
export type JwtAlgorithm = `${'RS' | 'PS' | 'ES' | 'HS'}${'256' | '384' | '512'}` | 'EdDSA';

/** A token that was taken apart; nothing about it has been verified. */
export interface Jwt {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly alg: JwtAlgorithm;
  /** Empty if there is none. */
  readonly kid: string;
  readonly iss: string;
  readonly sub: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; 0 if there is none. */
  readonly nbf: number;
  readonly exp: number;
  /** Payload as it came, in base64url. */
  readonly encodedPayload: string;
  /** What the signature is over. */
  readonly signed: string;
  readonly signature: Buffer;
}

const ALGORITHMS = /^(?:[RPEH]S(?:256|384|512)|EdDSA)$/;

/** Reads a token in its compact form (RFC 7515 section 7.1), or says what is wrong with it. */
export function parseJwt(token: string): Jwt | JwtStatus {
  const parts = token.split('.');
  if (parts.length !== 3 || parts.includes('')) return JwtStatus.BadFormat;
  const [encodedHeader, encodedPayload, encodedSignature] = parts;
  const headerBytes = decodeBase64Url(encodedHeader);
  if (headerBytes === undefined) return JwtStatus.HeaderBadBase64;
  const header = parseObject(headerBytes);
  if (header === undefined) return JwtStatus.HeaderBadJson;
  const { alg } = header;
  if (typeof alg !== 'string') return JwtStatus.HeaderBadAlg;
  if (!ALGORITHMS.test(alg)) return JwtStatus.HeaderNotImplementedAlg;
  const kid = text(header, 'kid');
  if (kid === undefined) return JwtStatus.HeaderBadKid;
  const payloadBytes = decodeBase64Url(encodedPayload);
  if (payloadBytes === undefined) return JwtStatus.PayloadBadBase64;
  const payload = parseObject(payloadBytes);
  if (payload === undefined) return JwtStatus.PayloadBadJson;
  const claims = readClaims(payload);
  if ('code' in claims) return claims;
  const signature = decodeBase64Url(encodedSignature);
  if (signature === undefined) return JwtStatus.SignatureBadBase64;
  return {
    header,
    payload,
    alg: alg as JwtAlgorithm,
    kid,
    ...claims,
    encodedPayload,
    signed: `${encodedHeader}.${encodedPayload}`,
    signature,
  };
}

type Claims = Pick<Jwt, 'iss' | 'sub' | 'audiences' | 'nbf' | 'exp'>;

function readClaims(payload: Readonly<Record<string, unknown>>): Claims | JwtStatus {
  const iss = text(payload, 'iss');
  if (iss === undefined) return JwtStatus.IssNotString;
  const sub = text(payload, 'sub');
  if (sub === undefined) return JwtStatus.SubNotString;
  const iat = seconds(payload, 'iat', JwtStatus.IatNotInteger, JwtStatus.IatOutOfRange);
  if (typeof iat !== 'number') return iat;
  const nbf = seconds(payload, 'nbf', JwtStatus.NbfNotInteger, JwtStatus.NbfOutOfRange);
  if (typeof nbf !== 'number') return nbf;
  const exp = seconds(payload, 'exp', JwtStatus.ExpNotInteger, JwtStatus.ExpOutOfRange);
  if (typeof exp !== 'number') return exp;
  if (text(payload, 'jti') === undefined) return JwtStatus.JtiNotString;
  const audiences = audiencesOf(payload);
  if (audiences === undefined) return JwtStatus.AudNotString;
  return { iss, sub, audiences, nbf, exp };
}

/** A member that is a string; empty if it is not there, undefined if it is something else. */
function text(object: Readonly<Record<string, unknown>>, name: string): string | undefined {
  if (!Object.hasOwn(object, name)) return '';
  const value = object[name];
  return typeof value === 'string' ? value : undefined;
}

function seconds(
  payload: Readonly<Record<string, unknown>>,
  name: string,
  notInteger: JwtStatus,
  outOfRange: JwtStatus,
): number | JwtStatus {
  if (!Object.hasOwn(payload, name)) return 0;
  const value = payload[name];
  if (typeof value !== 'number') return notInteger;
  if (value < 0 || value >= 2 ** 64) return outOfRange;
  return Math.floor(value);
}

function audiencesOf(payload: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  if (!Object.hasOwn(payload, 'aud')) return [];
  const value = payload.aud;
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
}

/** Strict, unlike Node's: other characters, impossible lengths and wrong padding are an error. */
export function decodeBase64Url(encoded: string): Buffer | undefined {
  const bare = encoded.replace(/={1,2}$/, '');
  if (!/^[A-Za-z0-9_-]*$/.test(bare) || bare.length % 4 === 1) return undefined;
  if (bare.length !== encoded.length && encoded.length % 4 !== 0) return undefined;
  return Buffer.from(bare, 'base64url');
}

function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
