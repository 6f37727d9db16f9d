import type { Endpoint } from '../../registry/endpoint.ts';
import { type Resolution, type Service, type ServicePort, UNSPECIFIED } from '../../registry/service.ts';
import type { ConnectedProxy } from '../proxies/connected-proxy.ts';
import { type DebugContext, type DebugEndpoint, json, timestamp } from './handler.ts';

/** `Resolution` of istiod's model.Service. */
const RESOLUTIONS: Record<Resolution, number> = {
  STATIC: 0,
  DNS: 1,
  DNS_ROUND_ROBIN: 2,
  PASSTHROUGH: 3,
  ALIAS: 4,
  DYNAMIC_DNS: 5,
};
const HEALTH: Record<Endpoint['health'], number> = { healthy: 1, unhealthy: 2, draining: 3 };

function registryOf(service: Service): 'Kubernetes' | 'External' {
  return service.origin === 'Kubernetes' ? 'Kubernetes' : 'External';
}

/** A service as istiod prints its model.Service. */
function serviceJson(service: Service, clusterId: string) {
  const addresses = [service.address, ...service.extraAddresses].filter((address) => address !== UNSPECIFIED);
  return {
    Attributes: {
      ServiceRegistry: registryOf(service),
      Name: service.name,
      Namespace: service.namespace,
      Labels: orNull(service.labels),
      ExportTo: service.exportTo ? Object.fromEntries([...service.exportTo].map((to) => [to, {}])) : null,
      LabelSelectors: service.selector ?? null,
      Aliases: service.aliases.length > 0 ? service.aliases : null,
      ExternalName: service.externalName ?? '',
      NodeLocal: service.nodeLocal,
      ObjectName: service.source.metadata.name,
      PublishNotReadyAddresses: service.publishNotReadyAddresses,
    },
    ports: service.ports,
    creationTime: service.creationTime > 0 ? timestamp(service.creationTime) : '0001-01-01T00:00:00Z',
    hostname: service.hostname,
    clusterVIPs: { Addresses: addresses.length > 0 ? { [clusterId]: addresses } : null },
    defaultAddress: service.address,
    ...(service.allocated
      ? { autoAllocatedIPv4Address: service.allocated.ipv4, autoAllocatedIPv6Address: service.allocated.ipv6 }
      : {}),
    Resolution: RESOLUTIONS[service.resolution],
    MeshExternal: service.meshExternal,
    ResourceVersion: '',
  };
}

/** An endpoint as istiod prints its model.IstioEndpoint. */
function endpointJson(endpoint: Endpoint, ports: readonly ServicePort[]) {
  return {
    Labels: endpoint.labels,
    Addresses: [endpoint.address, ...endpoint.extraAddresses],
    ServicePortName: endpoint.portName,
    LegacyClusterPortKey: ports.find(({ name }) => name === endpoint.portName)?.port ?? 0,
    ServiceAccount: endpoint.serviceAccount,
    Network: endpoint.network,
    Locality: { Label: endpoint.locality, ClusterID: endpoint.clusterId },
    EndpointPort: endpoint.port,
    LbWeight: endpoint.weight,
    TLSMode: endpoint.tlsMode,
    Namespace: endpoint.namespace,
    WorkloadName: endpoint.workloadName,
    HostName: endpoint.hostname,
    SubDomain: endpoint.subdomain,
    HealthStatus: HEALTH[endpoint.health],
    NodeName: endpoint.nodeName,
  };
}

function endpointShards({ source, clusterId }: DebugContext) {
  const { registry } = source.snapshot;
  const shards: Record<string, Record<string, object>> = {};
  for (const service of registry.services.all) {
    const { endpoints, serviceAccounts } = registry.endpoints(service);
    if (endpoints.length === 0) continue;
    const shard = `${registryOf(service)}/${clusterId}`;
    const ofHost = (shards[service.hostname] ??= {});
    ofHost[service.namespace] = {
      Shards: { [shard]: endpoints.map((endpoint) => endpointJson(endpoint, service.ports)) },
      ServiceAccounts: Object.fromEntries(serviceAccounts.map((account) => [account, {}])),
    };
  }
  return shards;
}

function instancesOf(proxy: ConnectedProxy, { source, clusterId }: DebugContext) {
  const targets = source.snapshot.registry.targets(proxy.node.namespace, proxy.node.addresses);
  return targets.map(({ service, port, targetPort }) => ({
    Service: serviceJson(service, clusterId),
    Port: { ...port, TargetPort: targetPort },
  }));
}

function orNull(labels: Readonly<Record<string, string>>) {
  return Object.keys(labels).length > 0 ? labels : null;
}

export const registryEndpoints: readonly DebugEndpoint[] = [
  {
    name: 'registryz',
    help: 'Services that are known',
    answer: (_, { source, clusterId }) =>
      json(source.snapshot.registry.services.all.map((service) => serviceJson(service, clusterId))),
  },
  { name: 'endpointShardz', help: 'Endpoints of every service', answer: (_, context) => json(endpointShards(context)) },
  { name: 'endpointz', help: 'The same as endpointShardz', answer: (_, context) => json(endpointShards(context)) },
  {
    name: 'instancesz',
    help: 'What each connected proxy serves',
    answer: (_, context) =>
      json(Object.fromEntries([...context.proxies].map((proxy) => [proxy.id, instancesOf(proxy, context)]))),
  },
];
