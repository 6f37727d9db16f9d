import { toBinary } from '@bufbuild/protobuf';
import { ClusterLoadAssignmentSchema } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type { Service } from '../../registry/service.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import { buildLoadAssignment } from '../endpoint/load-assignment.ts';
import { localitySettings } from '../endpoint/locality.ts';
import { Memo } from '../memo.ts';
import { parseClusterName } from '../names.ts';
import { locationsOf } from '../origins.ts';
import type { ProxyView } from '../proxy-view.ts';
import { policyOf } from '../traffic-policy.ts';

/** The endpoints of EDS clusters: one cell for all proxies from which they look the same. */
export class EndpointCells {
  readonly #cells = new Memo<Cell>();

  get(proxy: ProxyView, name: string): Cell | undefined {
    const parsed = parseClusterName(name);
    const service = parsed?.direction.startsWith('outbound') ? proxy.scope.byHost.get(parsed.hostname) : undefined;
    if (parsed === undefined || service === undefined) return undefined;
    const { port, subset, sni } = parsed;
    const { features, indexes, mesh } = proxy;
    const rule = proxy.destinationRule(service);
    const inputs = [service, indexes.registry.endpoints(service), rule, indexes.peerAuthentication, mesh, features];
    const policy = policyOf(rule, subset, port);
    const ranked = localitySettings(mesh, policy?.loadBalancer, service) !== undefined;
    return this.#cells.get(inputs, `${name} ${viewpoint(proxy, service, ranked)}`, () => {
      const request = { cluster: name, service, port, subset, rule, mutualTlsOnly: sni };
      return new EncodedCell(
        TypeUrl.Endpoint,
        name,
        () => toBinary(ClusterLoadAssignmentSchema, buildLoadAssignment(proxy, request)),
        () => locationsOf([service.source, ...(rule?.from ?? [])]),
      );
    });
  }
}

/** From where a proxy sees endpoints, as far as it makes a difference. */
function viewpoint({ labels, locality, node }: ProxyView, service: Service, ranked: boolean): string {
  const place = ranked ? JSON.stringify([locality, labels]) : '';
  return `${place} ${node.networkView.join()} ${service.nodeLocal ? node.nodeName : ''}`;
}
