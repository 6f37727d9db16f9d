import type { ConfigObject } from '../config/object.ts';
import type { Health } from './endpoint.ts';
import type { Labels } from './labels.ts';

/** One running program as the registry knows it: a Pod, or a WorkloadEntry. */
export interface Workload {
  readonly kind: 'Pod' | 'WorkloadEntry';
  readonly name: string;
  readonly namespace: string;
  /** What metrics call it: the controller's name, of a WorkloadEntry its own. */
  readonly workloadName: string;
  /** IP addresses; of a WorkloadEntry one DNS name or `unix://` path instead. Empty while it has none. */
  readonly addresses: readonly string[];
  /** With those that say where it runs. */
  readonly labels: Labels;
  /** SPIFFE ID, or empty. */
  readonly serviceAccount: string;
  readonly locality: string;
  readonly network: string;
  readonly weight: number;
  readonly tlsMode: string;
  readonly hostname: string;
  readonly subdomain: string;
  readonly nodeName: string;
  readonly health: Health;
  /** Port name -> number: container ports of a Pod, `ports` of a WorkloadEntry. */
  readonly ports: ReadonlyMap<string, number>;
  readonly source: ConfigObject;
}
