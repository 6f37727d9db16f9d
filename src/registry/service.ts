import type { ConfigObject } from '../config/object.ts';
import type { Labels } from './labels.ts';
import type { Protocol } from './protocol.ts';

/** A port under which a service is called. */
export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** How the addresses of a service's endpoints are found. */
export type Resolution =
  /** From the registry; the proxy balances over them. */
  | 'STATIC'
  /** By DNS; every address of the answers is an endpoint. */
  | 'DNS'
  /** By DNS; each new connection goes to the first address of the answer. */
  | 'DNS_ROUND_ROBIN'
  /** Not at all: to where the client wanted to go. Headless services of Kubernetes, ServiceEntry with NONE. */
  | 'PASSTHROUGH'
  /** By DNS of the host that the client named, for wildcard hosts. */
  | 'DYNAMIC_DNS'
  /** It is another name of a service (Kubernetes ExternalName). */
  | 'ALIAS';

/** An address that stands for no address: the service has none of its own. */
export const UNSPECIFIED = '0.0.0.0';

/** Where a service was declared. Of two with one name, Kubernetes' wins. */
export type ServiceOrigin = 'Kubernetes' | 'ServiceEntry';

export interface Service {
  /** Fully qualified; of a ServiceEntry, as written, so it may be a wildcard. */
  readonly hostname: string;
  readonly namespace: string;
  /** The Service's name, or the host of a ServiceEntry. */
  readonly name: string;
  readonly origin: ServiceOrigin;
  readonly ports: readonly ServicePort[];
  /** The virtual address: an IP, a CIDR (ServiceEntry), or {@link UNSPECIFIED}. */
  readonly address: string;
  /** Further virtual addresses, of the other IP family. */
  readonly extraAddresses: readonly string[];
  /** Addresses that were made up for a service without one, so that its name can resolve inside a workload. */
  readonly allocated: { readonly ipv4: string; readonly ipv6: string } | undefined;
  readonly resolution: Resolution;
  readonly meshExternal: boolean;
  /** Namespaces that may see it, `*` for all and `~` for none; undefined leaves it to the mesh's default. `.` is made the namespace's name. */
  readonly exportTo: ReadonlySet<string> | undefined;
  readonly labels: Labels;
  /** Labels of the workloads that serve it. */
  readonly selector: Labels | undefined;
  /** Identities that its endpoints may have besides their own: subjectAltNames, and Kubernetes annotations. */
  readonly serviceAccounts: readonly string[];
  /** The target of an ALIAS. */
  readonly externalName: string | undefined;
  /** Other names that lead here (ExternalName services that point at it). */
  readonly aliases: readonly { readonly hostname: string; readonly namespace: string }[];
  /** Only endpoints on the caller's own node are used (internalTrafficPolicy: Local). */
  readonly nodeLocal: boolean;
  /** Prefer endpoints that are near: Kubernetes' trafficDistribution, or Istio's annotation. */
  readonly trafficDistribution: 'Any' | 'PreferSameZone' | 'PreferSameNode';
  /** Unready endpoints are sent as well. */
  readonly publishNotReadyAddresses: boolean;
  /** Of a headless service: the port to go to where it differs from the service's, by service port. */
  readonly passthroughTargetPorts: ReadonlyMap<number, number>;
  readonly creationTime: number;
  /** The object that declares it, for messages, and to tell services apart. */
  readonly source: ConfigObject;
}

export function portOf(service: Service, port: number): ServicePort | undefined {
  return service.ports.find((p) => p.port === port);
}

/** What tells a service's endpoints apart from others': several declarations of one host in a namespace share them. */
export function serviceKey(service: { readonly hostname: string; readonly namespace: string }): string {
  return `${service.namespace}/${service.hostname}`;
}

/** A service that a workload serves, and the port on which it does. */
export interface ServiceTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly targetPort: number;
}
