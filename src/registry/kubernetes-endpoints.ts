import type { EndpointSliceSpec, SliceEndpoint } from '../config/kinds/endpoint-slice/schema.ts';
import type { EndpointsSpec } from '../config/kinds/endpoints/schema.ts';
import type { ServicePort, ServiceSpec } from '../config/kinds/service/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { isIp, isIpv4 } from './address.ts';
import type { Endpoint, Health } from './endpoint.ts';
import { withTopologyLabels } from './locality.ts';
import type { RegistryOptions } from './options.ts';
import { endpointOf } from './service-entry-endpoints.ts';
import type { Workload } from './workload.ts';

/** Label that says which service an EndpointSlice belongs to. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

type FindPod = (address: string) => Workload | undefined;

/** Endpoints out of the EndpointSlices of a service. */
export function endpointsOfSlices(
  service: ConfigObject<ServiceSpec>,
  slices: readonly ConfigObject<EndpointSliceSpec>[],
  findPod: FindPod,
  options: RegistryOptions,
): Endpoint[] {
  return slices.flatMap(({ spec }) => {
    if (spec.addressType === 'FQDN') return [];
    return (spec.endpoints ?? []).flatMap((endpoint) =>
      (spec.ports ?? []).flatMap((port) => {
        const [address, ...extraAddresses] = endpoint.addresses;
        if (address === undefined || port.port === undefined || port.protocol === 'UDP') return [];
        const at = { address, extraAddresses, port: port.port, portName: port.name ?? '', servicePort: 0 };
        return [{ ...placed(service, at, endpoint.nodeName, findPod, options), health: sliceHealth(endpoint) }];
      }),
    );
  });
}

/** As Kubernetes reads conditions: ready unless told otherwise; serving while terminating is draining. */
function sliceHealth({ conditions }: SliceEndpoint): Health {
  if (conditions?.ready !== false) return 'healthy';
  return conditions.serving === true && conditions.terminating === true ? 'draining' : 'unhealthy';
}

/** Endpoints out of an Endpoints object, which a person writes for a service without a selector. */
export function endpointsOfEndpoints(
  service: ConfigObject<ServiceSpec>,
  object: ConfigObject<EndpointsSpec>,
  findPod: FindPod,
  options: RegistryOptions,
): Endpoint[] {
  return (object.spec.subsets ?? []).flatMap((subset) =>
    [...(subset.addresses ?? []), ...(subset.notReadyAddresses ?? [])].flatMap((entry, i) =>
      (subset.ports ?? []).map((port) => {
        const at = {
          address: entry.ip,
          extraAddresses: [],
          port: port.port,
          portName: port.name ?? '',
          servicePort: 0,
        };
        const ready = i < (subset.addresses?.length ?? 0);
        return {
          ...placed(service, at, entry.nodeName, findPod, options),
          health: ready ? ('healthy' as const) : ('unhealthy' as const),
        };
      }),
    ),
  );
}

/** What is known of the program at an address: all of it if a pod has the address. */
function placed(
  service: ConfigObject,
  at: Pick<Endpoint, 'address' | 'extraAddresses' | 'port' | 'portName' | 'servicePort'>,
  nodeName: string | undefined,
  findPod: FindPod,
  options: RegistryOptions,
): Endpoint {
  const pod = findPod(at.address);
  if (pod !== undefined) return endpointOf(pod, at);
  const { clusterId, network } = options;
  return {
    ...at,
    labels: withTopologyLabels({}, { clusterId, locality: '', network, nodeName }),
    locality: '',
    network,
    clusterId,
    weight: 1,
    serviceAccount: '',
    tlsMode: 'disabled',
    workloadName: '',
    namespace: service.metadata.namespace,
    hostname: '',
    subdomain: '',
    nodeName: nodeName ?? '',
    health: 'healthy',
  };
}

/** The endpoints that a workload which the service's selector matches gives to it. */
export function endpointsOfSelected(service: ConfigObject<ServiceSpec>, workload: Workload): Endpoint[] {
  const [address, ...extraAddresses] = addressesFor(service.spec, workload);
  if (address === undefined) return [];
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPortOf(port, workload);
    if (number === undefined || port.protocol === 'UDP') return [];
    return [endpointOf(workload, { address, extraAddresses, port: number, portName: port.name ?? '', servicePort: 0 })];
  });
}

/**
 * Addresses of a workload at which a service finds it. A service of both families finds a pod at all that it has, any
 * other at those of its own family; one that names none has the family of the pod's first, as an API server that gives
 * addresses of that family would have it. A pod that has one address is found at it whatever the service says, so that
 * services of clusters with IPv6 work on a machine without.
 */
function addressesFor(
  { ipFamilies, ipFamilyPolicy, clusterIP, clusterIPs }: ServiceSpec,
  workload: Workload,
): readonly string[] {
  const { addresses, kind } = workload;
  if (kind !== 'Pod' || addresses.length < 2) return addresses;
  const given = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  const named = new Set(ipFamilies?.length ? ipFamilies : given.filter(isIp).map(familyOf));
  if (named.size > 1 || (ipFamilyPolicy !== undefined && ipFamilyPolicy !== 'SingleStack')) return addresses;
  const [family = familyOf(addresses[0]!)] = named;
  return addresses.filter((address) => familyOf(address) === family);
}

const familyOf = (address: string): 'IPv4' | 'IPv6' => (isIpv4(address) ? 'IPv4' : 'IPv6');

/**
 * The port of a workload that a service's port leads to. A port that is named and that the pod does not have leads
 * nowhere; a WorkloadEntry names the service's ports rather than its own.
 */
export function targetPortOf(port: ServicePort, workload: Workload): number | undefined {
  if (workload.kind === 'WorkloadEntry') {
    const own = workload.ports.get(port.name ?? '');
    if (own !== undefined) return own;
    return typeof port.targetPort === 'number' && port.targetPort !== 0 ? port.targetPort : port.port;
  }
  if (typeof port.targetPort === 'string') {
    return workload.ports.get(port.targetPort) ?? (/^\d+$/.test(port.targetPort) ? Number(port.targetPort) : undefined);
  }
  return port.targetPort || port.port;
}
