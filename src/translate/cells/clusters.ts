import { toBinary } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { ConfigObject } from '../../config/object.ts';
import { perObject } from '../../registry/reuse.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { preservesHeaderCase } from '../cluster/base.ts';
import { inboundClusters } from '../cluster/inbound.ts';
import { type ClusterMode, outboundClusters } from '../cluster/outbound.ts';
import {
  blackHoleCluster,
  externalSdsCluster,
  inboundPassthroughCluster,
  passthroughCluster,
  unknownHostsCluster,
} from '../cluster/special.ts';
import { EncodedCell } from '../encoded-cell.ts';
import type { Origin } from '../index/virtual-service.ts';
import { Memo } from '../memo.ts';
import { locationsOf } from '../origins.ts';
import { addedClusters, patchCluster } from '../patch/clusters.ts';
import type { PatchContext } from '../patch/patch-set.ts';
import { type ProxyView, rulesByWorkload } from '../proxy-view.ts';

type Source = Origin | ConfigObject | undefined;

/** The clusters of proxies. Those of services are shared by all proxies that would get the same. */
export class ClusterCells {
  readonly #outbound = new Memo<readonly Cell[]>();
  readonly #ofPort = new Memo<readonly Cell[]>();
  readonly #own = new Memo<readonly Cell[]>();
  readonly #all = new Memo<readonly Cell[]>();

  all(proxy: ProxyView): readonly Cell[] {
    const outbound = this.#outboundOf(proxy);
    const own = this.#ownOf(proxy);
    return this.#all.get([outbound, own], '', () => unique([...outbound, ...own]));
  }

  #outboundOf(proxy: ProxyView): readonly Cell[] {
    const { features, indexes, mesh, patches, scope } = proxy;
    const { clusterEndpoints, destinationRules, peerAuthentication } = indexes;
    const sni = proxy.gateway?.hasAutoPassthrough === true;
    const place = carriesEndpoints(scope.services) ? placeKey(proxy) : '';
    const key = `${clusterKey(proxy)} ${place} ${scope.namespace} ${rulesByWorkload(proxy)} ${sni}`;
    const inputs = [scope.services, clusterEndpoints, destinationRules, peerAuthentication, mesh, patches, features];
    return this.#outbound.get(inputs, key, () => {
      const cells = this.#ofServices(proxy, 'normal');
      return sni ? [...cells, ...this.#ofServices(proxy, 'sni')] : cells;
    });
  }

  #ofServices(proxy: ProxyView, mode: ClusterMode): Cell[] {
    const cells: Cell[] = [];
    for (const service of proxy.scope.services) {
      if (mode === 'normal' ? service.resolution === 'ALIAS' : service.meshExternal) continue;
      for (const port of service.ports) {
        if (port.protocol !== 'UDP') cells.push(...this.#portClusters(proxy, service, port, mode));
      }
    }
    return cells;
  }

  #portClusters(proxy: ProxyView, service: Service, port: ServicePort, mode: ClusterMode): readonly Cell[] {
    const { features, indexes, mesh, patches } = proxy;
    const rule = proxy.destinationRule(service);
    const endpoints = indexes.registry.endpoints(service);
    const listed = service.resolution === 'STATIC' && !passesThrough(rule?.spec);
    const inputs = [
      service,
      rule,
      listed ? endpoints.serviceAccounts : endpoints,
      listed ? undefined : indexes.peerAuthentication,
      mesh,
      patches,
      features,
    ];
    const expected = indexes.peerAuthentication.expected(service.namespace) ?? '';
    const place = listed ? '' : placeKey(proxy);
    return this.#ofPort.get(inputs, `${mode} ${port.port} ${clusterKey(proxy)} ${expected} ${place}`, () => {
      const context = proxy.isSidecar ? 'SIDECAR_OUTBOUND' : 'GATEWAY';
      const sources = [service.source, ...(rule?.from ?? [])];
      return outboundClusters(proxy, service, port, mode).flatMap((cluster) =>
        cellOf(patchCluster(patches, context, cluster), [...patchSources(proxy, context), ...sources]),
      );
    });
  }

  /** Those that are the proxy's own: towards its program and to nowhere, and what EnvoyFilters add. */
  #ownOf(proxy: ProxyView): readonly Cell[] {
    const { features, indexes, mesh, patches, scope, targets } = proxy;
    const { addresses, dnsCapture, explicitCapture, interceptionMode } = proxy.node;
    const key = `${clusterKey(proxy)} ${interceptionMode} ${explicitCapture} ${dnsCapture} ${addresses.join()}`;
    const inputs = [targets, scope.sidecar, scope.byHost, indexes.destinationRules, mesh, patches, features];
    return this.#own.get(inputs, key, () => {
      const cells = proxy.isSidecar ? this.#ofSidecar(proxy) : this.#ofGateway(proxy);
      if (proxy.node.credentialSocket) cells.push(...cellOf(externalSdsCluster(proxy), []));
      return cells;
    });
  }

  #ofSidecar(proxy: ProxyView): Cell[] {
    const { patches } = proxy;
    const outbound = (cluster: Cluster) =>
      cellOf(patchCluster(patches, 'SIDECAR_OUTBOUND', cluster, []), patchSources(proxy, 'SIDECAR_OUTBOUND'));
    const unknownHosts = unknownHostsCluster(proxy);
    const inboundPatches = patchSources(proxy, 'SIDECAR_INBOUND');
    return [
      ...outbound(blackHoleCluster(proxy)),
      ...outbound(passthroughCluster(proxy)),
      ...(unknownHosts === undefined ? [] : outbound(unknownHosts)),
      ...this.#added(proxy, 'SIDECAR_OUTBOUND'),
      ...inboundClusters(proxy).flatMap(({ cluster, hosts, sources }) =>
        cellOf(patchCluster(patches, 'SIDECAR_INBOUND', cluster, hosts), [...inboundPatches, ...sources]),
      ),
      ...cellOf(patchCluster(patches, 'SIDECAR_INBOUND', inboundPassthroughCluster(proxy)), inboundPatches),
      ...this.#added(proxy, 'SIDECAR_INBOUND'),
    ];
  }

  #ofGateway(proxy: ProxyView): Cell[] {
    const { patches } = proxy;
    const blackHole = patchCluster(patches, 'GATEWAY', blackHoleCluster(proxy));
    return [...cellOf(blackHole, patchSources(proxy, 'GATEWAY')), ...this.#added(proxy, 'GATEWAY')];
  }

  #added({ patches }: ProxyView, context: PatchContext): Cell[] {
    return addedClusters(patches, context).flatMap(({ cluster, patch }) => cellOf(cluster, [patch.patch.origin]));
  }
}

