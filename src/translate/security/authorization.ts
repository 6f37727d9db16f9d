import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type Policy, RBAC_Action, type RBACSchema } from '../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import { ExtAuthzSchema as HttpExtAuthzSchema } from '../../api/gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts';
import { RBACSchema as HttpRbacSchema } from '../../api/gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts';
import { ExtAuthzSchema as TcpExtAuthzSchema } from '../../api/gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { RBACSchema as TcpRbacSchema } from '../../api/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts';
import type { AuthorizationPolicySpec } from '../../config/kinds/authorization-policy/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { Memo } from '../memo.ts';
import { filter } from '../proto/any.ts';
import type { ProxyView } from '../proxy-view.ts';
import {
  EXT_AUTHZ_PREFIX,
  EXT_AUTHZ_SHADOW_PREFIX,
  extAuthzOf,
  HTTP_RBAC_FILTER,
  TCP_RBAC_FILTER,
} from './ext-authz.ts';
import { NEVER, policyOfRule } from './rule.ts';

type AuthorizationPolicy = ConfigObject<AuthorizationPolicySpec>;
type Rbac = MessageInitShape<typeof RBACSchema> & object;

/** The filters that decide who may do what at a proxy. */
export interface Authorization {
  /** Ask external authorizers: they go before authentication. */
  readonly customHttp: readonly HttpFilter[];
  readonly http: readonly HttpFilter[];
  readonly customTcp: readonly Filter[];
  readonly tcp: readonly Filter[];
}

const known = new Memo<Authorization>();

/**
 * The filters of the AuthorizationPolicies that select a proxy, in the order of Istio's actions; with those of the namespace of a service
 * that it guards for its clients.
 */
export function authorizationOf(proxy: ProxyView, serviceNamespace?: string): Authorization {
  const { features, indexes, labels, mesh, namespace } = proxy;
  const policies = indexes.authorization.for({ namespace, labels }, serviceNamespace);
  return known.get([policies, mesh, indexes.registry.services, features], '', () => {
    const withAction = (action: string) => policies.filter(({ spec }) => (spec.action ?? 'ALLOW') === action);
    const custom = withAction('CUSTOM');
    const http: HttpFilter[] = [];
    const tcp: Filter[] = [];
    for (const [action, name] of ACTIONS) {
      const chosen = withAction(name);
      if (chosen.length === 0) continue;
      http.push(httpFilter(enforced(proxy, chosen, action, false)));
      tcp.push(tcpFilter(enforced(proxy, chosen, action, true)));
    }
    return { customHttp: customHttp(proxy, custom), http, customTcp: customTcp(proxy, custom), tcp };
  });
}

/** In the order in which they are asked: what is denied is never allowed. */
const ACTIONS = [
  [RBAC_Action.LOG, 'AUDIT'],
  [RBAC_Action.DENY, 'DENY'],
  [RBAC_Action.ALLOW, 'ALLOW'],
] as const;

interface Rules {
  readonly rules?: Rbac;
  readonly shadowRules?: Rbac;
  readonly shadowRulesStatPrefix: string;
}

function httpFilter(rules: Rules): HttpFilter {
  return create(HttpFilterSchema, filter(HTTP_RBAC_FILTER, HttpRbacSchema, rules));
}

function tcpFilter(rules: Rules): Filter {
  return create(FilterSchema, filter(TCP_RBAC_FILTER, TcpRbacSchema, { statPrefix: 'tcp.', ...rules }));
}

/** Annotation of policies that are only tried: they are evaluated and counted, and change nothing. */
const DRY_RUN = 'istio.io/dry-run';

function isDryRun({ metadata }: AuthorizationPolicy): boolean {
  return /^(1|t|T|TRUE|true|True)$/.test(metadata.annotations[DRY_RUN] ?? '');
}

function enforced(
  proxy: ProxyView,
  policies: readonly AuthorizationPolicy[],
  action: RBAC_Action,
  tcp: boolean,
): Rules {
  const real = policies.filter((policy) => !isDryRun(policy));
  const tried = policies.filter(isDryRun);
  const rbac = (list: readonly AuthorizationPolicy[]): Rbac => ({
    action,
    policies: rulesOf(proxy, list, action, tcp, ''),
  });
  return {
    ...(real.length > 0 ? { rules: rbac(real) } : {}),
    ...(tried.length > 0 ? { shadowRules: rbac(tried) } : {}),
    shadowRulesStatPrefix:
      tried.length > 0 && action === RBAC_Action.DENY
        ? 'istio_dry_run_deny_'
        : tried.length > 0 && action === RBAC_Action.LOG
          ? ''
          : 'istio_dry_run_allow_',
  };
}

