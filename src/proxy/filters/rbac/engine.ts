import { RBAC_Action as Action, type RBAC } from '../../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { SupportTable } from '../../config/supported.ts';
import { METADATA_MATCHERS } from '../common/supported.ts';
import { anyPermission, anyPrincipal, type Subject, type Test } from './matchers.ts';

/** Messages that {@link rbacEngine} reads. Conditions in CEL and audit loggers are not among them. */
export const RBAC_RULES: SupportTable = {
  ...METADATA_MATCHERS,
  'envoy.config.rbac.v3.RBAC': ['action', 'policies'],
  'envoy.config.rbac.v3.Policy': ['permissions', 'principals'],
  'envoy.config.rbac.v3.Permission': [
    'and_rules',
    'or_rules',
    'any',
    'header',
    'url_path',
    'uri_template',
    'destination_ip',
    'destination_port',
    'destination_port_range',
    'metadata',
    'not_rule',
    'requested_server_name',
    'matcher',
  ],
  'envoy.config.rbac.v3.Permission.Set': ['rules'],
  'envoy.config.rbac.v3.Principal': [
    'and_ids',
    'or_ids',
    'any',
    'authenticated',
    'source_ip',
    'direct_remote_ip',
    'remote_ip',
    'header',
    'url_path',
    'metadata',
    'filter_state',
    'not_id',
  ],
  'envoy.config.rbac.v3.Principal.Set': ['ids'],
  'envoy.config.rbac.v3.Principal.Authenticated': ['principal_name'],
  'envoy.config.core.v3.CidrRange': ['address_prefix', 'prefix_len'],
  'envoy.type.v3.Int32Range': ['start', 'end'],
  'envoy.type.matcher.v3.PathMatcher': ['path'],
  'envoy.type.matcher.v3.FilterStateMatcher': ['key', 'string_match'],
};

export interface Verdict {
  readonly allowed: boolean;
  /** Name of the policy that matched, or empty. */
  readonly policy: string;
}

/** Policies and what a match of one of them means. */
export interface RbacEngine {
  /** For ALLOW and DENY; LOG, which lets everything pass, marks what is to be logged. */
  readonly action: 'allow' | 'deny' | 'log';
  /** The first policy, by name, that matches decides. */
  judge(subject: Subject): Verdict;
}

const ACTIONS: Readonly<Record<number, RbacEngine['action']>> = {
  [Action.ALLOW]: 'allow',
  [Action.DENY]: 'deny',
  [Action.LOG]: 'log',
};

/** Compiles rules; undefined for none, which is not the same as rules without a policy. */
export function rbacEngine(rules: RBAC | undefined, errors: ConfigErrors): RbacEngine | undefined {
  if (rules === undefined) return undefined;
  const action = ACTIONS[rules.action];
  if (action === undefined) errors.add('action', `${rules.action} is not an action`);
  const policies = Object.entries(rules.policies)
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, policy]) => {
      const at = errors.at('policies').at(`["${name}"]`);
      const permission = anyPermission(policy.permissions, at.at('permissions'));
      const principal = anyPrincipal(policy.principals, at.at('principals'));
      const matches: Test = (subject) => permission(subject) && principal(subject);
      return { name, matches };
    });
  return {
    action: action ?? 'deny',
    judge(subject) {
      const policy = policies.find(({ matches }) => matches(subject))?.name;
      const matched = policy !== undefined;
      return { allowed: action === 'log' || matched === (action === 'allow'), policy: policy ?? '' };
    },
  };
}

/** `%RESPONSE_CODE_DETAILS%` of a refusal. */
export function refusalDetails(policy: string): string {
  return `rbac_access_denied_matched_policy[${policy === '' ? 'none' : policy.replaceAll(/\s/g, '_')}]`;
}
