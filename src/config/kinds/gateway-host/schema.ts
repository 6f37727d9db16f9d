import { array, boolean, enumOf, type Infer, object, required, string } from '../../schema/index.ts';
import { checkFqdn } from '../../validation/enroute.ts';
import { attachedFilter, enrouteDelegate, enrouteRoute, enrouteService } from '../shared/enroute-route.ts';

/** TLS of a host, which a secret has the certificate for, or which is passed on as it is. */
const tls = object({
  secretName: string(),
  minimumProtocolVersion: enumOf('', '1.0', '1.1', '1.2', '1.3'),
  passthrough: boolean(),
});

const virtualHost = object({ fqdn: required(string({ check: checkFqdn })), tls, filters: array(attachedFilter) });
export type EnrouteVirtualHost = Infer<typeof virtualHost>;

const tcpProxy = object({ services: array(enrouteService), delegate: enrouteDelegate });

/** EnRoute's GatewayHost: a host and its routes, or, without a host, routes that another one delegates to. */
export const gatewayHostSchema = object({ virtualhost: virtualHost, routes: array(enrouteRoute), tcpproxy: tcpProxy });
export type GatewayHostSpec = Infer<typeof gatewayHostSchema>;
