import {
  type RBAC,
  type RBACPerRoute,
  RBACPerRouteSchema,
  RBACSchema,
} from '../../../api/gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { RBAC_RULES, rbacEngine } from './engine.ts';
import { RbacFilter, type RbacRules } from './filter.ts';
import { RbacStats } from './stats.ts';

function compileRules(proto: RBAC, errors: ConfigErrors): RbacRules {
  return {
    engine: rbacEngine(proto.rules, errors.at('rules')),
    shadow: rbacEngine(proto.shadowRules, errors.at('shadow_rules')),
    shadowPrefix: proto.shadowRulesStatPrefix,
    enforcedPrefix: proto.rulesStatPrefix,
  };
}

const NOTHING: RbacRules = { engine: undefined, shadow: undefined, shadowPrefix: '', enforcedPrefix: '' };

export const rbac: HttpFilterDefinition<RBAC, RBACPerRoute> = {
  name: 'envoy.filters.http.rbac',
  schema: RBACSchema,
  routeSchema: RBACPerRouteSchema,
  supported: {
    ...RBAC_RULES,
    'envoy.extensions.filters.http.rbac.v3.RBAC': [
      'rules',
      'rules_stat_prefix',
      'shadow_rules',
      'shadow_rules_stat_prefix',
      'track_per_rule_stats',
    ],
    'envoy.extensions.filters.http.rbac.v3.RBACPerRoute': ['rbac'],
  },
  compile(config, context, errors) {
    const stats = new RbacStats(
      context.stats,
      'rbac.',
      config.rulesStatPrefix,
      config.shadowRulesStatPrefix,
      config.trackPerRuleStats,
    );
    const own = compileRules(config, errors);
    return {
      create(callbacks) {
        const rules = callbacks.routeConfig<RbacRules>() ?? own;
        if (rules.engine === undefined && rules.shadow === undefined) return undefined;
        return new RbacFilter(stats, rules, own, callbacks);
      },
    };
  },
  compileRoute: (config, _context, errors) => (config.rbac ? compileRules(config.rbac, errors.at('rbac')) : NOTHING),
};
