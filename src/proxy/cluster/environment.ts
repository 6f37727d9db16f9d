import type { TransportSocket } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { WorkerContext } from '../context.ts';
import type { HostSet } from '../lb/host-set.ts';
import type { LocalCluster } from '../lb/load-balancer.ts';
import type { UpstreamFilterBuilder } from '../net/network-filter.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterConfig } from './config.ts';
import type { ClusterDefaults } from './defaults.ts';
import type { DnsCacheSource } from './dns/cache-source.ts';
import type { DnsResolvers } from './dns/resolvers.ts';
import type { EndpointSubscriptions } from './endpoint-subscriptions.ts';
import type { EventFiles } from './event-files.ts';
import type { UpstreamSocket } from './upstream-socket.ts';

/** Compiles a transport socket. What is wrong goes to the errors. */
export type TransportBuilder = (
  socket: TransportSocket | undefined,
  config: ClusterConfig,
  errors: ConfigErrors,
) => UpstreamSocket;

/** A cluster as those see it that are made of several. */
export interface MemberCluster extends Cluster {
  readonly membership: { readonly priorities: readonly HostSet[] };
}

/** What the clusters of a worker share. */
export interface ClusterEnvironment {
  readonly worker: WorkerContext;
  readonly defaults: ClusterDefaults;
  readonly buildTransport: TransportBuilder;
  readonly buildFilters: UpstreamFilterBuilder;
  readonly endpoints: EndpointSubscriptions;
  readonly resolvers: DnsResolvers;
  readonly dnsCaches: DnsCacheSource;
  readonly files: EventFiles;
  readonly local: LocalCluster | undefined;
  /** A cluster that is in use, by name. */
  readonly clusterOf: (name: string) => MemberCluster | undefined;
}
