import { create } from '@bufbuild/protobuf';
import {
  type Permission,
  type Policy,
  PolicySchema,
  type Principal,
} from '../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import type { Rule } from '../../config/kinds/authorization-policy/schema.ts';
import {
  type Condition,
  claim,
  filterMetadata,
  PERMISSIONS,
  PRINCIPALS,
  permission,
  principal,
  requestHeader,
  serviceAccounts,
} from './conditions.ts';
import { withDomainAliases, withTrustDomainAliases } from './trust-domains.ts';

/** For what a rule is translated. */
export interface RuleContext {
  /** Of the policy. */
  readonly namespace: string;
  /** The mesh's trust domain and its other names. */
  readonly trustDomains: readonly string[];
  readonly tcp: boolean;
  /**
   * Whether the rule lets in. Where a condition cannot be told, a rule that lets in is left out as a whole, and one that
   * keeps out does without the condition: both let less through.
   */
  readonly allows: boolean;
}

interface Term<T> {
  readonly condition: Condition<T>;
  readonly values: readonly string[];
  readonly notValues: readonly string[];
}

interface Terms {
  readonly permissions: Term<Permission>[];
  readonly principals: Term<Principal>[];
}

class Untellable extends Error {}

/** One rule of an AuthorizationPolicy; undefined if it is left out. */
export function policyOfRule(context: RuleContext, rule: Rule): Policy | undefined {
  const when = whenTerms(context, rule);
  if (when === undefined) return undefined;
  try {
    const permissions = (rule.to?.length ? rule.to : [{}]).map(({ operation = {} }) =>
      allOf(context, permissionLogic, [
        ...terms(PERMISSIONS.hosts, operation.hosts, operation.notHosts),
        ...terms(PERMISSIONS.methods, operation.methods, operation.notMethods),
        ...terms(PERMISSIONS.paths, operation.paths, operation.notPaths),
        ...terms(PERMISSIONS.ports, operation.ports, operation.notPorts),
        ...when.permissions,
      ]),
    );
    const principals = (rule.from?.length ? rule.from : [{}]).map(({ source = {} }) =>
      allOf(context, principalLogic, [
        ...principalTerms(context, source.principals, source.notPrincipals),
        ...terms(PRINCIPALS.requestPrincipals, source.requestPrincipals, source.notRequestPrincipals),
        ...terms(serviceAccounts(context.namespace), source.serviceAccounts, source.notServiceAccounts),
        ...trustDomainTerms(context, source.trustDomains, source.notTrustDomains),
        ...terms(PRINCIPALS.namespaces, source.namespaces, source.notNamespaces),
        ...terms(PRINCIPALS.remoteIpBlocks, source.remoteIpBlocks, source.notRemoteIpBlocks),
        ...terms(PRINCIPALS.ipBlocks, source.ipBlocks, source.notIpBlocks),
        ...when.principals,
      ]),
    );
    return create(PolicySchema, { permissions, principals });
  } catch (error) {
    if (error instanceof Untellable) return undefined;
    throw error;
  }
}

function terms<T>(
  condition: Condition<T>,
  values: readonly string[] = [],
  notValues: readonly string[] = [],
): Term<T>[] {
  return values.length === 0 && notValues.length === 0 ? [] : [{ condition, values, notValues }];
}

function principalTerms({ trustDomains }: RuleContext, values: readonly string[] = [], not: readonly string[] = []) {
  const expand = (list: readonly string[]) => withTrustDomainAliases(list, trustDomains);
  return terms(PRINCIPALS.principals, expand(values), expand(not));
}

function trustDomainTerms({ trustDomains }: RuleContext, values: readonly string[] = [], not: readonly string[] = []) {
  const expand = (list: readonly string[]) => withDomainAliases(list, trustDomains);
  return terms(PRINCIPALS.trustDomains, expand(values), expand(not));
}

