import type { PodSpec } from '../config/kinds/pod/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { isIp } from './address.ts';
import type { Health } from './endpoint.ts';
import { spiffeId } from './kubernetes-service.ts';
import { TLS_MODE_LABEL } from './labels.ts';
import { NETWORK_LABEL, withTopologyLabels } from './locality.ts';
import type { RegistryOptions } from './options.ts';
import type { Workload } from './workload.ts';
import { conditionOf } from './workload-entry.ts';

/** A Pod as a workload; undefined for one that has run to its end. */
export function workloadOfPod(object: ConfigObject<PodSpec>, options: RegistryOptions): Workload | undefined {
  const { spec, metadata } = object;
  const status = record(object.raw.status);
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return undefined;
  const locality = (metadata.labels['istio-locality'] ?? '').replaceAll('.', '/');
  const network = metadata.labels[NETWORK_LABEL] ?? options.network;
  const ports = new Map<string, number>();
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    for (const port of container.ports ?? []) if (port.name) ports.set(port.name, port.containerPort);
  }
  return {
    kind: 'Pod',
    name: metadata.name,
    namespace: metadata.namespace,
    workloadName: controllerName(object),
    addresses: podAddresses(status),
    labels: withTopologyLabels(metadata.labels, {
      clusterId: options.clusterId,
      locality,
      network,
      nodeName: spec.nodeName,
    }),
    serviceAccount: spiffeId(
      options.trustDomain,
      metadata.namespace,
      spec.serviceAccountName || spec.serviceAccount || 'default',
    ),
    locality,
    network,
    weight: 1,
    tlsMode: metadata.labels[TLS_MODE_LABEL] ?? 'disabled',
    hostname: spec.hostname ?? '',
    subdomain: spec.subdomain ?? '',
    nodeName: spec.nodeName ?? '',
    health: podHealth(object),
    ports,
    source: object,
  };
}

function podAddresses(status: Readonly<Record<string, unknown>>): string[] {
  const listed = Array.isArray(status.podIPs) ? status.podIPs.map((item) => record(item).ip) : [];
  return [...new Set([status.podIP, ...listed])].filter((ip): ip is string => typeof ip === 'string' && isIp(ip));
}

function podHealth(object: ConfigObject<PodSpec>): Health {
  if (record(object.raw.metadata).deletionTimestamp !== undefined) return 'draining';
  return (conditionOf(object, 'Ready') ?? 'True') === 'True' ? 'healthy' : 'unhealthy';
}

/**
 * The name of what made the pod, as its owner references tell: of a ReplicaSet, the Deployment's, which is the
 * ReplicaSet's without the hash of its template; of a Job that a CronJob made, the CronJob's.
 */
function controllerName(object: ConfigObject): string {
  const { name, labels } = object.metadata;
  const owners = record(object.raw.metadata).ownerReferences;
  const owner = Array.isArray(owners) ? owners.map(record).find((o) => o.controller === true) : undefined;
  if (owner === undefined || typeof owner.name !== 'string') return name;
  if (owner.kind === 'ReplicaSet') {
    const hash = labels['pod-template-hash'];
    return hash !== undefined && owner.name.endsWith(`-${hash}`) ? owner.name.slice(0, -hash.length - 1) : owner.name;
  }
  if (owner.kind === 'Job') return owner.name.replace(/-\d{8,10}$/, '');
  return owner.name;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
