import type { Labels } from './labels.ts';

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

/** All endpoints of one host in one namespace, and the identities that they have. */
export interface ServiceEndpoints {
  readonly endpoints: readonly Endpoint[];
  /** SPIFFE IDs, sorted. */
  readonly serviceAccounts: readonly string[];
}
