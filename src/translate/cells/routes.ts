import { toBinary } from '@bufbuild/protobuf';
import { RouteConfigurationSchema } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import { Memo } from '../memo.ts';
import { locationsOf } from '../origins.ts';
import { patchRouteConfiguration, ROUTE_TARGETS } from '../patch/routes.ts';
import type { ProxyView } from '../proxy-view.ts';
import { gatewayRouteTable } from '../route/gateway-table.ts';
import { routeTableBytes, routeTableMessage } from '../route/route-table.ts';
import { sidecarRouteTable } from '../route/sidecar-table.ts';

/** The route configurations of proxies: one cell for all of those that have the same virtual hosts. */
export class RouteCells {
  readonly #cells = new Memo<Cell>();

  get(proxy: ProxyView, name: string): Cell {
    const table = proxy.isSidecar ? sidecarRouteTable(proxy, name) : gatewayRouteTable(proxy, name);
    const context = proxy.isSidecar ? 'SIDECAR_OUTBOUND' : 'GATEWAY';
    const patched = table.known && proxy.patches.hasAny(ROUTE_TARGETS, context);
    const patches = patched ? proxy.patches : undefined;
    return this.#cells.get([table, patches, patched ? proxy.gateway : undefined], '', () => {
      const origins = patched ? ROUTE_TARGETS.flatMap((target) => proxy.patches.for(target, context)) : [];
      return new EncodedCell(
        TypeUrl.Route,
        name,
        () => {
          if (patches === undefined) return routeTableBytes(table);
          const message = routeTableMessage(table);
          patchRouteConfiguration(patches, context, message, proxy.gateway?.declaredPorts);
          return toBinary(RouteConfigurationSchema, message);
        },
        () =>
          locationsOf([
            ...origins.map(({ patch }) => patch.origin),
            ...table.hosts.flatMap((host) => host.groups.flatMap((group) => group.origins)),
          ]),
      );
    });
  }
}
