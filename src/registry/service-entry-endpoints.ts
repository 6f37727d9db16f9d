import type { ServiceEntrySpec } from '../config/kinds/service-entry/schema.ts';
import type { Port } from '../config/kinds/shared/port.ts';
import type { Workload as WorkloadSpec } from '../config/kinds/shared/workload.ts';
import type { ConfigObject } from '../config/object.ts';
import type { Endpoint } from './endpoint.ts';
import { spiffeId } from './kubernetes-service.ts';
import { withTopologyLabels } from './locality.ts';
import type { RegistryOptions } from './options.ts';
import type { Workload } from './workload.ts';
import { tlsModeOf } from './workload-entry.ts';

const UNIX = 'unix://';

/** The endpoints that a ServiceEntry lists, or, where it lists none and resolves by DNS, its host itself. */
export function ownEndpoints(
  object: ConfigObject<ServiceEntrySpec>,
  hostname: string,
  options: RegistryOptions,
): Endpoint[] {
  const { spec } = object;
  const ports = spec.ports ?? [];
  const listed = spec.endpoints ?? [];
  if (listed.length > 0) {
    return ports.flatMap((port) => listed.map((endpoint, i) => listedEndpoint(object, endpoint, i, port, options)));
  }
  const byDns = spec.resolution === 'DNS' || spec.resolution === 'DNS_ROUND_ROBIN';
  if (!byDns || spec.workloadSelector !== undefined) return [];
  return ports.map((port) => ({
    ...base(object, options, '', options.network),
    address: hostname,
    port: port.targetPort || port.number || 0,
    portName: port.name ?? '',
    servicePort: port.number ?? 0,
    workloadName: object.metadata.name,
    labels: {},
  }));
}

function listedEndpoint(
  object: ConfigObject<ServiceEntrySpec>,
  endpoint: WorkloadSpec,
  index: number,
  port: Port,
  options: RegistryOptions,
): Endpoint {
  const locality = endpoint.locality ?? '';
  const network = endpoint.network ?? options.network;
  const labels = endpoint.labels ?? {};
  const { address, number } = addressAndPort(endpoint.address ?? '', endpoint.ports?.[port.name ?? ''], port);
  return {
    ...base(object, options, locality, network),
    address,
    port: number,
    portName: port.name ?? '',
    servicePort: port.number ?? 0,
    labels: withTopologyLabels(labels, { clusterId: options.clusterId, locality, network }),
    weight: endpoint.weight || 1,
    serviceAccount: endpoint.serviceAccount
      ? spiffeId(options.trustDomain, object.metadata.namespace, endpoint.serviceAccount)
      : '',
    tlsMode: tlsModeOf(labels, endpoint.serviceAccount),
    workloadName: `${object.metadata.name}-${index}`,
  };
}

function base(object: ConfigObject, options: RegistryOptions, locality: string, network: string) {
  return {
    extraAddresses: [],
    locality,
    network,
    clusterId: options.clusterId,
    weight: 1,
    serviceAccount: '',
    tlsMode: 'disabled',
    namespace: object.metadata.namespace,
    hostname: '',
    subdomain: '',
    nodeName: '',
    health: 'healthy',
  } as const;
}

/** A Unix socket has no port. Otherwise the endpoint's own port comes before `targetPort`, and that before the service's. */
function addressAndPort(address: string, own: number | undefined, port: Port): { address: string; number: number } {
  if (address.startsWith(UNIX)) return { address: address.slice(UNIX.length), number: 0 };
  return { address, number: own || port.targetPort || port.number || 0 };
}

/** The endpoints that a selected workload gives to a ServiceEntry. */
export function selectedEndpoints(object: ConfigObject<ServiceEntrySpec>, workload: Workload): Endpoint[] {
  const [first, ...extraAddresses] = workload.addresses;
  if (first === undefined) return [];
  return (object.spec.ports ?? []).map((port) => {
    const { address, number } = addressAndPort(first, workload.ports.get(port.name ?? ''), port);
    return endpointOf(workload, {
      address,
      extraAddresses,
      port: number,
      portName: port.name ?? '',
      servicePort: port.number ?? 0,
    });
  });
}

export function endpointOf(
  workload: Workload,
  at: Pick<Endpoint, 'address' | 'extraAddresses' | 'port' | 'portName' | 'servicePort'>,
): Endpoint {
  return {
    ...at,
    labels: workload.labels,
    locality: workload.locality,
    network: workload.network,
    clusterId: workload.labels['topology.istio.io/cluster'] ?? '',
    weight: workload.weight,
    serviceAccount: workload.serviceAccount,
    tlsMode: workload.tlsMode,
    workloadName: workload.workloadName,
    namespace: workload.namespace,
    hostname: workload.hostname,
    subdomain: workload.subdomain,
    nodeName: workload.nodeName,
    health: workload.health,
  };
}
