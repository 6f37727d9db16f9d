import { create, type JsonObject } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import type { LocalityLbEndpoints } from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import { CaresDnsResolverConfigSchema } from '../../api/gen/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.ts';
import { isHttp2, isHttpOrSniffed } from '../../registry/protocol.ts';
import type { Service, ServicePort } from '../../registry/service.ts';
import { dnsLookupFamily } from '../dynamic-dns.ts';
import { ISTIO_METADATA, istioMetadata } from '../metadata.ts';
import { delimited } from '../names.ts';
import { extension } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { ClusterDraft } from './draft.ts';

export interface ClusterBase {
  readonly name: string;
  readonly type: Cluster_DiscoveryType;
  readonly port: ServicePort;
  /** For clusters that carry their endpoints themselves. */
  readonly endpoints: LocalityLbEndpoints[];
  /** Port to which an ORIGINAL_DST cluster connects instead of the one that the client wanted. */
  readonly portOverride?: number | undefined;
  readonly services: readonly Service[];
}

/** What clusters of all directions have in common. Undefined for one that resolves names and has none. */
export function startCluster(proxy: ProxyView, base: ClusterBase): ClusterDraft | undefined {
  const cluster = create(ClusterSchema, {
    name: base.name,
    clusterDiscoveryType: { case: 'type', value: base.type },
    commonLbConfig: {},
    altStatName: delimited(base.name),
  });
  switch (base.type) {
    case Cluster_DiscoveryType.STRICT_DNS:
    case Cluster_DiscoveryType.LOGICAL_DNS:
      applyDns(proxy, cluster);
      if (base.endpoints.length === 0) return undefined;
      cluster.loadAssignment = loadAssignment(base);
      break;
    case Cluster_DiscoveryType.STATIC:
      if (base.endpoints.length === 0) return undefined;
      cluster.loadAssignment = loadAssignment(base);
      break;
    case Cluster_DiscoveryType.ORIGINAL_DST:
      if (base.portOverride !== undefined) {
        cluster.lbConfig = create(ClusterSchema, {
          lbConfig: { case: 'originalDstLbConfig', value: { upstreamPortOverride: base.portOverride } },
        }).lbConfig;
      }
      break;
  }
  if (base.services.length > 0) {
    cluster.metadata = create(ClusterSchema, {
      metadata: istioMetadata({
        services: base.services.map(({ hostname, name, namespace }) => ({ host: hostname, name, namespace })),
      }),
    }).metadata;
  }
  const { protocol } = base.port;
  const preservesCase = isHttpOrSniffed(protocol) && preservesHeaderCase(proxy);
  const draft = new ClusterDraft(cluster, preservesCase);
  if (isHttp2(protocol)) draft.useHttp2();
  // A gateway never detects: it would offer h2 to backends that may not speak it.
  else if (proxy.isSidecar && protocol === 'Unsupported') draft.useClientProtocol();
  else if (preservesCase) draft.useHttp1();
  return draft;
}

/** Whether names of HTTP/1.1 headers keep their case (ProxyConfig `proxyHeaders.preserveHttp1HeaderCase`). */
export function preservesHeaderCase({ config }: ProxyView): boolean {
  return config.proxyHeaders?.preserveHttp1HeaderCase === true;
}

function loadAssignment(base: ClusterBase) {
  return create(ClusterSchema, { loadAssignment: { clusterName: base.name, endpoints: base.endpoints } })
    .loadAssignment;
}

function applyDns(proxy: ProxyView, cluster: Cluster): void {
  const { features, mesh } = proxy;
  cluster.dnsLookupFamily = dnsLookupFamily(proxy);
  cluster.typedDnsResolverConfig = create(ClusterSchema, {
    typedDnsResolverConfig: extension('envoy.network.dns_resolver.cares', CaresDnsResolverConfigSchema, {
      udpMaxQueries: features.dnsMaxUdpQueries,
    }),
  }).typedDnsResolverConfig;
  cluster.dnsRefreshRate = duration(mesh.dnsRefreshRate);
  cluster.respectDnsTtl = true;
  cluster.dnsJitter = duration(features.dnsJitter);
}

/** The part of a cluster's metadata that is Istio's, made if there is none. */
export function istioMetadataOf(cluster: Cluster): JsonObject {
  cluster.metadata ??= create(ClusterSchema, { metadata: istioMetadata({}) }).metadata;
  const { filterMetadata } = cluster.metadata!;
  return (filterMetadata[ISTIO_METADATA] ??= {});
}
