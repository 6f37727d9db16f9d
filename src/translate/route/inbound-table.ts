import { create } from '@bufbuild/protobuf';
import { VirtualHostSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import type { ServicePort } from '../../registry/service.ts';
import { patchRouteConfiguration } from '../patch/routes.ts';
import type { ProxyView } from '../proxy-view.ts';
import { defaultInboundRoute, traceOperation } from './default-route.ts';

export interface InboundRouting {
  readonly cluster: string;
  /** Of the service, for traces. */
  readonly hostname: string;
  readonly port: ServicePort;
}

/** All requests to a port of the program. Who may send them, and how long they may take, is decided elsewhere. */
export function inboundRouteTable(proxy: ProxyView, { cluster, hostname, port }: InboundRouting): RouteConfiguration {
  const operation = traceOperation(hostname, port.port);
  const route = defaultInboundRoute({ cluster, operation }, port.protocol);
  const table = create(RouteConfigurationSchema, {
    name: cluster,
    virtualHosts: [create(VirtualHostSchema, { name: `inbound|http|${port.port}`, domains: ['*'], routes: [route] })],
    validateClusters: false,
  });
  patchRouteConfiguration(proxy.patches, 'SIDECAR_INBOUND', table, undefined);
  return table;
}
