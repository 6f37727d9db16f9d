import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CorsPolicySchema } from '../../api/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts';
import type { CorsPolicy } from '../../config/kinds/virtual-service/schema.ts';
import { exact, stringMatcher } from '../proto/values.ts';
import { wholeFraction } from './percent.ts';

/** CORS of a route (VirtualService `corsPolicy`). Preflights that match nothing go to the program unless told otherwise. */
export function corsOf(policy: CorsPolicy): MessageInitShape<typeof CorsPolicySchema> {
  const origins =
    policy.allowOrigins !== undefined
      ? policy.allowOrigins.flatMap((origin) => stringMatcher(origin) ?? [])
      : (policy.allowOrigin ?? []).map(exact);
  return {
    allowOriginStringMatch: origins,
    allowMethods: (policy.allowMethods ?? []).join(','),
    allowHeaders: (policy.allowHeaders ?? []).join(','),
    exposeHeaders: (policy.exposeHeaders ?? []).join(','),
    ...(policy.maxAge === undefined ? {} : { maxAge: String(Math.floor(policy.maxAge / 1000)) }),
    ...(policy.allowCredentials === undefined ? {} : { allowCredentials: policy.allowCredentials }),
    forwardNotMatchingPreflights: policy.unmatchedPreflights !== 'IGNORE',
    filterEnabled: { defaultValue: wholeFraction(100) },
  };
}