function cellOf(cluster: Cluster | undefined, sources: readonly Source[]): Cell[] {
  if (cluster === undefined) return [];
  return [
    new EncodedCell(
      TypeUrl.Cluster,
      cluster.name,
      () => toBinary(ClusterSchema, cluster),
      () => locationsOf(sources),
    ),
  ];
}

/** Patches that may have changed a cluster. */
function patchSources({ patches }: ProxyView, context: PatchContext): Source[] {
  return patches
    .for('CLUSTER', context)
    .filter((patch) => patch.operation !== 'ADD')
    .map((patch) => patch.patch.origin);
}

function passesThrough(spec: { trafficPolicy?: { loadBalancer?: { simple?: string } } } | undefined): boolean {
  return spec?.trafficPolicy?.loadBalancer?.simple === 'PASSTHROUGH';
}

/** Whether any cluster of these services holds its endpoints itself, ranked by how near they are. */
const carriesEndpoints = perObject((services: readonly Service[]) =>
  services.some(({ resolution }) => resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN'),
);

/** What of a proxy itself shows in all clusters. */
function clusterKey(proxy: ProxyView): string {
  const { node, ipMode } = proxy;
  const { clientCertificates: given, credentialSocket, type } = node;
  const certificates = given === undefined ? '' : `${given.chain} ${given.key} ${given.root}`;
  return `${type} ${ipMode} ${credentialSocket} ${preservesHeaderCase(proxy)} ${certificates}`;
}

/** What of it shows in clusters that carry their endpoints: where it is. */
function placeKey({ locality, labels, node }: ProxyView): string {
  return JSON.stringify([locality, labels, node.networkView, node.nodeName]);
}

/** Envoy takes no two clusters of one name; the first counts. */
function unique(cells: readonly Cell[]): readonly Cell[] {
  const seen = new Set<string>();
  return cells.filter(({ name }) => !seen.has(name) && seen.add(name));
}
