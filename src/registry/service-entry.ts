import type { ServiceEntrySpec } from '../config/kinds/service-entry/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { parsePrefix } from './address.ts';
import { exportToOf } from './export-to.ts';
import { isWildcard } from './host.ts';
import { parseProtocol } from './protocol.ts';
import { type Resolution, type Service, type ServicePort, UNSPECIFIED } from './service.ts';

const RESOLUTIONS: Readonly<Record<string, Resolution>> = {
  NONE: 'PASSTHROUGH',
  STATIC: 'STATIC',
  DNS: 'DNS',
  DNS_ROUND_ROBIN: 'DNS_ROUND_ROBIN',
  DYNAMIC_DNS: 'DYNAMIC_DNS',
};

/** Label that keeps a ServiceEntry from getting an address made up. */
const ALLOCATE_LABEL = 'networking.istio.io/enable-autoallocate-ip';

/**
 * The services that a ServiceEntry declares: one for each host and address, as in Istio, because each address is a
 * listener of its own.
 */
export function servicesOfServiceEntry(object: ConfigObject<ServiceEntrySpec>): Service[] {
  const { spec, metadata } = object;
  const meshExternal = spec.location !== 'MESH_INTERNAL';
  const ports: ServicePort[] = (spec.ports ?? []).map((port) => ({
    name: port.name ?? '',
    port: port.number ?? 0,
    protocol: parseProtocol(port.protocol),
  }));
  const common = {
    namespace: metadata.namespace,
    origin: 'ServiceEntry',
    ports,
    extraAddresses: [],
    allocated: undefined,
    resolution: RESOLUTIONS[spec.resolution ?? 'NONE']!,
    meshExternal,
    exportTo: exportToOf(spec.exportTo, metadata.namespace),
    labels: metadata.labels,
    selector: spec.workloadSelector ? (spec.workloadSelector.labels ?? {}) : undefined,
    serviceAccounts: spec.subjectAltNames ?? [],
    externalName: undefined,
    aliases: [],
    nodeLocal: false,
    trafficDistribution: trafficDistributionOf(metadata.annotations['networking.istio.io/traffic-distribution']),
    publishNotReadyAddresses: false,
    passthroughTargetPorts: spec.resolution === undefined || spec.resolution === 'NONE' ? targetPorts(spec) : NO_PORTS,
    creationTime: metadata.creationTimestamp,
    source: object,
  } as const;
  const addresses = listenAddresses(spec.addresses ?? []);
  return spec.hosts.flatMap((hostname) =>
    (addresses.length === 0 ? [UNSPECIFIED] : addresses).map((address) => ({
      ...common,
      hostname,
      name: hostname,
      address,
    })),
  );
}

const NO_PORTS: ReadonlyMap<number, number> = new Map();

/** Ports that are not those of their endpoints. */
function targetPorts({ ports = [] }: ServiceEntrySpec): ReadonlyMap<number, number> {
  return new Map(
    ports.flatMap(({ number = 0, targetPort }) => (targetPort && targetPort !== number ? [[number, targetPort]] : [])),
  );
}

/** Addresses and CIDRs; a CIDR of one address is that address. */
function listenAddresses(addresses: readonly string[]): string[] {
  return addresses.flatMap((text) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) return [];
    const single = prefix.length === (prefix.address.includes(':') ? 128 : 32);
    return [single ? prefix.address : text];
  });
}

export function trafficDistributionOf(value: string | undefined): Service['trafficDistribution'] {
  switch (value) {
    case 'PreferClose':
    case 'PreferSameZone':
      return 'PreferSameZone';
    case 'PreferSameNode':
      return 'PreferSameNode';
    default:
      return 'Any';
  }
}

/** Whether a service may get an address made up: it has none, one can be of use, and its owner does not mind. */
export function wantsAddress(service: Service): boolean {
  return (
    service.origin === 'ServiceEntry' &&
    service.address === UNSPECIFIED &&
    service.resolution !== 'PASSTHROUGH' &&
    service.ports.length > 0 &&
    !isWildcard(service.hostname) &&
    service.source.metadata.labels[ALLOCATE_LABEL] !== 'false'
  );
}
