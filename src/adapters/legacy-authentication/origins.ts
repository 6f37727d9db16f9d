import type { Rule } from '../../config/kinds/authorization-policy/schema.ts';
import type { LegacyJwt, PathMatch, PolicySpec, TriggerRule } from '../../config/kinds/policy/schema.ts';
import type { JwtRule } from '../../config/kinds/request-authentication/schema.ts';

/** What a policy asks of requests. */
export interface Origins {
  readonly jwtRules: readonly JwtRule[];
  /** Rules of an AuthorizationPolicy that refuses what has no valid token; undefined where none is needed. */
  readonly refused: readonly Rule[] | undefined;
}

/** The `origins` of a policy; undefined without any. `ports` are those of the workload that it is about, or undefined for all. */
export function originsOf(
  { origins = [], originIsOptional }: PolicySpec,
  ports: readonly number[] | undefined,
): Origins | undefined {
  const methods = origins.flatMap(({ jwt }) => jwt ?? []);
  if (methods.length === 0 || ports?.length === 0) return undefined;
  const jwtRules = methods.map(jwtRule);
  if (originIsOptional) return { jwtRules, refused: undefined };
  const from = [{ source: { notRequestPrincipals: methods.map(({ issuer }) => `${issuer}/*`) } }];
  const onPorts = ports === undefined ? {} : { ports: ports.map(String) };
  const triggers = methods[0]?.triggerRules ?? [];
  const operations = triggers.length === 0 ? [onPorts] : triggers.map((rule) => ({ ...onPorts, ...pathsOf(rule) }));
  const refused = operations.map((operation) =>
    Object.keys(operation).length === 0 ? { from } : { from, to: [{ operation }] },
  );
  return { jwtRules, refused };
}

function jwtRule({ issuer, audiences, jwksUri, jwks, jwtHeaders, jwtParams }: LegacyJwt): JwtRule {
  return {
    issuer,
    ...(audiences === undefined ? {} : { audiences }),
    ...(jwksUri === undefined ? {} : { jwksUri }),
    ...(jwks === undefined ? {} : { jwks }),
    ...(jwtHeaders === undefined ? {} : { fromHeaders: jwtHeaders.map((name) => ({ name })) }),
    ...(jwtParams === undefined ? {} : { fromParams: jwtParams }),
    // Programs of that time read the token themselves.
    forwardOriginalToken: true,
  };
}

/** Paths for which a rule asks for a token: all that it includes, but those that it excludes. */
function pathsOf({ includedPaths = [], excludedPaths = [] }: TriggerRule): { paths?: string[]; notPaths?: string[] } {
  return {
    ...(includedPaths.length === 0 ? {} : { paths: includedPaths.map(pattern) }),
    ...(excludedPaths.length === 0 ? {} : { notPaths: excludedPaths.map(pattern) }),
  };
}

function pattern({ exact, prefix, suffix }: PathMatch): string {
  if (prefix !== undefined) return `${prefix}*`;
  return suffix === undefined ? (exact ?? '') : `*${suffix}`;
}
