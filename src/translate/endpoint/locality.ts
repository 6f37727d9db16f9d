import { create } from '@bufbuild/protobuf';
import {
  type LocalityLbEndpoints,
  LocalityLbEndpointsSchema,
} from '../../api/gen/envoy/config/endpoint/v3/endpoint_components_pb.ts';
import type { ClusterLoadAssignment } from '../../api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import type {
  LoadBalancer,
  LocalityLoadBalancer,
  ZoneAwareLoadBalancer,
} from '../../config/kinds/shared/traffic-policy.ts';
import type { Endpoint } from '../../registry/endpoint.ts';
import type { Labels } from '../../registry/labels.ts';
import {
  HOSTNAME_LABEL,
  type Locality,
  NETWORK_LABEL,
  REGION_LABEL,
  SUBZONE_LABEL,
  ZONE_LABEL,
} from '../../registry/locality.ts';
import type { Service } from '../../registry/service.ts';
import type { Mesh } from '../mesh.ts';

export interface LocalitySettings {
  readonly setting: LocalityLoadBalancer;
  /** Prefers near endpoints even where nothing detects that they fail. */
  readonly always: boolean;
  /** Ranks regions only: among the zones of one, the proxy itself chooses by how many endpoints each has. */
  readonly zoneAware: boolean;
}

/**
 * Zone aware routing of a cluster (`zoneAwareLbSetting`): the DestinationRule's word, else the mesh's; undefined where
 * places mean something else.
 */
export function zoneAwareSettings(
  mesh: Mesh,
  loadBalancer: LoadBalancer | undefined,
  service: Service | undefined,
): ZoneAwareLoadBalancer | undefined {
  if (loadBalancer?.zoneAwareLbSetting !== undefined) return loadBalancer.zoneAwareLbSetting;
  if (loadBalancer?.localityLbSetting !== undefined || distributionOf(service) !== 'Any') return undefined;
  return mesh.zoneAwareLbSetting;
}

function distributionOf(service: Service | undefined) {
  return service?.trafficDistribution ?? 'Any';
}

/** What places mean for a cluster: the DestinationRule's word, else the service's, else the mesh's; undefined for nothing. */
export function localitySettings(
  mesh: Mesh,
  loadBalancer: LoadBalancer | undefined,
  service: Service | undefined,
): LocalitySettings | undefined {
  const zoneAware = zoneAwareSettings(mesh, loadBalancer, service);
  if (zoneAware !== undefined) {
    return zoneAware.enabled === false ? undefined : { setting: zoneAware, always: true, zoneAware: true };
  }
  const own = loadBalancer?.localityLbSetting;
  if (own !== undefined) return own.enabled === false ? undefined : { setting: own, always: false, zoneAware: false };
  const distribution = distributionOf(service);
  if (distribution !== 'Any') {
    const zone = [NETWORK_LABEL, REGION_LABEL, ZONE_LABEL, SUBZONE_LABEL];
    const failoverPriority = distribution === 'PreferSameNode' ? [...zone, HOSTNAME_LABEL] : zone;
    return { setting: { enabled: true, failoverPriority }, always: true, zoneAware: false };
  }
  const { localityLbSetting } = mesh;
  return localityLbSetting === undefined || localityLbSetting.enabled === false
    ? undefined
    : { setting: localityLbSetting, always: false, zoneAware: false };
}

/**
 * Weighs or ranks groups of endpoints by how near they are to a proxy. `members` are the endpoints behind each group.
 */
export function applyLocality(
  assignment: ClusterLoadAssignment,
  members: readonly (readonly Endpoint[])[],
  proxy: { readonly locality: Locality; readonly labels: Labels },
  settings: LocalitySettings,
  detectsOutliers: boolean,
): void {
  const { setting, always } = settings;
  if (setting.distribute !== undefined && setting.distribute.length > 0) {
    distribute(assignment, proxy.locality, setting);
    return;
  }
  if (!detectsOutliers && !always) return;
  const priorities = setting.failoverPriority ?? [];
  if (priorities.length === 0) {
    rankByLocality(assignment, proxy.locality, settings);
    return;
  }
  rankByLabels(assignment, members, proxy.labels, priorities);
  if (always || setting.failover?.length) rankByLocality(assignment, proxy.locality, settings);
}

