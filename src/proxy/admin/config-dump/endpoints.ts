import type { ActiveCluster } from '../../cluster/active-cluster.ts';
import type { Host, Locality, Metadata } from '../../cluster/host.ts';
import type { SocketAddress } from '../../net/connection.ts';
import type { AdminProxy } from '../proxy.ts';
import type { Json } from './message-json.ts';
import { type JsonObject, type NamedItem, type Section, TYPE_PREFIX } from './section.ts';

const TYPE = 'envoy.config.endpoint.v3.ClusterLoadAssignment';

/** `include_eds`: the endpoints that clusters have, with what is known of their health. */
export function endpointsSection({ clusters }: AdminProxy): Section {
  const list = (field: string, item: string, dynamic: boolean) => ({
    field,
    itemType: `envoy.admin.v3.EndpointsConfigDump.${item}`,
    *items(): Generator<NamedItem> {
      const entries = [...clusters.activeEntries()].filter((entry) => entry.dynamic === dynamic);
      entries.sort((a, b) => (a.active.name < b.active.name ? -1 : 1));
      for (const { active } of entries) {
        const name = active.cluster.config.eds?.serviceName ?? active.name;
        yield {
          name,
          json: { endpoint_config: { '@type': TYPE_PREFIX + TYPE, cluster_name: name, ...assignmentJson(active) } },
        };
      }
    },
  });
  return {
    type: 'envoy.admin.v3.EndpointsConfigDump',
    fields: {},
    lists: [
      list('static_endpoint_configs', 'StaticEndpointConfig', false),
      list('dynamic_endpoint_configs', 'DynamicEndpointConfig', true),
    ],
  };
}

function assignmentJson({ cluster }: ActiveCluster): JsonObject {
  const { assignment } = cluster;
  const hosts = new Map<string, Host[]>();
  for (const host of cluster.hosts) {
    const { locality, priority } = host.description;
    const key = localityKey(locality, priority);
    const list = hosts.get(key);
    if (list) list.push(host);
    else hosts.set(key, [host]);
  }
  const endpoints: Json[] = [];
  for (const [, members] of hosts) {
    const { locality, priority } = members[0].description;
    const group = assignment.localities.find(
      (l) => localityKey(l.locality, l.priority) === localityKey(locality, priority),
    );
    endpoints.push({
      locality: localityJson(locality),
      lb_endpoints: members.map(endpointJson),
      load_balancing_weight: group?.weight ?? 0,
      ...(priority > 0 ? { priority } : {}),
    });
  }
  const { drop } = assignment;
  const policy: JsonObject = { overprovisioning_factor: assignment.overprovisioning };
  if (drop !== undefined) {
    const drop_percentage = { numerator: Math.round(drop.share * 1e6), denominator: 'MILLION' };
    policy.drop_overloads = [{ category: drop.category, drop_percentage }];
  }
  return { ...(endpoints.length > 0 ? { endpoints } : {}), policy };
}

function localityKey({ region, zone, subZone }: Locality, priority: number): string {
  return JSON.stringify([region, zone, subZone, priority]);
}

/** Locality as a message: what is empty is left out. */
export function localityJson({ region, zone, subZone }: Locality): JsonObject {
  return { ...(region && { region }), ...(zone && { zone }), ...(subZone && { sub_zone: subZone }) };
}

/** Address as a message. */
export function addressJson({ address, port, family }: SocketAddress): JsonObject {
  return family === 0 ? { pipe: { path: address } } : { socket_address: { address, port_value: port } };
}

/** Health as load balancing sees it, by a name of `envoy.config.core.v3.HealthStatus`. */
export function healthStatus(host: Host): 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY' {
  return host.healthy ? 'HEALTHY' : host.degraded ? 'DEGRADED' : 'UNHEALTHY';
}

function endpointJson(host: Host): JsonObject {
  const { address, otherAddresses, hostname, weight, metadata, healthCheckAddress } = host.description;
  const check = healthCheckAddress && healthCheckAddress.port !== address.port ? healthCheckAddress.port : undefined;
  return {
    endpoint: {
      address: addressJson(address),
      health_check_config: check === undefined ? {} : { port_value: check },
      ...(hostname && { hostname }),
      ...(otherAddresses.length > 0 && {
        additional_addresses: otherAddresses.map((other) => ({ address: addressJson(other) })),
      }),
    },
    health_status: healthStatus(host),
    ...(metadata.size > 0 && { metadata: metadataJson(metadata) }),
    load_balancing_weight: weight,
  };
}

function metadataJson(metadata: Metadata): JsonObject {
  return { filter_metadata: Object.fromEntries(metadata) as JsonObject };
}
