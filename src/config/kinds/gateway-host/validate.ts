import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateAttachedFilters, validateEnrouteRoute } from '../shared/enroute-route-rules.ts';
import type { GatewayHostSpec } from './schema.ts';

/** The rules of EnRoute for a GatewayHost. */
export function validateGatewayHost({ spec }: ConfigObject<GatewayHostSpec>, report: Report): void {
  const at = report.at('spec');
  const { virtualhost, routes = [], tcpproxy } = spec;
  if (virtualhost === undefined && tcpproxy === undefined && routes.length === 0) {
    at.warning('has no effect without a virtualhost or routes');
  }
  const { tls, filters = [] } = virtualhost ?? {};
  if (tls !== undefined) {
    if (!tls.passthrough && !tls.secretName) at.error('must have a secretName or passthrough', 'virtualhost', 'tls');
    if (tls.passthrough && tcpproxy === undefined) {
      at.error('needs a tcpproxy: nobody sees requests in what is encrypted', 'virtualhost', 'tls', 'passthrough');
    }
  }
  if (tcpproxy !== undefined) {
    if (routes.length > 0) at.error('must not be set beside tcpproxy', 'routes');
    if (virtualhost !== undefined && tls === undefined) {
      at.error('needs virtualhost.tls: hosts are told apart by the server name of TLS', 'tcpproxy');
    }
    if (filters.length > 0) at.error('have no meaning with tcpproxy', 'virtualhost', 'filters');
    if ((tcpproxy.services ?? []).length === 0 && tcpproxy.delegate === undefined) {
      at.error('must have services or a delegate', 'tcpproxy');
    }
  }
  validateAttachedFilters(filters, 'host', at.at('virtualhost'));
  for (const [i, route] of routes.entries()) validateEnrouteRoute(route, at.at('routes', i));
}
