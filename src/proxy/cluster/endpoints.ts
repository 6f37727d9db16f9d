import { HealthStatus } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { metadataOf, socketAddress } from '../config/values.ts';
import { HealthFlag, type HostDescription, type Locality, NO_LOCALITY } from './host.ts';

/** Endpoints of one locality in one priority, as the control plane says. */
export interface LocalityDescription {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly hosts: readonly HostDescription[];
}

/** What a ClusterLoadAssignment says, with defaults filled in. */
export interface Assignment {
  readonly localities: readonly LocalityDescription[];
  readonly overprovisioning: number;
  /** Shares of 1 of the requests to drop, by category. */
  readonly drops: readonly { readonly category: string; readonly share: number }[];
}

export const NO_ENDPOINTS: Assignment = { localities: [], overprovisioning: 140, drops: [] };

const DENOMINATORS = [100, 10_000, 1_000_000];

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
  describe(address: HostDescription['address'], hostname: string): HostDescription;
}

export interface LocalityTemplate {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly endpoints: readonly EndpointTemplate[];
}

/** Reads an assignment whose addresses are IP addresses or Unix sockets. */
export function readAssignment(proto: ClusterLoadAssignment, errors: ConfigErrors): Assignment {
  return {
    ...policyOf(proto),
    localities: proto.endpoints.map((group, i) => {
      const at = errors.at('endpoints').at(i);
      return {
        ...groupOf(group),
        hosts: group.lbEndpoints.flatMap((endpoint, j) => {
          const here = at.at('lb_endpoints').at(j);
          if (endpoint.hostIdentifier.case !== 'endpoint') {
            here.add('endpoint', 'is needed');
            return [];
          }
          const address = socketAddress(endpoint.hostIdentifier.value.address, here.at('endpoint'));
          return address ? [describe(endpoint, group, address, endpoint.hostIdentifier.value.hostname)] : [];
        }),
      };
    }),
  };
}

/** Reads an assignment whose addresses may be names. */
export function readTemplates(proto: ClusterLoadAssignment, errors: ConfigErrors): LocalityTemplate[] {
  return proto.endpoints.map((group, i) => {
    const at = errors.at('endpoints').at(i);
    return {
      ...groupOf(group),
      endpoints: group.lbEndpoints.flatMap((endpoint, j): EndpointTemplate[] => {
        const target = endpoint.hostIdentifier.case === 'endpoint' ? endpoint.hostIdentifier.value : undefined;
        const socket = target?.address?.address.case === 'socketAddress' ? target.address.address.value : undefined;
        if (socket === undefined) {
          at.at('lb_endpoints').at(j).add('endpoint.address', 'a socket_address is needed');
          return [];
        }
        if (socket.portSpecifier.case === 'namedPort') {
          at.at('lb_endpoints').at(j).add('endpoint.address.socket_address.named_port', 'is not supported');
        }
        return [
          {
            host: socket.address,
            port: socket.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : 0,
            describe: (address, hostname) => describe(endpoint, group, address, target?.hostname || hostname),
          },
        ];
      }),
    };
  });
}

export function policyOf(proto: ClusterLoadAssignment): Pick<Assignment, 'overprovisioning' | 'drops'> {
  return {
    overprovisioning: proto.policy?.overprovisioningFactor ?? 140,
    drops: (proto.policy?.dropOverloads ?? []).map(({ category, dropPercentage }) => ({
      category,
      share: (dropPercentage?.numerator ?? 0) / DENOMINATORS[dropPercentage?.denominator ?? 0],
    })),
  };
}

function groupOf(group: LocalityLbEndpoints): { locality: Locality; priority: number; weight: number } {
  const { locality } = group;
  return {
    locality: locality ? { region: locality.region, zone: locality.zone, subZone: locality.subZone } : NO_LOCALITY,
    priority: group.priority,
    weight: group.loadBalancingWeight ?? 0,
  };
}

function describe(
  endpoint: LbEndpoint,
  group: LocalityLbEndpoints,
  address: HostDescription['address'],
  hostname: string,
): HostDescription {
  const metadata = metadataOf(endpoint.metadata);
  const check =
    endpoint.hostIdentifier.case === 'endpoint' ? endpoint.hostIdentifier.value.healthCheckConfig : undefined;
  const checkPort = check?.portValue ?? 0;
  return {
    address,
    hostname,
    weight: endpoint.loadBalancingWeight ?? 1,
    priority: group.priority,
    locality: groupOf(group).locality,
    metadata,
    localityMetadata: metadataOf(group.metadata),
    edsHealth: EDS_HEALTH[endpoint.healthStatus] ?? 0,
    canary: metadata.get('envoy.lb')?.canary === true,
    healthCheckAddress: checkPort > 0 ? { ...address, port: checkPort } : undefined,
  };
}
