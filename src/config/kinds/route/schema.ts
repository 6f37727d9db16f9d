import { array, enumOf, type Infer, integer, intOrString, object, required, string } from '../../schema/index.ts';

const backend = object({ kind: enumOf('Service', ''), name: required(string()), weight: integer(0, 256) });
export type RouteBackend = Infer<typeof backend>;

const tls = object({
  termination: enumOf('edge', 'passthrough', 'reencrypt'),
  certificate: string(),
  key: string(),
  caCertificate: string(),
  destinationCACertificate: string(),
  insecureEdgeTerminationPolicy: enumOf('None', 'Allow', 'Redirect', ''),
  externalCertificate: object({ name: string() }),
});
export type RouteTls = Infer<typeof tls>;

/** OpenShift's Route (route.openshift.io/v1): a host that is served to the outside by a service. */
export const routeSchema = object({
  host: string(),
  subdomain: string(),
  path: string(),
  to: required(backend),
  alternateBackends: array(backend),
  port: object({ targetPort: required(intOrString()) }),
  tls,
  wildcardPolicy: enumOf('None', 'Subdomain', ''),
});
export type RouteSpec = Infer<typeof routeSchema>;
