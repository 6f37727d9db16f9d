import type { SourceLocation } from '../base/errors.ts';

/** The xDS type URLs that the control plane serves. */
export const TypeUrl = {
  Listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  Route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  Cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  Endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  Secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  ExtensionConfig: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
  NameTable: 'type.googleapis.com/istio.networking.nds.v1.NameTable',
} as const;
export type TypeUrl = (typeof TypeUrl)[keyof typeof TypeUrl];

/**
 * One resource, translated: the unit of caching, sharing and pushing. A cell depends only on its inputs, so proxies of
 * the same scope share it, and a change of configuration makes new cells only where an input changed.
 */
export interface Cell {
  readonly type: TypeUrl;
  readonly name: string;
  /** The encoded message, without the Any around it. */
  readonly bytes: Uint8Array;
  /** Hash of the bytes: a control plane that restarts, or its neighbour, gives the same version to the same content. */
  readonly version: string;
  /** The places in people's files that this came from, the most telling first: for `explain`, NACKs and effect reports. */
  readonly origin: readonly SourceLocation[];
}
