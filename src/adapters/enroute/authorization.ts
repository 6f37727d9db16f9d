import type { Rule } from '../../config/kinds/authorization-policy/schema.ts';
import type { MadeObject } from '../adapter.ts';
import type { Filter } from './filters.ts';
import type { EnrouteGateway } from './gateways.ts';
import { madeObject, type Source } from './made.ts';

/** A host with who may do what on it. */
export interface AuthorizedHost {
  readonly fqdn: string;
  readonly filter: Filter<'vh_filter_rbac'>;
  readonly source: Source;
}

/**
 * `vh_filter_rbac` of all hosts as policies of a gateway. A policy that allows forbids everything else to the gateway: so
 * there is one for all hosts, in which those without the filter are free.
 */
export function authorizationPolicies(
  hosts: readonly AuthorizedHost[],
  fqdns: readonly string[],
  { namespace, name, labels }: EnrouteGateway,
): MadeObject[] {
  const make = (action: 'ALLOW' | 'DENY', rules: readonly object[], source: Source) =>
    madeObject(
      'AuthorizationPolicy',
      namespace,
      `${name}-enroute-${action.toLowerCase()}`,
      { spec: { selector: { matchLabels: labels }, action, rules } },
      source,
    );
  const of = (action: 'ALLOW' | 'DENY') => hosts.filter(({ filter }) => (filter.config.action ?? 'ALLOW') === action);
  const [denied, allowed] = [of('DENY'), of('ALLOW')];
  const made: MadeObject[] = [];
  const rulesOf = (list: readonly AuthorizedHost[]) =>
    list.flatMap(({ fqdn, filter }) => filter.config.rules.map((rule) => onHost(rule, fqdn, fqdns)));
  if (denied.some(({ filter }) => filter.config.rules.length > 0)) {
    made.push(make('DENY', rulesOf(denied), denied[0]!.source));
  }
  if (allowed.length > 0) {
    const others = fqdns.filter((fqdn) => !allowed.some((host) => host.fqdn === fqdn));
    const free = others.map((fqdn) => onHost({}, fqdn, fqdns));
    made.push(make('ALLOW', [...rulesOf(allowed), ...free], allowed[0]!.source));
  }
  return made;
}

/** A rule for one host; for `*`, for all hosts that are not named. */
function onHost(rule: Rule, fqdn: string, fqdns: readonly string[]): object {
  const scope =
    fqdn === '*' ? { notHosts: fqdns.filter((other) => other !== '*').flatMap(spellings) } : { hosts: spellings(fqdn) };
  const isOpen = fqdn === '*' && (scope as { notHosts: string[] }).notHosts.length === 0;
  if (isOpen) return rule;
  const operations = rule.to?.length ? rule.to.map(({ operation }) => operation ?? {}) : [{}];
  return { ...rule, to: operations.map((operation) => ({ operation: { ...operation, ...scope } })) };
}

/** A host as clients name it, with a port and without. */
function spellings(fqdn: string): string[] {
  return [fqdn, `${fqdn}:*`];
}
