import { HealthStatus } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import type {
  ClusterLoadAssignment,
  ClusterLoadAssignment_Policy_DropOverload,
} from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { SocketAddress } from '../net/connection.ts';
import { socketAddress } from '../net/socket-address.ts';
import { HealthFlag, type HostDescription, type Locality, NO_LOCALITY } from './host.ts';
import { metadataOf } from './metadata.ts';

/** Endpoints of one locality in one priority, as the control plane says. */
export interface LocalityDescription {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly hosts: readonly HostDescription[];
}

/** `ClusterLoadAssignment.policy`, with defaults filled in. */
export interface AssignmentPolicy {
  /** Percent by which healthy hosts count for more than they are. */
  readonly overprovisioning: number;
  readonly weightedHealth: boolean;
  /** Share of 1 of the requests to drop, and what for. */
  readonly drop: { readonly category: string; readonly share: number } | undefined;
}

/** What a ClusterLoadAssignment says, with defaults filled in. */
export interface Assignment extends AssignmentPolicy {
  readonly localities: readonly LocalityDescription[];
}

export const NO_ENDPOINTS: Assignment = {
  localities: [],
  overprovisioning: 140,
  weightedHealth: false,
  drop: undefined,
};

const DENOMINATORS = [100, 10_000, 1_000_000];
const MAX_WEIGHT_SUM = 2 ** 32 - 1;
const MAX_PRIORITY = 128;
const NO_ADDRESSES: readonly SocketAddress[] = [];

const EDS_HEALTH: Readonly<Record<number, number>> = {
  [HealthStatus.UNHEALTHY]: HealthFlag.FailedEdsHealth,
  [HealthStatus.TIMEOUT]: HealthFlag.FailedEdsHealth,
  [HealthStatus.DRAINING]: HealthFlag.EdsDraining,
  [HealthStatus.DEGRADED]: HealthFlag.DegradedEdsHealth,
};

/** An endpoint whose address may still be a name: what DNS clusters start from. */
export interface EndpointTemplate {
  readonly host: string;
  readonly port: number;
  /** `others` are further addresses of the same endpoint, to try when the first does not answer. */
  describe(address: SocketAddress, hostname: string, others?: readonly SocketAddress[]): HostDescription;
}

export interface LocalityTemplate {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly endpoints: readonly EndpointTemplate[];
}

/** Reads an assignment whose addresses are IP addresses or Unix sockets. */
export function readAssignment(proto: ClusterLoadAssignment, errors: ConfigErrors): Assignment {
  const localities = proto.endpoints.map((group, i): LocalityDescription => {
    const at = errors.at('endpoints').at(i);
    const place = groupOf(group, at);
    const hosts = group.lbEndpoints.flatMap((endpoint, j) => {
      const here = at.at('lb_endpoints').at(j);
      if (endpoint.hostIdentifier.case !== 'endpoint') {
        here.add('endpoint', 'is needed');
        return [];
      }
      const { address, hostname, additionalAddresses } = endpoint.hostIdentifier.value;
      const main = socketAddress(address, here.at('endpoint'));
      const others = additionalAddresses.flatMap((other, k) => {
        const one = socketAddress(other.address, here.at('endpoint.additional_addresses').at(k));
        return one ? [one] : [];
      });
      return main ? [describe(endpoint, group, place.locality, main, hostname, others, here)] : [];
    });
    checkSum(hosts, at);
    return { ...place, hosts };
  });
  return { ...policyOf(proto, errors), localities };
}

function checkSum(hosts: readonly HostDescription[], errors: ConfigErrors): void {
  const sum = hosts.reduce((n, { weight }) => n + weight, 0);
  if (sum > MAX_WEIGHT_SUM) errors.add('lb_endpoints', `the weights together must not be above ${MAX_WEIGHT_SUM}`);
}

/** Reads an assignment whose addresses may be names. */
export function readTemplates(proto: ClusterLoadAssignment, errors: ConfigErrors): LocalityTemplate[] {
  return proto.endpoints.map((group, i) => {
    const at = errors.at('endpoints').at(i);
    const place = groupOf(group, at);
    return {
      ...place,
      endpoints: group.lbEndpoints.flatMap((endpoint, j): EndpointTemplate[] => {
        const here = at.at('lb_endpoints').at(j);
        const target = endpoint.hostIdentifier.case === 'endpoint' ? endpoint.hostIdentifier.value : undefined;
        const socket = target?.address?.address.case === 'socketAddress' ? target.address.address.value : undefined;
        if (socket === undefined) {
          here.add('endpoint.address', 'a socket_address is needed');
          return [];
        }
        const add = (field: string, message: string) => here.add(`endpoint.address.socket_address.${field}`, message);
        if (socket.portSpecifier.case === 'namedPort') add('named_port', 'is not supported');
        if (socket.resolverName !== '') add('resolver_name', 'is not supported');
        if (socket.address === '') add('address', 'must not be empty');
        if (target!.additionalAddresses.length > 0) {
          here.add('endpoint.additional_addresses', 'are not supported where addresses are names');
        }
        const health = healthCheckOf(endpoint, here);
        return [
          {
            host: socket.address,
            port: socket.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : 0,
            describe: (address, hostname, others = NO_ADDRESSES) => {
              const own = target!.hostname || hostname;
              return { ...base(endpoint, group, place.locality, address, own, others), ...health(address) };
            },
          },
        ];
      }),
    };
  });
}

