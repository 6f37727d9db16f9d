import {
  type Cors,
  type CorsPolicy as CorsPolicyProto,
  CorsPolicySchema,
  CorsSchema,
} from '../../../api/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts';
import { runtimeFraction } from '../../config/runtime-values.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { stringTest } from '../../router/string-match.ts';
import { MATCHERS } from '../common/supported.ts';
import { CorsFilter, type CorsPolicy, CorsStats } from './filter.ts';

export const cors: HttpFilterDefinition<Cors, CorsPolicyProto> = {
  name: 'envoy.filters.http.cors',
  schema: CorsSchema,
  routeSchema: CorsPolicySchema,
  supported: {
    ...MATCHERS,
    'envoy.extensions.filters.http.cors.v3.Cors': [],
    'envoy.extensions.filters.http.cors.v3.CorsPolicy': [
      'allow_origin_string_match',
      'allow_methods',
      'allow_headers',
      'expose_headers',
      'max_age',
      'allow_credentials',
      'filter_enabled',
      'shadow_enabled',
      'allow_private_network_access',
      'forward_not_matching_preflights',
    ],
  },
  compile(_config, context) {
    const stats = context.stats('cors.', CorsStats);
    return {
      create(callbacks) {
        // As in Envoy, routes that answer by themselves have no policy.
        if (callbacks.route?.action.kind !== 'route') return undefined;
        const policies = callbacks.routeConfigs<CorsPolicy>();
        return policies.length === 0 ? undefined : new CorsFilter(stats, policies, callbacks);
      },
    };
  },
  compileRoute(proto, { worker }, errors): CorsPolicy {
    const enabled = runtimeFraction(proto.filterEnabled, 1, worker.runtime);
    const shadowEnabled = runtimeFraction(proto.shadowEnabled, 0, worker.runtime);
    const at = errors.at('allow_origin_string_match');
    const origins = proto.allowOriginStringMatch.map((matcher, i) => stringTest(matcher, at.at(i)));
    return {
      // A matcher that takes the text `*` stands for every origin.
      allowsOrigin: origins.length === 0 ? undefined : (origin) => origins.some((test) => test('*') || test(origin)),
      allowMethods: proto.allowMethods,
      allowHeaders: proto.allowHeaders,
      exposeHeaders: proto.exposeHeaders,
      maxAge: proto.maxAge,
      allowCredentials: proto.allowCredentials,
      allowPrivateNetworkAccess: proto.allowPrivateNetworkAccess,
      forwardNotMatchingPreflights: proto.forwardNotMatchingPreflights,
      get enabled() {
        return enabled.value;
      },
      get shadowEnabled() {
        return shadowEnabled.value;
      },
    };
  },
};