/** The conditions of `when`. Undefined if there is a key that nobody knows: such a rule never applies. */
function whenTerms(context: RuleContext, rule: Rule): Terms | undefined {
  const result: Terms = { permissions: [], principals: [] };
  for (const { key, values, notValues } of rule.when ?? []) {
    const permissionCondition = permissionOfKey(key);
    if (permissionCondition !== undefined) {
      result.permissions.push(...terms(permissionCondition, values, notValues));
    } else if (key === 'source.principal') result.principals.push(...principalTerms(context, values, notValues));
    else if (key === 'source.trustDomain') result.principals.push(...trustDomainTerms(context, values, notValues));
    else {
      const condition = principalOfKey(key, context.namespace);
      if (condition === undefined) return undefined;
      result.principals.push(...terms(condition, values, notValues));
    }
  }
  return result;
}

function permissionOfKey(key: string): Condition<Permission> | undefined {
  switch (key) {
    case 'destination.ip':
      return PERMISSIONS.destinationIps;
    case 'destination.port':
      return PERMISSIONS.ports;
    case 'connection.sni':
      return PERMISSIONS.serverNames;
    default:
      return key.startsWith('experimental.envoy.filters.') ? filterMetadata(key) : undefined;
  }
}

const CANNOT_BE_TOLD: Condition<Principal> = { httpOnly: true, one: () => undefined };

function principalOfKey(key: string, namespace: string): Condition<Principal> | undefined {
  switch (key) {
    case 'source.ip':
      return PRINCIPALS.ipBlocks;
    case 'remote.ip':
      return PRINCIPALS.remoteIpBlocks;
    case 'source.namespace':
      return PRINCIPALS.namespaces;
    case 'source.serviceAccount':
      return serviceAccounts(namespace);
    case 'request.auth.principal':
      return PRINCIPALS.requestPrincipals;
    case 'request.auth.audiences':
      return PRINCIPALS.audiences;
    case 'request.auth.presenter':
      return PRINCIPALS.presenters;
  }
  if (key.startsWith('request.headers')) {
    const name = /^\[(.*)\]$/.exec(key.slice('request.headers'.length))?.[1];
    return name === undefined ? CANNOT_BE_TOLD : requestHeader(name);
  }
  if (key.startsWith('request.auth.claims')) {
    const path = /^\[(.*)\]$/.exec(key.slice('request.auth.claims'.length))?.[1];
    return path === undefined ? CANNOT_BE_TOLD : claim(path.split(']['));
  }
  return undefined;
}

interface Logic<T> {
  and(parts: T[]): T;
  or(parts: T[]): T;
  not(part: T): T;
  readonly any: () => T;
}

const permissionLogic: Logic<Permission> = {
  and: (rules) => permission({ case: 'andRules', value: { rules } }),
  or: (rules) => permission({ case: 'orRules', value: { rules } }),
  not: (rule) => permission({ case: 'notRule', value: rule }),
  any: () => permission({ case: 'any', value: true }),
};

const principalLogic: Logic<Principal> = {
  and: (ids) => principal({ case: 'andIds', value: { ids } }),
  or: (ids) => principal({ case: 'orIds', value: { ids } }),
  not: (id) => principal({ case: 'notId', value: id }),
  any: () => principal({ case: 'any', value: true }),
};

/** Never met. */
export const NEVER: Policy = create(PolicySchema, {
  permissions: [permissionLogic.not(permissionLogic.any())],
  principals: [principalLogic.not(principalLogic.any())],
});

function allOf<T>(context: RuleContext, logic: Logic<T>, list: readonly Term<T>[]): T {
  const parts = list.flatMap(({ condition, values, notValues }) => {
    const positive = oneOf(context, logic, condition, values);
    const negative = oneOf(context, logic, condition, notValues);
    return [...(positive === undefined ? [] : [positive]), ...(negative === undefined ? [] : [logic.not(negative)])];
  });
  return logic.and(parts.length > 0 ? parts : [logic.any()]);
}

function oneOf<T>(
  { tcp, allows }: RuleContext,
  logic: Logic<T>,
  condition: Condition<T>,
  values: readonly string[],
): T | undefined {
  if (values.length === 0) return undefined;
  const told = <R>(result: R | undefined): R[] => {
    if (result !== undefined) return [result];
    if (allows) throw new Untellable();
    return [];
  };
  const hidden = tcp && condition.httpOnly;
  if (condition.all !== undefined) return told(hidden ? undefined : condition.all(values))[0];
  const parts = values.flatMap((value) => told(hidden ? undefined : condition.one!(value)));
  return parts.length === 0 ? undefined : logic.or(parts);
}