/** The rules of policies by name. A policy without any is met by nothing, and so an ALLOW policy without rules denies all. */
function rulesOf(
  { mesh }: ProxyView,
  policies: readonly AuthorizationPolicy[],
  action: RBAC_Action,
  tcp: boolean,
  prefix: string,
): Record<string, Policy> {
  const result: Record<string, Policy> = {};
  const trustDomains = [mesh.trustDomain, ...mesh.trustDomainAliases];
  for (const { metadata, spec } of policies) {
    const { name, namespace } = metadata;
    const nameOf = (i: number) => `${prefix}ns[${namespace}]-policy[${name}]-rule[${i}]`;
    const context = { namespace, trustDomains, tcp, allows: action === RBAC_Action.ALLOW };
    for (const [i, rule] of (spec.rules ?? []).entries()) {
      const policy = policyOfRule(context, rule);
      if (policy !== undefined) result[nameOf(i)] = policy;
    }
    if (!spec.rules?.length) result[nameOf(0)] = NEVER;
  }
  return result;
}

/** CUSTOM policies by the provider that they name, in order of the names. */
function byProvider(policies: readonly AuthorizationPolicy[]): [string, AuthorizationPolicy[]][] {
  const groups = new Map<string, AuthorizationPolicy[]>();
  for (const policy of policies) {
    const name = policy.spec.provider?.name ?? '';
    const group = groups.get(name);
    if (group) group.push(policy);
    else groups.set(name, [policy]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Ends the name of a rule that denies because nobody can be asked about it. */
const BAD_CUSTOM = '-deny-due-to-bad-CUSTOM-action';

/** What an RBAC filter before the authorizer looks for: it only notes which rule was met. */
function customRules(proxy: ProxyView, provider: string, policies: readonly AuthorizationPolicy[], tcp: boolean): Rbac {
  const prefix = provider === '' ? `${EXT_AUTHZ_PREFIX}-` : `${EXT_AUTHZ_PREFIX}-${provider}-`;
  // As if it denied: a rule that is too wide only asks more often.
  return { action: RBAC_Action.DENY, policies: rulesOf(proxy, policies, RBAC_Action.DENY, tcp, prefix) };
}

function denied({ action, policies }: Rbac): Rules {
  const renamed = Object.entries(policies ?? {}).map(([name, policy]) => [`${name}${BAD_CUSTOM}`, policy]);
  return {
    rules: { action: action!, policies: Object.fromEntries(renamed) },
    shadowRulesStatPrefix: '',
  };
}

function authorizer(proxy: ProxyView, name: string, groups: number) {
  if (groups > 1 && !proxy.features.multipleCustomProviders) return undefined;
  const provider = proxy.mesh.extensionProviders.find((item) => item.name === name);
  return provider && extAuthzOf(proxy.indexes.registry, provider);
}

function customHttp(proxy: ProxyView, policies: readonly AuthorizationPolicy[]): HttpFilter[] {
  const groups = byProvider(policies);
  return groups.flatMap(([name, group]) => {
    const rules = customRules(proxy, name, group, false);
    const extAuthz = authorizer(proxy, name, groups.length);
    if (extAuthz === undefined) return [httpFilter(denied(rules))];
    return [
      httpFilter({ shadowRules: rules, shadowRulesStatPrefix: EXT_AUTHZ_SHADOW_PREFIX }),
      create(HttpFilterSchema, filter('envoy.filters.http.ext_authz', HttpExtAuthzSchema, extAuthz.http)),
    ];
  });
}

function customTcp(proxy: ProxyView, policies: readonly AuthorizationPolicy[]): Filter[] {
  const groups = byProvider(policies);
  return groups.flatMap(([name, group]) => {
    const rules = customRules(proxy, name, group, true);
    const extAuthz = authorizer(proxy, name, groups.length);
    if (extAuthz === undefined) return [tcpFilter(denied(rules))];
    if (extAuthz.tcp === undefined) return [];
    return [
      tcpFilter({ shadowRules: rules, shadowRulesStatPrefix: EXT_AUTHZ_SHADOW_PREFIX }),
      create(FilterSchema, filter('envoy.filters.network.ext_authz', TcpExtAuthzSchema, extAuthz.tcp)),
    ];
  });
}
