import { create } from '@bufbuild/protobuf';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { HttpProtocolOptionsSchema } from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import { resolveByRequest, unknownHostsCache } from '../dynamic-dns.ts';
import {
  ALLOW_ANY_DYNAMIC_DNS_CLUSTER,
  BLACKHOLE_CLUSTER,
  delimited,
  INBOUND_PASSTHROUGH_CLUSTER,
  PASSTHROUGH_CLUSTER,
} from '../names.ts';
import { duration, socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { EXTERNAL_SDS_CLUSTER, EXTERNAL_SDS_SOCKET } from '../tls/sds.ts';
import { applyUpstreamTls } from '../tls/upstream.ts';
import { preservesHeaderCase } from './base.ts';
import { applyConnectionPool } from './connection-pool.ts';
import { ClusterDraft } from './draft.ts';
import { bindToPassthrough } from './inbound.ts';
import { applyMetadataExchange } from './metadata-exchange.ts';

/** Where traffic to nowhere goes. */
export function blackHoleCluster(proxy: ProxyView): Cluster {
  return create(ClusterSchema, {
    name: BLACKHOLE_CLUSTER,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    connectTimeout: duration(proxy.mesh.connectTimeout),
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    altStatName: delimited(BLACKHOLE_CLUSTER),
  });
}

/** Idle time after which connections to unknown destinations are closed, milliseconds. */
const PASSTHROUGH_IDLE = 300_000;

/** To where the client wanted to go, in the protocol that it speaks. */
export function passthroughCluster(proxy: ProxyView): Cluster {
  const draft = new ClusterDraft(
    create(ClusterSchema, {
      name: PASSTHROUGH_CLUSTER,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
      lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
      altStatName: delimited(PASSTHROUGH_CLUSTER),
    }),
    preservesHeaderCase(proxy),
  );
  applyConnectionPool(draft, proxy.mesh, proxy.mesh.defaultTrafficPolicy?.connectionPool);
  draft.useClientProtocol();
  draft.http.commonHttpProtocolOptions = create(HttpProtocolOptionsSchema, {
    idleTimeout: duration(PASSTHROUGH_IDLE),
  });
  applyMetadataExchange(proxy, draft.cluster);
  return draft.build();
}

/** To whatever host a request names, for requests whose host the mesh does not know (ALLOW_ANY_DYNAMIC_DNS). */
export function unknownHostsCluster(proxy: ProxyView): Cluster | undefined {
  const cache = unknownHostsCache(proxy);
  if (cache === undefined) return undefined;
  const name = ALLOW_ANY_DYNAMIC_DNS_CLUSTER;
  const draft = new ClusterDraft(
    create(ClusterSchema, { name, altStatName: delimited(name) }),
    preservesHeaderCase(proxy),
  );
  applyConnectionPool(draft, proxy.mesh, undefined);
  applyUpstreamTls(proxy, draft, {
    settings: proxy.mesh.outboundTrafficPolicy.tls,
    identities: [],
    sni: '',
    meshExternal: true,
    mutualTlsExpected: false,
    fromServiceEntry: false,
    namedByRequests: true,
    ruleHasSelector: false,
  });
  // As with istiod, requests whose host decides on TLS go on as HTTP/1.1.
  if (!draft.hasHttp) {
    draft.useClientProtocol();
    draft.http.commonHttpProtocolOptions = create(HttpProtocolOptionsSchema, {
      idleTimeout: duration(PASSTHROUGH_IDLE),
    });
  }
  resolveByRequest(draft.cluster, cache, !draft.namesFollowRequests);
  applyMetadataExchange(proxy, draft.cluster);
  return draft.build();
}

/** The same as the passthrough cluster for what comes in, with the source address that iptables lets through to the program. */
export function inboundPassthroughCluster(proxy: ProxyView): Cluster {
  const cluster = passthroughCluster(proxy);
  cluster.name = INBOUND_PASSTHROUGH_CLUSTER;
  cluster.filters = [];
  bindToPassthrough(proxy, cluster, true);
  return cluster;
}

/** The program that serves credentials on a socket beside the proxy. */
export function externalSdsCluster(proxy: ProxyView): Cluster {
  const draft = new ClusterDraft(
    create(ClusterSchema, {
      name: EXTERNAL_SDS_CLUSTER,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
      connectTimeout: duration(proxy.mesh.connectTimeout),
      altStatName: delimited(EXTERNAL_SDS_CLUSTER),
      loadAssignment: {
        clusterName: EXTERNAL_SDS_CLUSTER,
        endpoints: [
          {
            lbEndpoints: [
              { hostIdentifier: { case: 'endpoint', value: { address: socketAddress(EXTERNAL_SDS_SOCKET, 0) } } },
            ],
          },
        ],
      },
    }),
  );
  draft.useHttp2();
  return draft.build();
}
