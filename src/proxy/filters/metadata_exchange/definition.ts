import {
  type MetadataExchange,
  MetadataExchangeSchema,
} from '../../../api/gen/envoy_tcp/metadata_exchange/config_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { WorkerContext } from '../../context.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { DOWNSTREAM_PEER, UPSTREAM_PEER } from '../../observe/filter-state.ts';
import { exchangeMetadata, type MetadataExchangeConfig, MetadataExchangeStats } from './filter.ts';
import { encodePeerExchange } from './peer-exchange.ts';

/** Istio's metadata exchange over TCP, on connections of clients and on those to upstreams. */
export const metadataExchange: NetworkFilterDefinition<MetadataExchange> = {
  name: 'istio.metadata_exchange',
  schema: MetadataExchangeSchema,
  supported: {
    // Discovery asks a provider of workloads, which a bootstrap extension would be; without one it never finds anybody.
    'envoy.tcp.metadataexchange.config.MetadataExchange': ['protocol', 'enable_discovery', 'additional_labels'],
  },
  compile(proto, { worker }, errors) {
    const lease = worker.stats.acquire('metadata_exchange.', MetadataExchangeStats);
    const config = compile(proto, worker, lease.group, DOWNSTREAM_PEER, errors);
    return {
      terminal: false,
      create: (callbacks) =>
        exchangeMetadata(config, callbacks.connection, (received, sent) => callbacks.exclude(received, sent)),
      dispose: () => lease.release(),
    };
  },
  compileUpstream(proto, { worker }, errors) {
    // Clusters share one group, which stays: their connections count on after they are gone.
    const { group } = worker.stats.acquire('metadata_exchange.', MetadataExchangeStats);
    const config = compile(proto, worker, group, UPSTREAM_PEER, errors);
    return { create: (connection) => exchangeMetadata(config, connection) };
  },
};

function compile(
  proto: MetadataExchange,
  { node }: WorkerContext,
  stats: MetadataExchangeStats,
  peerKey: string,
  errors: ConfigErrors,
): MetadataExchangeConfig {
  if (proto.protocol === '') errors.add('protocol', 'must not be empty');
  const labels: ReadonlySet<string> = new Set(proto.additionalLabels);
  return { stats, protocol: proto.protocol, labels, hello: encodePeerExchange(node, labels), peerKey };
}
