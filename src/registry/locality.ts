/** Where something runs; each part may be empty. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** `region/zone/subzone`, of which the last parts may be missing. More slashes than two belong to the subzone. */
export function parseLocality(text: string): Locality {
  const [region = '', zone = '', ...rest] = text.split('/');
  return { region, zone, subzone: rest.join('/') };
}

export function formatLocality(locality: Locality): string {
  if (locality.region === '') return '';
  if (locality.zone === '') return locality.region;
  return locality.subzone === ''
    ? `${locality.region}/${locality.zone}`
    : `${locality.region}/${locality.zone}/${locality.subzone}`;
}

/** The labels in which localities are compared and selected. */
export const REGION_LABEL = 'topology.kubernetes.io/region';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
export const SUBZONE_LABEL = 'topology.istio.io/subzone';
export const CLUSTER_LABEL = 'topology.istio.io/cluster';
export const NETWORK_LABEL = 'topology.istio.io/network';
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** Labels of a workload together with those that say where it runs; what the workload says itself about it gives way. */
export function withTopologyLabels(
  labels: Readonly<Record<string, string>>,
  topology: { clusterId: string; locality: string; nodeName?: string | undefined; network: string },
): Readonly<Record<string, string>> {
  const { region, zone, subzone } = parseLocality(topology.locality);
  const result: Record<string, string> = { ...labels };
  if (region !== '') result[REGION_LABEL] = region;
  if (zone !== '') result[ZONE_LABEL] = zone;
  if (subzone !== '') result[SUBZONE_LABEL] = subzone;
  if (topology.clusterId !== '') result[CLUSTER_LABEL] = topology.clusterId;
  if (topology.nodeName) result[HOSTNAME_LABEL] = topology.nodeName;
  if (topology.network !== '' && !(NETWORK_LABEL in labels)) result[NETWORK_LABEL] = topology.network;
  return result;
}
