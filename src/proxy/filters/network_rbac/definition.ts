import type { Permission, Principal, RBAC as Rules } from '../../../api/gen/envoy/config/rbac/v3/rbac_pb.ts';
import {
  RBAC_EnforcementType as EnforcementType,
  type RBAC,
  RBACSchema,
} from '../../../api/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { RBAC_RULES, rbacEngine } from '../rbac/engine.ts';
import { RbacStats } from '../rbac/stats.ts';
import { NetworkRbacFilter } from './filter.ts';

export const networkRbac: NetworkFilterDefinition<RBAC> = {
  name: 'envoy.filters.network.rbac',
  schema: RBACSchema,
  supported: {
    ...RBAC_RULES,
    'envoy.extensions.filters.network.rbac.v3.RBAC': [
      'rules',
      'shadow_rules',
      'shadow_rules_stat_prefix',
      'stat_prefix',
      'enforcement_type',
      'delay_deny',
    ],
  },
  compile(proto, { worker }, errors) {
    if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
    refuseHeaders(proto.rules, errors.at('rules'));
    refuseHeaders(proto.shadowRules, errors.at('shadow_rules'));
    const leases = new StatLeases(worker.stats, proto.statPrefix);
    const config = {
      stats: new RbacStats(leases.acquire, 'rbac.', '', proto.shadowRulesStatPrefix, false),
      engine: rbacEngine(proto.rules, errors.at('rules')),
      shadow: rbacEngine(proto.shadowRules, errors.at('shadow_rules')),
      shadowPrefix: proto.shadowRulesStatPrefix,
      continuous: proto.enforcementType === EnforcementType.CONTINUOUS,
      delayMs: durationMs(proto.delayDeny, 0),
    };
    return {
      terminal: false,
      create: (callbacks) => new NetworkRbacFilter(config, callbacks),
      dispose: () => leases.release(),
    };
  },
};

/** Rules about headers would never match here, and a negated one always. */
function refuseHeaders(rules: Rules | undefined, errors: ConfigErrors): void {
  for (const [name, policy] of Object.entries(rules?.policies ?? {})) {
    const at = errors.at('policies').at(`["${name}"]`);
    if (policy.permissions.some(permissionHasHeader)) at.add('permissions', 'header is not supported for connections');
    if (policy.principals.some(principalHasHeader)) at.add('principals', 'header is not supported for connections');
  }
}

function permissionHasHeader({ rule }: Permission): boolean {
  if (rule.case === 'andRules' || rule.case === 'orRules') return rule.value.rules.some(permissionHasHeader);
  return rule.case === 'header' || (rule.case === 'notRule' && permissionHasHeader(rule.value));
}

function principalHasHeader({ identifier }: Principal): boolean {
  if (identifier.case === 'andIds' || identifier.case === 'orIds') return identifier.value.ids.some(principalHasHeader);
  return identifier.case === 'header' || (identifier.case === 'notId' && principalHasHeader(identifier.value));
}
