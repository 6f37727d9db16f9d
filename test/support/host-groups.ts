import type { JsonObject } from '@bufbuild/protobuf';
import { socketAddress } from './envoy-config.ts';
import type { TwinEnv } from './twin-proxies.ts';

/** A host of a cluster by the name of its backend, or with fields of its LbEndpoint besides. */
export type HostSpec = string | readonly [backend: string, endpoint: JsonObject, address?: JsonObject];

/** One group of endpoints: `group(env, ['a', ['b', { health_status: 'UNHEALTHY' }]], { priority: 1 })`. */
export function group(env: TwinEnv, hosts: readonly HostSpec[], more: JsonObject = {}): JsonObject {
  const lb_endpoints = hosts.map((spec): JsonObject => {
    const [name, endpoint, address] = typeof spec === 'string' ? [spec, {}] : spec;
    return {
      endpoint: { address: socketAddress(env.backend(name)), hostname: `${name}.test`, ...address },
      ...endpoint,
    };
  });
  return { lb_endpoints, ...more };
}

/** Fields of a cluster with such groups, and of its ClusterLoadAssignment. */
export function assignment(groups: readonly JsonObject[], more: JsonObject = {}): JsonObject {
  return { load_assignment: { cluster_name: 'own', endpoints: [...groups], ...more } };
}
