import type { Bootstrap } from '../../api/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type Binding, bindingOf } from './bind.ts';
import { resolverOptions } from './dns/config.ts';
import { DEFAULT_RESOLVER, type ResolverOptions } from './dns/resolver.ts';

/** What the bootstrap says about all clusters. */
export interface ClusterDefaults {
  readonly resolver: ResolverOptions;
  /** `cluster_manager.upstream_bind_config`. */
  readonly binding: Binding | undefined;
  /** `cluster_manager.local_cluster_name`: the cluster that this proxy is part of. */
  readonly localCluster: string | undefined;
  /** `cluster_manager.outlier_detection.event_log_path`. */
  readonly outlierLogPath: string | undefined;
}

/** Reads what the bootstrap says of all clusters. */
export function clusterDefaults(bootstrap: Bootstrap, errors: ConfigErrors): ClusterDefaults {
  const manager = bootstrap.clusterManager;
  const at = errors.at('cluster_manager');
  return {
    resolver: resolverOptions(bootstrap, DEFAULT_RESOLVER, errors),
    binding: bindingOf(manager?.upstreamBindConfig, at.at('upstream_bind_config')),
    localCluster: manager?.localClusterName || undefined,
    outlierLogPath: manager?.outlierDetection?.eventLogPath || undefined,
  };
}
