import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { closest, didYouMean } from '../../schema/suggest.ts';
import { checkIpOrCidr } from '../../validation/hosts.ts';
import { checkPathTemplate } from '../../validation/path-templates.ts';
import { validateAttachment } from '../../validation/selectors.ts';
import type { AuthorizationPolicySpec, Condition, Operation, Rule, Source } from './schema.ts';

/** What Istio's validation refuses or warns about in an AuthorizationPolicy. */
export function validateAuthorizationPolicy(object: ConfigObject<AuthorizationPolicySpec>, report: Report): void {
  const { spec } = object;
  const at = report.at('spec');
  const { action = 'ALLOW', rules = [], provider } = spec;
  validateAttachment(spec, at);
  if ((action === 'DENY' || action === 'CUSTOM') && rules.length === 0) {
    at.error(
      `is required for action ${action}, which without rules never applies; [{}] applies to every request`,
      'rules',
    );
  }
  if (action === 'CUSTOM') {
    if (rules.length > 0 && !provider?.name) at.error('is required for action CUSTOM', 'provider', 'name');
  } else if (provider !== undefined) at.error(`must not be set for action ${action}, only for CUSTOM`, 'provider');
  for (const [i, rule] of rules.entries()) {
    const ruleAt = at.at('rules', i);
    validateRule(rule, ruleAt);
    if (action === 'CUSTOM') refuseForCustom(rule, ruleAt);
    if (action === 'DENY') warnOfTcp(rule, ruleAt);
  }
}

function validateRule(rule: Rule, report: Report): void {
  for (const [i, { source }] of (rule.from ?? []).entries()) {
    const at = report.at('from', i);
    if (source === undefined) at.error('is required', 'source');
    else validateSource(source, at.at('source'));
  }
  for (const [i, { operation }] of (rule.to ?? []).entries()) {
    const at = report.at('to', i);
    if (operation === undefined) at.error('is required', 'operation');
    else validateOperation(operation, at.at('operation'));
  }
  for (const [i, condition] of (rule.when ?? []).entries()) validateCondition(condition, report.at('when', i));
}

/** Refuses an object that has no values at all, and values that are empty. */
function validateLists(lists: Readonly<Record<string, readonly string[] | undefined>>, report: Report): void {
  const all = Object.entries(lists);
  if (all.every(([, values]) => (values ?? []).length === 0)) report.error('must have at least one field with values');
  for (const [field, values = []] of all) {
    for (const [i, value] of values.entries()) if (value === '') report.error('must not be empty', field, i);
  }
}

function isSet(values: readonly string[] | undefined): boolean {
  return values !== undefined && values.length > 0;
}

function validateSource(source: Source, report: Report): void {
  validateLists(source, report);
  for (const field of ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const) {
    for (const [i, block] of (source[field] ?? []).entries())
      if (block !== '') report.check(checkIpOrCidr(block), field, i);
  }
  for (const field of ['serviceAccounts', 'notServiceAccounts'] as const) {
    for (const [i, account] of (source[field] ?? []).entries()) report.check(checkServiceAccount(account), field, i);
  }
  for (const field of ['trustDomains', 'notTrustDomains'] as const) {
    for (const [i, domain] of (source[field] ?? []).entries()) report.check(checkTrustDomain(domain), field, i);
  }
  const hasAccounts = isSet(source.serviceAccounts) || isSet(source.notServiceAccounts);
  const others = (['principals', 'notPrincipals', 'namespaces', 'notNamespaces'] as const).filter((f) =>
    isSet(source[f]),
  );
  if (hasAccounts && others.length > 0) report.error(`must not have ${others.join(' and ')} beside service accounts`);
}

function checkServiceAccount(account: string): string | undefined {
  if (account.includes('*')) return 'must not have a wildcard';
  const parts = account.split('/');
  if (parts.length === 1 || (parts.length === 2 && !parts.includes(''))) return undefined;
  return `must be a service account or namespace/account, not ${JSON.stringify(account)}`;
}

function checkTrustDomain(domain: string): string | undefined {
  if (domain.includes('/')) return `must be a trust domain, without a slash, not ${JSON.stringify(domain)}`;
  if (/^\*?[^*]*$|^[^*]*\*$/.test(domain)) return undefined;
  return `may have one wildcard, at its beginning or end, not ${JSON.stringify(domain)}`;
}

function validateOperation(operation: Operation, report: Report): void {
  validateLists(operation, report);
  for (const field of ['ports', 'notPorts'] as const) {
    for (const [i, port] of (operation[field] ?? []).entries())
      if (port !== '') report.check(checkPortText(port), field, i);
  }
  for (const field of ['paths', 'notPaths'] as const) {
    for (const [i, path] of (operation[field] ?? []).entries()) report.check(checkPathTemplate(path), field, i);
  }
}

