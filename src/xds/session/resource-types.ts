/** Resource types that the protocol itself treats differently; any other type URL works as well. */
export const Resource = {
  Listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  Route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  ScopedRoute: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  VirtualHost: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
  Cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  Endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  Secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  ExtensionConfig: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
  Runtime: 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
} as const;

/** Stands for every resource of a type in a subscription. */
export const WILDCARD = '*';

const FULL_STATE: ReadonlySet<string> = new Set([Resource.Listener, Resource.Cluster]);

/**
 * Whether a state-of-the-world response holds every resource of the type, so that what is absent from it was removed:
 * listeners and clusters only (xDS protocol, "Grouping Resources into Responses", "Deleting Resources").
 */
export function isFullState(typeUrl: string): boolean {
  return FULL_STATE.has(typeUrl);
}

const BY_NAME_ONLY: ReadonlySet<string> = new Set([
  Resource.Route,
  Resource.VirtualHost,
  Resource.Endpoint,
  Resource.Secret,
  Resource.ExtensionConfig,
  Resource.Runtime,
]);

/**
 * Whether a first request without names asks for everything. The xDS protocol says so of listeners and clusters, Istio
 * of its own types as well (name tables, debug answers).
 */
export function emptyMeansAll(typeUrl: string): boolean {
  return !BY_NAME_ONLY.has(typeUrl);
}

/**
 * While an update of the key is applied, a client sends no requests for the others: the update may add and drop many
 * names, which then leave as one request (Envoy pauses the same types in its CDS, LDS, SRDS and RDS subscriptions).
 */
export const PAUSED_WHILE_APPLYING: Readonly<Record<string, readonly string[]>> = {
  [Resource.Cluster]: [Resource.Endpoint, Resource.Secret],
  [Resource.Listener]: [Resource.Route, Resource.ScopedRoute, Resource.Secret, Resource.ExtensionConfig],
  [Resource.ScopedRoute]: [Resource.Route],
  [Resource.Route]: [Resource.VirtualHost],
};