/** Reads the `policy` of an assignment: over-provisioning, and requests to drop. */
export function policyOf({ policy }: ClusterLoadAssignment, errors: ConfigErrors): AssignmentPolicy {
  if (policy?.overprovisioningFactor === 0) errors.add('policy.overprovisioning_factor', 'must be above 0');
  return {
    overprovisioning: policy?.overprovisioningFactor ?? NO_ENDPOINTS.overprovisioning,
    weightedHealth: policy?.weightedPriorityHealth ?? false,
    drop: dropOf(policy?.dropOverloads ?? [], errors.at('policy.drop_overloads')),
  };
}

/** Of several categories Envoy takes none. */
function dropOf(
  overloads: readonly ClusterLoadAssignment_Policy_DropOverload[],
  errors: ConfigErrors,
): AssignmentPolicy['drop'] {
  const [first] = overloads;
  if (first === undefined) return undefined;
  if (overloads.length > 1) errors.add('', `must not be more than one category, there are ${overloads.length}`);
  const { numerator = 0, denominator = 0 } = first.dropPercentage ?? {};
  const share = numerator / DENOMINATORS[denominator];
  if (share > 1) errors.at(0).add('drop_percentage', 'must not be above 100 percent');
  return { category: first.category, share };
}

function groupOf(group: LocalityLbEndpoints, errors: ConfigErrors) {
  const { locality, priority } = group;
  if (priority > MAX_PRIORITY) errors.add('priority', `must not be above ${MAX_PRIORITY}`);
  return {
    locality: locality ? { region: locality.region, zone: locality.zone, subZone: locality.subZone } : NO_LOCALITY,
    priority,
    weight: group.loadBalancingWeight ?? 0,
  };
}

function describe(
  endpoint: LbEndpoint,
  group: LocalityLbEndpoints,
  locality: Locality,
  address: SocketAddress,
  hostname: string,
  others: readonly SocketAddress[],
  errors: ConfigErrors,
): HostDescription {
  return { ...base(endpoint, group, locality, address, hostname, others), ...healthCheckOf(endpoint, errors)(address) };
}

type Base = Omit<HostDescription, 'healthCheckAddress' | 'healthCheckHostname' | 'healthCheckDisabled'>;

function base(
  endpoint: LbEndpoint,
  group: LocalityLbEndpoints,
  locality: Locality,
  address: SocketAddress,
  hostname: string,
  others: readonly SocketAddress[],
): Base {
  const metadata = metadataOf(endpoint.metadata);
  return {
    address,
    otherAddresses: others.length === 0 ? NO_ADDRESSES : others,
    hostname,
    weight: endpoint.loadBalancingWeight ?? 1,
    priority: group.priority,
    locality,
    metadata,
    localityMetadata: metadataOf(group.metadata),
    edsHealth: EDS_HEALTH[endpoint.healthStatus] ?? 0,
    edsStatus: endpoint.healthStatus,
    canary: metadata.get('envoy.lb')?.canary === true,
  };
}

type HealthCheckPart = Pick<HostDescription, 'healthCheckAddress' | 'healthCheckHostname' | 'healthCheckDisabled'>;

const PLAIN_HEALTH_CHECK: HealthCheckPart = {
  healthCheckAddress: undefined,
  healthCheckHostname: '',
  healthCheckDisabled: false,
};

/** Where health checks of an endpoint go, once its address is known. */
function healthCheckOf(endpoint: LbEndpoint, errors: ConfigErrors): (address: SocketAddress) => HealthCheckPart {
  const config =
    endpoint.hostIdentifier.case === 'endpoint' ? endpoint.hostIdentifier.value.healthCheckConfig : undefined;
  if (config === undefined) return () => PLAIN_HEALTH_CHECK;
  const at = errors.at('endpoint.health_check_config');
  const { portValue, hostname: healthCheckHostname, disableActiveHealthCheck: healthCheckDisabled } = config;
  if (portValue > 65_535) at.add('port_value', 'must not be above 65535');
  const other = config.address && socketAddress(config.address, at);
  return (address) => {
    const target = other ?? address;
    const healthCheckAddress = portValue > 0 && target.family !== 0 ? { ...target, port: portValue } : other;
    return { healthCheckAddress, healthCheckHostname, healthCheckDisabled };
  };
}
