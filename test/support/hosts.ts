import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { type Cluster, ClusterSchema } from '../../src/api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { registry } from '../../src/api/registry.ts';
import { Host, type HostDescription, NO_LOCALITY, NO_METADATA } from '../../src/proxy/cluster/host.ts';

/** Endpoints and clusters for unit tests of clusters and of load balancing. */

export function describeHost(port: number, more: Partial<HostDescription> = {}): HostDescription {
  return {
    address: { address: '10.0.0.1', port, family: 4 },
    otherAddresses: [],
    hostname: '',
    weight: 1,
    priority: 0,
    locality: NO_LOCALITY,
    metadata: NO_METADATA,
    localityMetadata: NO_METADATA,
    edsHealth: 0,
    edsStatus: 0,
    canary: false,
    healthCheckAddress: undefined,
    healthCheckHostname: '',
    healthCheckDisabled: false,
    ...more,
  };
}

export function newHost(port: number, more: Partial<HostDescription> = {}): Host {
  return new Host(describeHost(port, more), 0);
}

export function clusterProto(json: JsonObject): Cluster {
  return fromJson(ClusterSchema, { name: 'test', ...json }, { registry });
}
