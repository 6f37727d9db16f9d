import { create } from '@bufbuild/protobuf';
import type { Cluster } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { FilterSchema } from '../../api/gen/envoy/config/cluster/v3/filter_pb.ts';
import { METADATA_EXCHANGE_CONFIG } from '../filters/metadata-exchange.ts';
import type { ProxyView } from '../proxy-view.ts';

/** The client's side of metadata exchange over TCP. */
export function applyMetadataExchange({ features }: ProxyView, cluster: Cluster): void {
  if (!features.metadataExchange) return;
  cluster.filters.push(
    create(FilterSchema, { name: 'istio.metadata_exchange', typedConfig: METADATA_EXCHANGE_CONFIG }),
  );
}
