import { isDeepStrictEqual } from 'node:util';
import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateJwks } from '../../validation/jwks.ts';
import { isDnsLabel } from '../../validation/names.ts';
import { checkPort } from '../../validation/ports.ts';
import { checkJwksUri } from '../../validation/urls.ts';
import type { LegacyJwt, PathMatch, PolicySpec } from './schema.ts';

/** The rules for a Policy: what Istio 1.4 refused, and what the kinds that took its place cannot say. */
export function validatePolicy({ metadata, spec }: ConfigObject<PolicySpec>, report: Report): void {
  const at = report.at('spec');
  const targets = spec.targets ?? [];
  if (targets.length === 0 && metadata.name !== 'default') {
    report.error('must be "default" for a policy without targets: a namespace has only one', 'metadata', 'name');
  }
  if (targets.length > 0 && metadata.name === 'default') {
    at.error('must not be set in the policy named "default", which is for the whole namespace', 'targets');
  }
  for (const [i, { name, ports }] of targets.entries()) {
    const target = at.at('targets', i);
    if (!isDnsLabel(name)) {
      target.error(`must be the short name of a service of the namespace, not ${JSON.stringify(name)}`, 'name');
    }
    for (const [p, port] of (ports ?? []).entries()) {
      if ((port.number === undefined) === (port.name === undefined)) {
        target.error('must have either a number or a name', 'ports', p);
      } else if (port.number !== undefined) target.check(checkPort(port.number), 'ports', p, 'number');
    }
  }
  validateAuthentication(spec, at);
}

/** The rules for a MeshPolicy, which is a Policy for every service of the mesh. */
export function validateMeshPolicy({ metadata, spec }: ConfigObject<PolicySpec>, report: Report): void {
  if (metadata.name !== 'default') report.error('must be "default": a mesh has only one', 'metadata', 'name');
  const at = report.at('spec');
  if (spec.targets !== undefined) at.error('has no meaning in a MeshPolicy, which is for every service', 'targets');
  validateAuthentication(spec, at);
}

function validateAuthentication(spec: PolicySpec, report: Report): void {
  const { peers = [], origins = [] } = spec;
  for (const [i, { mtls, jwt }] of peers.entries()) {
    const at = report.at('peers', i);
    if (jwt !== undefined) at.error('is not supported: no version of Istio authenticated peers by JWT', 'jwt');
    if (mtls?.allowTls !== undefined) at.warning('is deprecated; mode: PERMISSIVE says the same', 'mtls', 'allowTls');
  }
  if (peers.length > 1) report.error('must have one method at most', 'peers');
  if (spec.principalBinding === 'USE_ORIGIN') {
    report.warning(
      'has no effect: AuthorizationPolicy has principals for peers and requestPrincipals for origins',
      'principalBinding',
    );
  }
  for (const [i, { jwt }] of origins.entries()) {
    if (jwt === undefined) report.error('is required', 'origins', i, 'jwt');
    else validateJwt(jwt, report.at('origins', i, 'jwt'));
    // What is asked of a request is one condition; with rules of their own for each there would be no saying it.
    if (!isDeepStrictEqual(jwt?.triggerRules ?? [], origins[0]?.jwt?.triggerRules ?? [])) {
      report.error('must be the same for all origins of a policy', 'origins', i, 'jwt', 'triggerRules');
    }
  }
}

function validateJwt(jwt: LegacyJwt, report: Report): void {
  if (!jwt.issuer) report.error('is required', 'issuer');
  for (const field of ['audiences', 'jwtHeaders', 'jwtParams'] as const) {
    for (const [i, value] of (jwt[field] ?? []).entries()) {
      if (value === '') report.error('must not be empty', field, i);
    }
  }
  if (jwt.jwksUri) report.check(checkJwksUri(jwt.jwksUri), 'jwksUri');
  if (jwt.jwks) validateJwks(jwt.jwks, report.at('jwks'));
  for (const [i, rule] of (jwt.triggerRules ?? []).entries()) {
    for (const field of ['excludedPaths', 'includedPaths'] as const) {
      for (const [p, match] of (rule[field] ?? []).entries()) {
        validatePath(match, report.at('triggerRules', i, field, p));
      }
    }
  }
}

function validatePath(match: PathMatch, report: Report): void {
  if (Object.values(match).filter((value) => value !== undefined).length !== 1) {
    report.error('must have exactly one of exact, prefix, suffix');
  }
  if (match.regex !== undefined) {
    report.error('is not supported: a path of an AuthorizationPolicy is exact, a prefix or a suffix', 'regex');
  }
  for (const [field, value] of Object.entries(match)) {
    if (value === '') report.error('must not be empty', field);
    else if (value?.includes('*')) report.error('must not have a wildcard', field);
  }
}
