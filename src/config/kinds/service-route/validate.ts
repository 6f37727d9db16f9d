import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateEnrouteRoute } from '../shared/enroute-route-rules.ts';
import type { ServiceRouteSpec } from './schema.ts';

/** The rules of EnRoute for a ServiceRoute. */
export function validateServiceRoute({ spec }: ConfigObject<ServiceRouteSpec>, report: Report): void {
  validateEnrouteRoute(spec.route, report.at('spec', 'route'));
}
