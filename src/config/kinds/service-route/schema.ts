import { type Infer, object, required, string } from '../../schema/index.ts';
import { checkFqdn } from '../../validation/enroute.ts';
import { enrouteRoute } from '../shared/enroute-route.ts';

/** EnRoute's ServiceRoute: a route that is added to a GatewayHost of somebody else's. */
export const serviceRouteSchema = object({
  fqdn: required(string({ check: checkFqdn })),
  route: required(enrouteRoute),
});
export type ServiceRouteSpec = Infer<typeof serviceRouteSchema>;
