import { create } from '@bufbuild/protobuf';
import { HealthStatus } from '../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import {
  type LbEndpoint,
  LbEndpointSchema,
  type LocalityLbEndpoints,
  LocalityLbEndpointsSchema,
} from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { isIp } from '../../registry/address.ts';
import { type Endpoint, servesPort } from '../../registry/endpoint.ts';
import { CANONICAL_NAME_LABEL, CANONICAL_REVISION_LABEL, selects } from '../../registry/labels.ts';
import { parseLocality } from '../../registry/locality.ts';
import { portOf, type Service, type ServicePort } from '../../registry/service.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import { socketAddress } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';
import { policyOf, subsetOf } from '../traffic-policy.ts';
import { applyLocality, localitySettings } from './locality.ts';
import { acceptsMutualTls } from './mutual-tls.ts';

/** The endpoints of a cluster for a proxy. */
export interface AssignmentRequest {
  readonly cluster: string;
  readonly service: Service;
  readonly port: number;
  readonly subset: string;
  readonly rule: DestinationRule | undefined;
  /** Only endpoints that take mutual TLS: for clusters that pass it through. */
  readonly mutualTlsOnly: boolean;
}

/** A group of endpoints of one place, with what the registry knows of each. */
export interface EndpointGroup {
  readonly group: LocalityLbEndpoints;
  readonly members: readonly Endpoint[];
}

/** The load assignment of an EDS cluster. */
export function buildLoadAssignment(proxy: ProxyView, request: AssignmentRequest): ClusterLoadAssignment {
  const assignment = create(ClusterLoadAssignmentSchema, { clusterName: request.cluster });
  const byDns = request.service.resolution === 'DNS' || request.service.resolution === 'DNS_ROUND_ROBIN';
  const groups = byDns
    ? []
    : endpointGroups(
        proxy,
        request,
        (endpoint, { name }) => endpoint.portName === name && (endpoint.port === 0 || isIp(endpoint.address)),
      );
  assignment.endpoints = groups.map(({ group }) => group);
  const policy = policyOf(request.rule, request.subset, request.port);
  const locality = localitySettings(proxy.mesh, policy?.loadBalancer, request.service);
  if (locality !== undefined && groups.length > 0) {
    const members = groups.map((group) => group.members);
    applyLocality(assignment, members, proxy, locality, policy?.outlierDetection !== undefined);
  }
  return assignment;
}

/** Endpoints of a service's port, or of a subset, that a proxy may use, by place in order of its name. */
export function endpointGroups(
  proxy: ProxyView,
  { service, port, subset, rule, mutualTlsOnly }: AssignmentRequest,
  serves: (endpoint: Endpoint, port: ServicePort) => boolean = servesPort,
): EndpointGroup[] {
  const servicePort = portOf(service, port);
  if (servicePort === undefined) return [];
  const labels = subsetOf(rule, subset)?.labels;
  const byPlace = new Map<string, { endpoint: Endpoint; lb: LbEndpoint }[]>();
  for (const endpoint of proxy.indexes.registry.endpoints(service).endpoints) {
    if (!serves(endpoint, servicePort) || !selects(labels, endpoint.labels)) continue;
    if (!isOpen(proxy, service, endpoint)) continue;
    const mutualTls = endpoint.tlsMode !== 'disabled' && acceptsMutualTls(proxy, endpoint, rule, port, subset);
    const group = byPlace.get(endpoint.locality) ?? [];
    byPlace.set(endpoint.locality, group);
    if (mutualTls || !mutualTlsOnly) group.push({ endpoint, lb: lbEndpoint(proxy, service, endpoint, mutualTls) });
  }
  return [...byPlace]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([place, entries]) => {
      const { region, zone, subzone: subZone } = parseLocality(place);
      return {
        group: create(LocalityLbEndpointsSchema, {
          locality: { region, zone, subZone },
          lbEndpoints: entries.map(({ lb }) => lb),
          ...(entries.length > 0 ? { loadBalancingWeight: totalWeight(entries) } : {}),
        }),
        members: entries.map(({ endpoint }) => endpoint),
      };
    });
}

function totalWeight(entries: readonly { readonly endpoint: Endpoint }[]): number {
  const sum = entries.reduce((total, { endpoint }) => total + endpoint.weight, 0);
  return Math.min(sum, 2 ** 32 - 1);
}

function isOpen(proxy: ProxyView, service: Service, endpoint: Endpoint): boolean {
  const { node, features } = proxy;
  if (service.nodeLocal && endpoint.nodeName !== node.nodeName) return false;
  if (node.networkView.length > 0 && endpoint.network !== '' && !node.networkView.includes(endpoint.network)) {
    return false;
  }
  if (endpoint.address === '') return false;
  if (isDraining(proxy, endpoint)) return Boolean(service.labels[features.persistentSessionLabel]);
  return endpoint.health !== 'unhealthy' || features.sendUnhealthyEndpoints || service.publishNotReadyAddresses;
}

function isDraining({ features }: ProxyView, endpoint: Endpoint): boolean {
  return endpoint.health === 'draining' || Boolean(features.drainingLabel && endpoint.labels[features.drainingLabel]);
}

function lbEndpoint(proxy: ProxyView, service: Service, endpoint: Endpoint, mutualTls: boolean): LbEndpoint {
  const filterMetadata: Record<string, Record<string, string>> = {
    istio: { workload: workloadMetadata(proxy, service, endpoint) },
  };
  if (mutualTls) filterMetadata['envoy.transport_socket_match'] = { tlsMode: endpoint.tlsMode };
  const additional = proxy.features.dualStack ? endpoint.extraAddresses : [];
  return create(LbEndpointSchema, {
    hostIdentifier: {
      case: 'endpoint',
      value: {
        address: socketAddress(endpoint.address, endpoint.port),
        additionalAddresses: additional.map((address) => ({ address: socketAddress(address, endpoint.port) })),
      },
    },
    metadata: { filterMetadata },
    loadBalancingWeight: endpoint.weight,
    healthStatus: isDraining(proxy, endpoint)
      ? HealthStatus.DRAINING
      : endpoint.health === 'unhealthy' && !service.publishNotReadyAddresses
        ? HealthStatus.UNHEALTHY
        : HealthStatus.UNKNOWN,
  });
}

/** `workload;namespace;canonical name;canonical revision;cluster`, which metrics are labelled with. */
function workloadMetadata({ features }: ProxyView, service: Service, endpoint: Endpoint): string {
  // Endpoints outside of the mesh belong to the service that stands for them, whatever their own labels say.
  const external = features.canonicalExternalServices && service.meshExternal;
  const labels = external ? service.labels : endpoint.labels;
  const namespace = external ? service.namespace : endpoint.namespace;
  const fallback = external ? service.source.metadata.name : endpoint.workloadName;
  const name = labels[CANONICAL_NAME_LABEL] || labels['app.kubernetes.io/name'] || labels.app || fallback;
  const revision = labels[CANONICAL_REVISION_LABEL] || labels['app.kubernetes.io/version'] || labels.version || '';
  return [endpoint.workloadName, namespace, name, revision, endpoint.clusterId].join(';');
}
