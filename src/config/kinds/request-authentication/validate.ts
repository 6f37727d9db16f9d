import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkClaimHeader } from '../../validation/headers.ts';
import { validateJwks } from '../../validation/jwks.ts';
import { checkDuration } from '../../validation/scalars.ts';
import { validateAttachment } from '../../validation/selectors.ts';
import { checkJwksUri } from '../../validation/urls.ts';
import type { JwtRule, RequestAuthenticationSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a RequestAuthentication. */
export function validateRequestAuthentication({ spec }: ConfigObject<RequestAuthenticationSpec>, report: Report): void {
  const at = report.at('spec');
  validateAttachment(spec, at);
  for (const [i, rule] of (spec.jwtRules ?? []).entries()) validateJwtRule(rule, at.at('jwtRules', i));
}

function validateJwtRule(rule: JwtRule, report: Report): void {
  if (!rule.issuer && !rule.jwksUri) report.error('must have an issuer or a jwksUri');
  for (const field of ['audiences', 'fromParams', 'fromCookies'] as const) {
    for (const [i, value] of (rule[field] ?? []).entries())
      if (value === '') report.error('must not be empty', field, i);
  }
  if (rule.jwksUri) report.check(checkJwksUri(rule.jwksUri), 'jwksUri');
  if (rule.jwks) validateJwks(rule.jwks, report.at('jwks'));
  for (const [i, header] of (rule.fromHeaders ?? []).entries()) {
    if (!header.name) report.error('is required', 'fromHeaders', i, 'name');
  }
  for (const [i, { header, claim }] of (rule.outputClaimToHeaders ?? []).entries()) {
    const at = report.at('outputClaimToHeaders', i);
    if (!claim) at.error('is required', 'claim');
    if (!header) at.error('is required', 'header');
    else at.check(checkClaimHeader(header), 'header');
  }
  if (rule.timeout !== undefined) report.check(checkDuration(rule.timeout), 'timeout');
}
