import {
  type Config,
  ConfigSchema,
  type Config_DiscoveryMethod as DiscoveryProto,
  type Config_PropagationMethod as PropagationProto,
} from '../../../api/gen/io/istio/peer_metadata/config_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { encodeStruct, workloadMetadata, workloadOf } from '../../observe/workload.ts';
import { type DiscoveryMethod, fromBaggage, fromIstioHeaders } from './discovery.ts';
import { PeerMetadataFilter, type Propagation } from './filter.ts';

const TYPE = 'io.istio.http.peer_metadata.Config';

/** Istio's metadata exchange over HTTP (`istio.metadata_exchange` among HTTP filters). */
export const peerMetadata: HttpFilterDefinition<Config> = {
  name: 'istio.metadata_exchange',
  schema: ConfigSchema,
  supported: {
    [TYPE]: [
      'downstream_discovery',
      'upstream_discovery',
      'downstream_propagation',
      'upstream_propagation',
      'additional_labels',
      // Says that connections inside this proxy carry the peer on; here every stream has it anyhow.
      'shared_with_upstream',
    ],
    [`${TYPE}.DiscoveryMethod`]: ['baggage', 'workload_discovery', 'istio_headers'],
    [`${TYPE}.PropagationMethod`]: ['istio_headers'],
    [`${TYPE}.Baggage`]: [],
    [`${TYPE}.WorkloadDiscovery`]: [],
    [`${TYPE}.IstioHeaders`]: ['skip_external_clusters'],
  },
  compile(config, { worker }) {
    const labels: ReadonlySet<string> = new Set(config.additionalLabels);
    const own = workloadMetadata(workloadOf(worker.node.metadata, labels));
    const compiled = {
      downstreamDiscovery: discovery(config.downstreamDiscovery, labels),
      upstreamDiscovery: discovery(config.upstreamDiscovery, labels),
      downstreamPropagation: propagation(config.downstreamPropagation),
      upstreamPropagation: propagation(config.upstreamPropagation),
      id: worker.node.id,
      value: Buffer.from(encodeStruct(own)).toString('base64'),
    };
    return { create: (callbacks) => new PeerMetadataFilter(compiled, callbacks) };
  },
};

/** Workload discovery asks a provider that a bootstrap extension would be; without one it never finds anybody. */
function discovery(protos: readonly DiscoveryProto[], labels: ReadonlySet<string>): DiscoveryMethod[] {
  return protos.flatMap(({ methodSpecifier }) => {
    if (methodSpecifier.case === 'istioHeaders') return [fromIstioHeaders(labels)];
    return methodSpecifier.case === 'baggage' ? [fromBaggage()] : [];
  });
}

function propagation(protos: readonly PropagationProto[]): Propagation[] {
  return protos.flatMap(({ methodSpecifier }) =>
    methodSpecifier.case === 'istioHeaders' ? [{ skipExternal: methodSpecifier.value.skipExternalClusters }] : [],
  );
}
