import type { SniCluster } from '../../../api/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts';
import { SniClusterSchema } from '../../../api/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts';
import { type NetworkFilterDefinition, NetworkStatus } from '../../net/network-filter.ts';
import { TCP_PROXY_CLUSTER } from '../../observe/filter-state.ts';

/** A client's SNI names the cluster that the TCP proxy behind goes to. */
export const sniCluster: NetworkFilterDefinition<SniCluster> = {
  name: 'envoy.filters.network.sni_cluster',
  schema: SniClusterSchema,
  supported: { 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster': [] },
  compile: () => ({
    terminal: false,
    create: ({ connection, info }) => ({
      onNewConnection() {
        const name = connection.requestedServerName;
        if (name !== '') info.setFilterState(TCP_PROXY_CLUSTER, name);
        return NetworkStatus.Continue;
      },
    }),
  }),
};