/** Gives the groups that a rule names the rule's weights, and empties the others. */
function distribute(assignment: ClusterLoadAssignment, from: Locality, setting: LocalityLoadBalancer): void {
  const rule = setting.distribute?.find((item) => covers(item.from ?? '', from));
  if (rule === undefined) return;
  const left = new Set(assignment.endpoints);
  for (const [pattern, weight] of Object.entries(rule.to ?? {})) {
    const groups = [...left].filter((group) => covers(pattern, placeOf(group)));
    const total = groups.reduce((sum, group) => sum + (group.loadBalancingWeight ?? 1), 0);
    for (const group of groups) {
      left.delete(group);
      const share = ((group.loadBalancingWeight ?? 1) * weight) / total;
      if (share > 0) group.loadBalancingWeight = Math.ceil(share);
    }
  }
  for (const group of left) group.lbEndpoints = [];
}

function placeOf(group: LocalityLbEndpoints): Locality {
  const { region = '', zone = '', subZone: subzone = '' } = group.locality ?? {};
  return { region, zone, subzone };
}

/** Whether a pattern such as `region/zone/*` or `region` covers a place. */
function covers(pattern: string, { region, zone, subzone }: Locality): boolean {
  const parts = pattern.split('/');
  const [r = '', z, s] = [parts[0], parts[1], parts.length > 2 ? parts.slice(2).join('/') : undefined];
  if (r === '*') return true;
  if (r !== region) return false;
  if (z === '*' || z === undefined || z === '') return true;
  if (z !== zone) return false;
  return s === '*' || s === undefined || s === '' || s === subzone;
}

/** Same subzone, zone, region, anywhere; and last what a failover rule does not name for the proxy's region. */
function rankByLocality(
  assignment: ClusterLoadAssignment,
  own: Locality,
  { setting, zoneAware }: LocalitySettings,
): void {
  for (const group of assignment.endpoints) {
    const place = placeOf(group);
    let rank = zoneAware && own.region === place.region ? 0 : distance(own, place);
    if (rank === 3) {
      const rule = setting.failover?.find((item) => item.from === own.region);
      if (rule !== undefined && (group.locality === undefined || place.region !== rule.to)) rank = 4;
    }
    group.priority = group.priority * 5 + rank;
  }
  closeGaps(assignment.endpoints);
}

function distance(a: Locality, b: Locality): number {
  if (a.region !== b.region) return 3;
  if (a.zone !== b.zone) return 2;
  return a.subzone === b.subzone ? 0 : 1;
}

/** Envoy wants priorities from 0 on without gaps. */
function closeGaps(groups: readonly LocalityLbEndpoints[]): void {
  const used = [...new Set(groups.map((group) => group.priority))].sort((a, b) => a - b);
  for (const group of groups) group.priority = used.indexOf(group.priority);
}

/** Splits groups by how many of the labels, in order, endpoints share with the proxy. A label may be written with a value. */
function rankByLabels(
  assignment: ClusterLoadAssignment,
  members: readonly (readonly Endpoint[])[],
  labels: Labels,
  priorities: readonly string[],
): void {
  const wanted = priorities.map((entry) => {
    const [key = '', value] = entry.split('=');
    return { key, value: value ?? labels[key] ?? '' };
  });
  const rankOf = (endpoint: Endpoint) => {
    const first = wanted.findIndex(({ key, value }) => (endpoint.labels[key] ?? '') !== value);
    return first === -1 ? 0 : wanted.length - first;
  };
  assignment.endpoints = assignment.endpoints.flatMap((group, i) => {
    const byRank = new Map<number, number[]>();
    for (const [j, endpoint] of members[i]!.entries()) {
      const rank = rankOf(endpoint);
      const indexes = byRank.get(rank);
      if (indexes) indexes.push(j);
      else byRank.set(rank, [j]);
    }
    return [...byRank]
      .sort(([a], [b]) => a - b)
      .map(([priority, indexes]) => {
        const lbEndpoints = indexes.map((j) => group.lbEndpoints[j]!);
        return create(LocalityLbEndpointsSchema, {
          ...(group.locality === undefined ? {} : { locality: group.locality }),
          lbEndpoints,
          priority,
          loadBalancingWeight: lbEndpoints.reduce((sum, endpoint) => sum + (endpoint.loadBalancingWeight ?? 0), 0),
        });
      });
  });
  closeGaps(assignment.endpoints);
}
