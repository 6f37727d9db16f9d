import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type ClusterStats, EndpointUpdates } from './cluster-stats.ts';
import type { ClusterConfig } from './config.ts';
import { DnsDiscovery } from './dns/discovery.ts';
import { type Assignment, NO_ENDPOINTS, policyOf, readAssignment, readTemplates } from './endpoints.ts';
import type { ClusterEnvironment } from './environment.ts';

/** The cluster as those who find its endpoints see it. */
export interface DiscoveredCluster {
  readonly stats: ClusterStats;
  setEndpoints(assignment: Assignment): void;
  /** The first answer is here; an empty one is an answer too. May be called again. */
  discovered(): void;
  discoveryFailed(name: string, error: unknown): void;
}

/** Begins to look for endpoints, and returns how to stop. */
export type Discover = (cluster: DiscoveredCluster) => () => void;

const NOTHING_TO_STOP = () => {};

/** How the endpoints of a cluster are found. Undefined after an error. */
export function endpointDiscovery(
  config: ClusterConfig,
  loadAssignment: ClusterLoadAssignment | undefined,
  environment: ClusterEnvironment,
  errors: ConfigErrors,
): Discover | undefined {
  switch (config.discovery) {
    case 'STATIC':
      return staticEndpoints(loadAssignment, errors.at('load_assignment'));
    case 'STRICT_DNS':
    case 'LOGICAL_DNS':
      return dnsEndpoints(config, loadAssignment, environment, errors.at('load_assignment'));
    case 'EDS':
      return edsEndpoints(config, environment);
    case 'AGGREGATE':
      return namedByRequests(config, loadAssignment, 'aggregate', errors);
    case 'FORWARD_PROXY':
      return namedByRequests(config, loadAssignment, 'dynamic_forward_proxy', errors);
    default:
      return namedByRequests(config, loadAssignment, 'ORIGINAL_DST', errors);
  }
}

function staticEndpoints(loadAssignment: ClusterLoadAssignment | undefined, errors: ConfigErrors): Discover {
  const assignment = loadAssignment ? readAssignment(loadAssignment, errors) : NO_ENDPOINTS;
  return (cluster) => {
    cluster.setEndpoints(assignment);
    cluster.discovered();
    return NOTHING_TO_STOP;
  };
}

function dnsEndpoints(
  { dns: config, discovery }: ClusterConfig,
  loadAssignment: ClusterLoadAssignment | undefined,
  { worker, resolvers }: ClusterEnvironment,
  errors: ConfigErrors,
): Discover | undefined {
  if (config === undefined) return undefined;
  const groups = loadAssignment ? readTemplates(loadAssignment, errors) : [];
  const policy = loadAssignment ? policyOf(loadAssignment, errors) : NO_ENDPOINTS;
  const logical = discovery === 'LOGICAL_DNS';
  if (logical && groups.flatMap(({ endpoints }) => endpoints).length !== 1) {
    errors.add('endpoints', 'LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint');
  }
  return (cluster) => {
    const { stats } = cluster;
    const resolver = resolvers.get(config.resolver);
    const discovery = new DnsDiscovery({ groups, policy, config, logical, resolver }, worker, {
      onEndpoints: (assignment) => cluster.setEndpoints(assignment),
      onComplete: () => cluster.discovered(),
      onUnchanged: () => stats.update_no_rebuild++,
      onAttempt: () => stats.update_attempt++,
      onFailure(name, error) {
        stats.update_failure++;
        cluster.discoveryFailed(name, error);
      },
      onSuccess: () => stats.update_success++,
    });
    discovery.start();
    return () => discovery.close();
  };
}

function edsEndpoints({ eds }: ClusterConfig, { worker, endpoints }: ClusterEnvironment): Discover | undefined {
  if (eds === undefined) return undefined;
  return (cluster) => {
    const { stats } = cluster;
    const updates = (stats.endpoints ??= new EndpointUpdates());
    // A file is only read: nobody is asked.
    if (eds.source.kind !== 'path') stats.update_attempt++;
    return endpoints.watch(eds.source, eds.serviceName, {
      onEndpoints(assignment, version) {
        stats.update_attempt++;
        stats.update_success++;
        updates.time = worker.timers.wallClock();
        updates.version = version;
        cluster.setEndpoints(assignment);
        cluster.discovered();
      },
      onNothing() {
        stats.update_attempt++;
        stats.update_empty++;
        cluster.discovered();
      },
      onTimeout() {
        updates.initFetchTimeouts++;
        cluster.discovered();
      },
      onRejected() {
        stats.update_attempt++;
        updates.rejected++;
      },
      onFailed() {
        stats.update_attempt++;
        stats.update_failure++;
      },
    });
  };
}

/** The hosts are what requests or connections bring. */
function namedByRequests(
  { policy }: ClusterConfig,
  loadAssignment: ClusterLoadAssignment | undefined,
  kind: string,
  errors: ConfigErrors,
): Discover {
  if ((loadAssignment?.endpoints.length ?? 0) > 0) errors.add('load_assignment', `${kind} clusters must have none`);
  if (policy !== undefined) errors.add('lb_policy', `${kind} clusters must use CLUSTER_PROVIDED`);
  return (cluster) => {
    cluster.discovered();
    return NOTHING_TO_STOP;
  };
}
