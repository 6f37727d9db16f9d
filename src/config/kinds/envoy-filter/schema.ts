import { array, enumOf, type Infer, int32, map, object, string, struct, uint32 } from '../../schema/index.ts';
import { labelsSelector, targetReference } from '../shared/selector.ts';

const filterMatch = object({ name: string(), subFilter: object({ name: string() }) });

const listenerMatch = object({
  portNumber: uint32(),
  portName: string(),
  filterChain: object({
    name: string(),
    sni: string(),
    transportProtocol: string(),
    applicationProtocols: string(),
    filter: filterMatch,
    destinationPort: uint32(),
  }),
  listenerFilter: string(),
  name: string(),
});
export type ListenerMatch = Infer<typeof listenerMatch>;

const routeConfigurationMatch = object({
  portNumber: uint32(),
  portName: string(),
  gateway: string(),
  vhost: object({
    name: string(),
    domainName: string(),
    route: object({ name: string(), action: enumOf('ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE') }),
  }),
  name: string(),
});
export type RouteConfigurationMatch = Infer<typeof routeConfigurationMatch>;

const clusterMatch = object({ portNumber: uint32(), service: string(), subset: string(), name: string() });
export type ClusterMatch = Infer<typeof clusterMatch>;

const configPatch = object({
  applyTo: enumOf(
    'INVALID',
    'LISTENER',
    'FILTER_CHAIN',
    'NETWORK_FILTER',
    'HTTP_FILTER',
    'ROUTE_CONFIGURATION',
    'VIRTUAL_HOST',
    'HTTP_ROUTE',
    'CLUSTER',
    'EXTENSION_CONFIG',
    'BOOTSTRAP',
    'LISTENER_FILTER',
  ),
  match: object(
    {
      context: enumOf('ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'),
      proxy: object({ proxyVersion: string(), metadata: map(string()) }),
      listener: listenerMatch,
      routeConfiguration: routeConfigurationMatch,
      cluster: clusterMatch,
      waypoint: object({ portNumber: uint32(), route: object({ name: string() }), filter: filterMatch }),
    },
    { oneOf: [['listener', 'routeConfiguration', 'cluster', 'waypoint']] },
  ),
  patch: object({
    operation: enumOf(
      'INVALID',
      'MERGE',
      'ADD',
      'REMOVE',
      'INSERT_BEFORE',
      'INSERT_AFTER',
      'INSERT_FIRST',
      'REPLACE',
      'MERGE_AND_REPLACE_LIST',
    ),
    value: struct(),
    filterClass: enumOf('UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'),
  }),
});
export type ConfigPatch = Infer<typeof configPatch>;

export const envoyFilterSchema = object({
  workloadSelector: labelsSelector,
  targetRefs: array(targetReference),
  configPatches: array(configPatch),
  priority: int32(),
});
export type EnvoyFilterSpec = Infer<typeof envoyFilterSchema>;
