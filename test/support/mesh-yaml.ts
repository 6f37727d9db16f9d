/** Configuration that several tests of control planes write. */

/** Envoy as it is built by others has none of Istio's own filters. */
export const VANILLA = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: vanilla, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: istio.alpn}}}}}
    patch: {operation: REMOVE}
  - applyTo: HTTP_FILTER
    match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: istio.stats}}}}}
    patch: {operation: REMOVE}
`;

/** A service of the mesh with one endpoint on this machine for each port. */
export const service = (name: string, ...ports: number[]): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [${ports.map((port) => `{address: 127.0.0.1, ports: {http: ${port}}}`).join(', ')}]
`;

/** The cluster that a proxy gets for such a service. */
export const clusterOf = (name: string): string => `outbound|80||${name}.default.svc.cluster.local`;
