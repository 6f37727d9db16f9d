import type { JwtProvider } from '../../../api/gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts';
import { wireForm } from '../../../base/bytes.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { type StringTest, stringTest } from '../../router/string-match.ts';
import type { Jwt } from './jwt.ts';
import type { KeySource } from './key-source.ts';
import type { FoundToken } from './locations.ts';
import { JwtStatus } from './status.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** Audiences that are taken; none named means any. */
export class Audiences {
  readonly #names: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.#names = new Set(names.map(bareAudience));
  }

  allow(audiences: readonly string[]): boolean {
    return this.#names.size === 0 || audiences.some((one) => this.#names.has(bareAudience(one)));
  }
}

/** The scheme and a slash at the end do not count. */
function bareAudience(audience: string): string {
  return audience.replace(/^https?:\/\//, '').replace(/\/$/, '');
}

const DEFAULT_CLOCK_SKEW = 60;

/** An issuer of tokens and what becomes of its tokens, compiled from a JwtProvider. */
export class Provider {
  readonly name: string;
  readonly proto: JwtProvider;
  readonly issuer: string;
  readonly keys: KeySource;
  readonly audiences: Audiences;
  readonly verified: VerifiedTokens | undefined;
  readonly #subjects: StringTest | undefined;
  readonly #clockSkew: number;
  /** Seconds that a token may have left, or undefined for any time. */
  readonly #maxLifetime: number | undefined;

  constructor(name: string, proto: JwtProvider, keys: KeySource, errors: ConfigErrors) {
    this.name = name;
    this.proto = proto;
    this.issuer = proto.issuer;
    this.keys = keys;
    this.audiences = new Audiences(proto.audiences);
    this.#subjects = proto.subjects && stringTest(proto.subjects, errors.at('subjects'));
    this.#clockSkew = proto.clockSkewSeconds || DEFAULT_CLOCK_SKEW;
    if (proto.maxLifetime !== undefined) this.#maxLifetime = durationMs(proto.maxLifetime, 0) / 1000;
    else this.#maxLifetime = proto.requireExpiration ? Number.POSITIVE_INFINITY : undefined;
    this.verified = proto.jwtCacheConfig && new VerifiedTokens(proto.jwtCacheConfig.jwtCacheSize || 100);
  }

  /** Everything but the signature. `now` in seconds since 1970. */
  checkClaims(jwt: Jwt, audiences: Audiences, now: number): JwtStatus {
    if (now + this.#clockSkew < jwt.nbf) return JwtStatus.NotYetValid;
    if (jwt.exp !== 0 && now > jwt.exp + this.#clockSkew) return JwtStatus.Expired;
    if (!audiences.allow(jwt.audiences)) return JwtStatus.AudienceNotAllowed;
    if (this.#subjects !== undefined && !this.#subjects(wireForm(jwt.sub))) return JwtStatus.VerificationFail;
    if (this.#maxLifetime !== undefined) {
      if (jwt.exp === 0 || jwt.exp - now >= this.#maxLifetime) return JwtStatus.VerificationFail;
    }
    return JwtStatus.Ok;
  }

  /**
   * Puts what a verified token says where the request is to carry it. Says whether routes have to be looked for again.
   */
  apply(jwt: Jwt, found: FoundToken, headers: Headers, note: (key: string, value: object) => void): boolean {
    const { proto } = this;
    if (proto.forwardPayloadHeader !== '') {
      const padding = proto.padForwardPayloadHeader ? '='.repeat((4 - (jwt.encodedPayload.length % 4)) % 4) : '';
      headers.add(proto.forwardPayloadHeader.toLowerCase(), jwt.encodedPayload + padding);
    }
    let added = false;
    for (const { claimName, headerName } of proto.claimToHeaders) {
      const value = claimText(claimAt(jwt.payload, claimName));
      if (value === undefined) continue;
      headers.add(headerName.toLowerCase(), value);
      added = true;
    }
    if (!proto.forward) found.remove(headers);
    if (proto.headerInMetadata !== '') note(proto.headerInMetadata, jwt.header);
    if (proto.payloadInMetadata !== '') note(proto.payloadInMetadata, this.#normalized(jwt.payload));
    return proto.clearRouteCache && (added || proto.payloadInMetadata !== '');
  }

  /** Claims such as `scope` become lists of their words. */
  #normalized(payload: Jwt['payload']): object {
    const claims = this.proto.normalizePayloadInMetadata?.spaceDelimitedClaims ?? [];
    const changed = claims.filter((name) => Object.hasOwn(payload, name) && typeof payload[name] === 'string');
    if (changed.length === 0) return payload;
    const copy: Record<string, unknown> = { ...payload };
    for (const name of changed) copy[name] = (payload[name] as string).split(' ').filter((word) => word !== '');
    return copy;
  }
}

/** A claim by a name such as `a.b`, which goes into objects. */
function claimAt(payload: Jwt['payload'], name: string): unknown {
  let value: unknown = payload;
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** A claim as the value of a header; undefined for what cannot be one. */
function claimText(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      // What would end the header must not come out of a token.
      return value === '' || /[\0\r\n]/.test(value) ? undefined : wireForm(value);
    case 'number':
      return value >= 0 && value < 2 ** 64 && Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(6);
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? undefined : Buffer.from(protobufJson(value)).toString('base64');
    default:
      return undefined;
  }
}

/** JSON as Envoy's protobuf library writes it: what could end a script in HTML is escaped. */
function protobufJson(value: object): string {
  return JSON.stringify(value).replaceAll(/[<>]/g, (c) => (c === '<' ? '\\u003c' : '\\u003e'));
}