function checkPortText(port: string): string | undefined {
  if (/^\d+$/.test(port) && Number(port) <= 65535) return undefined;
  return `must be a port number, not ${JSON.stringify(port)}`;
}

type ValueCheck = (value: string) => string | undefined;

/** Attributes of `when`, and what their values have to be. */
const ATTRIBUTES = new Map<string, ValueCheck | undefined>([
  ['source.ip', checkIpOrCidr],
  ['remote.ip', checkIpOrCidr],
  ['source.namespace', undefined],
  ['source.serviceAccount', checkServiceAccount],
  ['source.principal', undefined],
  ['source.trustDomain', checkTrustDomain],
  ['request.auth.principal', undefined],
  ['request.auth.audiences', undefined],
  ['request.auth.presenter', undefined],
  ['destination.ip', checkIpOrCidr],
  ['destination.port', checkPortText],
  ['connection.sni', undefined],
]);

/** Attributes that take a key in brackets. */
const KEYED_ATTRIBUTES = ['request.headers', 'request.auth.claims', 'experimental.envoy.filters.'];

/** Attributes of the API before v1beta1, and what to write instead. */
const OLD_ATTRIBUTES: readonly (readonly [prefix: string, instead: string])[] = [
  ['destination.labels', 'use the selector of the policy'],
  ['destination.namespace', 'put the policy into that namespace'],
  ['destination.name', 'use the selector of the policy'],
  ['destination.user', 'use the selector of the policy'],
];

function validateCondition(condition: Condition, report: Report): void {
  const { key, values = [], notValues = [] } = condition;
  if (key === '') {
    report.error('must not be empty', 'key');
    return;
  }
  if (values.length + notValues.length === 0) {
    report.error('must have values or notValues');
    return;
  }
  for (const field of ['values', 'notValues'] as const) {
    for (const [i, value] of (condition[field] ?? []).entries())
      if (value === '') report.error('must not be empty', field, i);
  }
  if (KEYED_ATTRIBUTES.some((prefix) => key.startsWith(prefix))) {
    const open = key.indexOf('[');
    if (!(key.endsWith(']') && open > 0 && open < key.length - 2)) {
      report.error(`must be of the form ${key.replace(/\[.*/, '')}[name], not ${JSON.stringify(key)}`, 'key');
    }
    return;
  }
  if (!ATTRIBUTES.has(key)) {
    const old = OLD_ATTRIBUTES.find(([prefix]) => key.startsWith(prefix));
    const guess = didYouMean(closest(key, [...ATTRIBUTES.keys()]));
    report.error(
      old === undefined ? `is not an attribute: ${key}${guess}` : `is no longer an attribute: ${key}; ${old[1]}`,
      'key',
    );
    return;
  }
  const check = ATTRIBUTES.get(key);
  if (check === undefined) return;
  for (const field of ['values', 'notValues'] as const) {
    for (const [i, value] of (condition[field] ?? []).entries()) if (value !== '') report.check(check(value), field, i);
  }
}

/** An external authorizer decides before identities of this kind are known to Envoy's filter. */
const NOT_FOR_CUSTOM = [
  'namespaces',
  'notNamespaces',
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
] as const;

const CONDITIONS_NOT_FOR_CUSTOM = new Set([
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
]);

function refuseForCustom(rule: Rule, report: Report): void {
  for (const [i, { source }] of (rule.from ?? []).entries()) {
    for (const field of NOT_FOR_CUSTOM) {
      if (isSet(source?.[field])) report.error('is not supported for action CUSTOM', 'from', i, 'source', field);
    }
  }
  for (const [i, { key }] of (rule.when ?? []).entries()) {
    if (CONDITIONS_NOT_FOR_CUSTOM.has(key) || key.startsWith('request.auth.')) {
      report.error(`is not supported for action CUSTOM: ${key}`, 'when', i, 'key');
    }
  }
}

const TCP_SOURCE_FIELDS = [
  'principals',
  'notPrincipals',
  'ipBlocks',
  'notIpBlocks',
  'namespaces',
  'notNamespaces',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
] as const;

/** On a TCP port the parts of a rule that are about HTTP cannot be told, so a DENY rule of nothing else denies all. */
function warnOfTcp(rule: Rule, report: Report): void {
  const sources = (rule.from ?? []).map((f) => f.source).filter((s) => s !== undefined);
  const operations = (rule.to ?? []).map((t) => t.operation).filter((o) => o !== undefined);
  const sourceTellsTcp = sources.some((s) => TCP_SOURCE_FIELDS.some((field) => s[field] !== undefined));
  const operationTellsTcp = operations.some((o) => o.ports !== undefined || o.notPorts !== undefined);
  const httpOnly =
    (sources.length > 0 && operations.length === 0 && !sourceTellsTcp) || (operations.length > 0 && !operationTellsTcp);
  if (httpOnly) report.warning('is about HTTP only, so on TCP ports it denies everything; say which ports it is for');
}
