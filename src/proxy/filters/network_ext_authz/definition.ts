import {
  type ExtAuthz,
  ExtAuthzSchema,
} from '../../../api/gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts';
import { durationMs } from '../../config/values.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { metadataTest } from '../../router/metadata-match.ts';
import { GRPC_SERVICE, grpcService } from '../common/grpc-service.ts';
import { METADATA_MATCHERS } from '../common/supported.ts';
import { nodeLabels } from '../ext_authz/check-request.ts';
import { NetworkExtAuthzFilter, NetworkExtAuthzStats } from './filter.ts';

const DEFAULT_TIMEOUT_MS = 200;

export const networkExtAuthz: NetworkFilterDefinition<ExtAuthz> = {
  name: 'envoy.filters.network.ext_authz',
  schema: ExtAuthzSchema,
  supported: {
    ...METADATA_MATCHERS,
    ...GRPC_SERVICE,
    'envoy.extensions.filters.network.ext_authz.v3.ExtAuthz': [
      'stat_prefix',
      'grpc_service',
      'failure_mode_allow',
      'include_peer_certificate',
      'transport_api_version',
      'filter_enabled_metadata',
      'bootstrap_metadata_labels_key',
      'include_tls_session',
      'metadata_context_namespaces',
      'shadow_mode',
    ],
  },
  compile(proto, { worker, clusters }, errors) {
    if (proto.statPrefix === '') errors.add('stat_prefix', 'must not be empty');
    const leases = new StatLeases(worker.stats, '');
    const config = {
      stats: leases.acquire(`ext_authz.${proto.statPrefix}.`, NetworkExtAuthzStats),
      service: grpcService(
        proto.grpcService,
        { clusters, timers: worker.timers, localAddress: worker.node.localAddress },
        durationMs(proto.grpcService?.timeout, DEFAULT_TIMEOUT_MS),
        errors.at('grpc_service'),
      ),
      contents: {
        includePeerCertificate: proto.includePeerCertificate,
        includeTlsSession: proto.includeTlsSession,
        destinationLabels: nodeLabels(worker.node.metadata, proto.bootstrapMetadataLabelsKey),
        metadata: proto.metadataContextNamespaces,
      },
      failureModeAllow: proto.failureModeAllow,
      shadowMode: proto.shadowMode,
      enabledFor:
        proto.filterEnabledMetadata && metadataTest(proto.filterEnabledMetadata, errors.at('filter_enabled_metadata')),
    };
    return {
      terminal: false,
      create: (callbacks) => new NetworkExtAuthzFilter(config, callbacks),
      dispose: () => leases.release(),
    };
  },
};
