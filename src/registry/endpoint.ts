import type { Labels } from './labels.ts';
import type { ServicePort } from './service.ts';

/** Whether an endpoint may be sent requests. */
export type Health = 'healthy' | 'unhealthy' | 'draining';

/** A program that serves a port of a service. */
export interface Endpoint {
  /** IP address, DNS name (DNS resolutions only), or the path of a Unix socket, in which case `port` is 0. */
  readonly address: string;
  /** Further addresses of the same program, of the other IP family. */
  readonly extraAddresses: readonly string[];
  readonly port: number;
  /** Name of the service's port that it serves. */
  readonly portName: string;
  /** Number of that port where a ServiceEntry declares it; 0 for Kubernetes, where names alone tell ports apart. */
  readonly servicePort: number;
  /** Of the workload, with those that say where it runs. */
  readonly labels: Labels;
  /** `region/zone/subzone`. */
  readonly locality: string;
  readonly network: string;
  readonly clusterId: string;
  /** At least 1. */
  readonly weight: number;
  /** SPIFFE ID, or empty. */
  readonly serviceAccount: string;
  /** `istio` if it takes mutual TLS, else `disabled`. */
  readonly tlsMode: string;
  readonly workloadName: string;
  readonly namespace: string;
  /** Of a pod with a name in a headless service. */
  readonly hostname: string;
  readonly subdomain: string;
  readonly nodeName: string;
  readonly health: Health;
}

/**
 * Whether an endpoint serves a port. Several ServiceEntries may give one port of a host different names: then the number
 * counts, but only in listeners and in clusters that carry their endpoints. Endpoint discovery goes by names.
 */
export function servesPort(endpoint: Endpoint, port: Pick<ServicePort, 'name' | 'port'>): boolean {
  return endpoint.servicePort === 0 ? endpoint.portName === port.name : endpoint.servicePort === port.port;
}

/** All endpoints of one host in one namespace, and the identities that they have. */
export interface ServiceEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** SPIFFE IDs, sorted. */
  readonly serviceAccounts: readonly string[];
}
