import type { Workload as WorkloadSpec } from '../config/kinds/shared/workload.ts';
import type { ConfigObject } from '../config/object.ts';
import { spiffeId } from './kubernetes-service.ts';
import { type Labels, TLS_MODE_LABEL } from './labels.ts';
import { withTopologyLabels } from './locality.ts';
import type { RegistryOptions } from './options.ts';
import type { Workload } from './workload.ts';

/** A WorkloadEntry as a workload. Labels of its spec win over those of its metadata; both select it. */
export function workloadOfEntry(object: ConfigObject<WorkloadSpec>, options: RegistryOptions): Workload {
  const { spec, metadata } = object;
  const labels = { ...metadata.labels, ...spec.labels };
  const locality = spec.locality ?? '';
  const network = spec.network ?? options.network;
  const topology = { clusterId: options.clusterId, locality, network };
  return {
    kind: 'WorkloadEntry',
    name: metadata.name,
    namespace: metadata.namespace,
    workloadName: metadata.name,
    addresses: spec.address ? [spec.address] : [],
    labels: withTopologyLabels(labels, topology),
    serviceAccount: spec.serviceAccount ? spiffeId(options.trustDomain, metadata.namespace, spec.serviceAccount) : '',
    locality,
    network,
    weight: spec.weight || 1,
    tlsMode: tlsModeOf(labels, spec.serviceAccount),
    hostname: '',
    subdomain: '',
    nodeName: '',
    health: isUnhealthy(object) ? 'unhealthy' : 'healthy',
    ports: new Map(Object.entries(spec.ports ?? {})),
    source: object,
  };
}

/** What a workload's label says about mutual TLS; without one, having an identity means that it takes it. */
export function tlsModeOf(labels: Labels, serviceAccount: string | undefined): string {
  return labels[TLS_MODE_LABEL] ?? (serviceAccount ? 'istio' : 'disabled');
}

/** A WorkloadEntry whose agent probes its program says in its status whether it is well. */
function isUnhealthy(object: ConfigObject): boolean {
  if (!('proxy.istio.io/health-checks-enabled' in object.metadata.annotations)) return false;
  return conditionOf(object, 'Healthy') !== 'True';
}

/** `status` of a condition in an object's status. */
export function conditionOf(object: ConfigObject, type: string): string | undefined {
  const status = object.raw.status as { conditions?: unknown } | undefined;
  if (!Array.isArray(status?.conditions)) return undefined;
  for (const condition of status.conditions as unknown[]) {
    if (typeof condition !== 'object' || condition === null) continue;
    const { type: name, status: value } = condition as { type?: unknown; status?: unknown };
    if (name === type && typeof value === 'string') return value;
  }
  return undefined;
}
