import type { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import type { Jwks } from './jwks.ts';
import { type Jwt, parseJwt } from './jwt.ts';
import type { FoundToken } from './locations.ts';
import type { Audiences, Provider } from './provider.ts';
import type { JwtStats } from './stats.ts';
import { JwtStatus } from './status.ts';

/** The request whose tokens are checked, and what comes of it. */
export interface VerificationContext {
  readonly headers: Headers;
  /** Seconds since 1970. */
  readonly now: number;
  readonly stats: JwtStats;
  /** Adds to the dynamic metadata of the request, once all is decided. */
  note(key: string, value: object): void;
  /** Routes are to be looked for again. */
  rerouted: boolean;
  /** Something goes on that has to be cancelled if the request ends. */
  track(call: Cancelable): void;
}

/** Which providers' tokens are meant, and what is let pass. */
export interface VerificationRules {
  /** The one provider; undefined where any may be meant, as the issuer of a token says. */
  readonly provider: Provider | undefined;
  readonly byIssuer: (issuer: string) => Provider | undefined;
  /** The provider of a filter that has but one: failures are told as its own. */
  readonly only: Provider | undefined;
  /** In place of the provider's own audiences. */
  readonly audiences: Audiences | undefined;
  readonly allowFailed: boolean;
  readonly allowMissing: boolean;
  /**
   * `allow_missing` is one of several requirements: then no token may be bad. On its own Envoy looks at all tokens, and
   * what counts is the one that it looks at last.
   */
  readonly amongOthers: boolean;
}

/** The end of one check, and the provider that was found responsible. */
type TokenDone = (status: JwtStatus, provider: Provider | undefined) => void;

/**
 * Checks the tokens of one request, the last one first. All have to be good: a good one must not bring a bad one past
 * this filter, to somebody who would take that one.
 */
export function verifyTokens(
  tokens: FoundToken[],
  rules: VerificationRules,
  context: VerificationContext,
  done: (status: JwtStatus) => void,
): void {
  const { allowFailed, allowMissing } = rules;
  const goesOn = allowFailed || (allowMissing && !rules.amongOthers);
  const fail = (status: JwtStatus, provider: Provider | undefined) => {
    const key = (provider ?? rules.only)?.proto.failedStatusInMetadata;
    if (key) context.note(key, { code: String(status.code), message: status.text });
  };
  if (tokens.length === 0) {
    fail(JwtStatus.Missed, undefined);
    done(allowFailed || allowMissing ? JwtStatus.Ok : JwtStatus.Missed);
    return;
  }
  const next = () => {
    const found = tokens.pop()!;
    verifyToken(found, rules, context, (status, provider) => {
      if (status !== JwtStatus.Ok) fail(status, provider);
      if ((status !== JwtStatus.Ok && !goesOn) || tokens.length === 0) done(allowFailed ? JwtStatus.Ok : status);
      else next();
    });
  };
  next();
}

function verifyToken(found: FoundToken, rules: VerificationRules, context: VerificationContext, done: TokenDone): void {
  const { provider: named } = rules;
  const cached = named && lookUp(named, found.token, context.stats);
  const jwt = cached ?? parseJwt(found.token);
  if ('code' in jwt) {
    done(jwt, named);
    return;
  }
  const provider = found.allowsIssuer(jwt.iss) ? (named ?? rules.byIssuer(jwt.iss)) : undefined;
  if (provider === undefined) {
    done(JwtStatus.UnknownIssuer, named);
    return;
  }
  const claims = provider.checkClaims(jwt, rules.audiences ?? provider.audiences, context.now);
  if (claims !== JwtStatus.Ok) {
    done(claims, provider);
    return;
  }
  const accept = () => {
    if (provider.apply(jwt, found, context.headers, context.note)) context.rerouted = true;
    done(JwtStatus.Ok, provider);
  };
  if (cached !== undefined) {
    accept();
    return;
  }
  const check = (keys: Jwks) => {
    const status = keys.verify(jwt);
    if (status === JwtStatus.Ok) {
      named?.verified?.add(found.token, jwt, keys);
      accept();
    } else done(status, provider);
  };
  const { keys, fetch } = provider.keys;
  if (keys !== undefined) check(keys);
  else if (fetch === undefined) done(JwtStatus.JwksNoValidKeys, provider);
  else {
    context.track(
      fetch((fetched) => {
        if (fetched === undefined) done(JwtStatus.JwksFetchFail, provider);
        else check(fetched);
      }),
    );
  }
}

/** A token that was verified before, with the keys that hold now. */
function lookUp({ verified, keys }: Provider, token: string, stats: JwtStats): Jwt | undefined {
  const jwt = verified?.get(token, keys.keys);
  if (jwt === undefined) stats.jwt_cache_miss++;
  else stats.jwt_cache_hit++;
  return jwt;
}
