import { type Bootstrap, BootstrapSchema } from '../../../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import { ClusterSchema } from '../../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { NodeSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ClusterDump } from '../../cluster/cluster-manager.ts';
import type { AdminProxy } from '../proxy.ts';
import { messageJson } from './message-json.ts';
import { type JsonObject, type NamedItem, type Section, TYPE_PREFIX, timestamp } from './section.ts';

/** `envoy.admin.v3.BootstrapConfigDump`. */
export function bootstrapSection(proxy: AdminProxy): Section {
  // The node as the control plane gets it: with what flags and this program add.
  const rest: Bootstrap = { ...proxy.options.bootstrap, node: undefined };
  const bootstrap = {
    node: messageJson(NodeSchema, proxy.nodeMessage),
    ...messageJson(BootstrapSchema, rest),
  };
  return {
    type: 'envoy.admin.v3.BootstrapConfigDump',
    fields: { bootstrap, last_updated: timestamp(proxy.startedAt) },
    lists: [],
  };
}

/** `envoy.admin.v3.ClustersConfigDump`: clusters of the bootstrap and of CDS, by name. */
export function clustersSection({ clusters }: AdminProxy): Section {
  const all = [...clusters.dump()].sort((a, b) => (a.proto.name < b.proto.name ? -1 : 1));
  const list = (field: string, item: string, pick: (cluster: ClusterDump) => boolean) => ({
    field,
    itemType: `envoy.admin.v3.ClustersConfigDump.${item}`,
    *items(): Generator<NamedItem> {
      for (const cluster of all) if (pick(cluster)) yield { name: cluster.proto.name, json: clusterJson(cluster) };
    },
  });
  return {
    type: 'envoy.admin.v3.ClustersConfigDump',
    fields: version(clusters.version),
    lists: [
      list('static_clusters', 'StaticCluster', ({ dynamic }) => !dynamic),
      list('dynamic_active_clusters', 'DynamicCluster', ({ dynamic, warming }) => dynamic && !warming),
      list('dynamic_warming_clusters', 'DynamicCluster', ({ dynamic, warming }) => dynamic && warming),
    ],
  };
}

/** `version_info`, where there is one. */
export function version(text: string): JsonObject {
  return text === '' ? {} : { version_info: text };
}

function clusterJson({ proto, version: text, lastUpdated }: ClusterDump): JsonObject {
  return {
    ...version(text),
    cluster: { '@type': TYPE_PREFIX + ClusterSchema.typeName, ...messageJson(ClusterSchema, proto) },
    last_updated: timestamp(lastUpdated),
  };
}
