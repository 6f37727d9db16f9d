import os from 'node:os';
import type { Pod } from './pods/pod.ts';

type Json = { readonly [key: string]: unknown };

/** A pod at work as an object of Kubernetes, so that the control plane knows of it as it would in a cluster. */
export function podObject(pod: Pod): Json {
  const { desired, uid, addresses } = pod;
  const { namespace, name, labels, annotations, owner, spec } = desired;
  const at = new Date(pod.createdAt).toISOString();
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid,
      labels,
      annotations,
      creationTimestamp: at,
      ...(pod.terminating ? { deletionTimestamp: at } : {}),
      ...(owner === undefined ? {} : { ownerReferences: [ownerReference(owner, labels)] }),
    },
    spec: { ...spec, nodeName: spec.nodeName ?? os.hostname(), serviceAccountName: pod.serviceAccount },
    status: {
      phase: pod.phase,
      podIP: addresses.pod,
      podIPs: [addresses.pod, pod.ipv6].flatMap((ip) => ip ?? []).map((ip) => ({ ip })),
      hostIP: '127.0.0.1',
      startTime: at,
      conditions: [{ type: 'Ready', status: pod.ready ? 'True' : 'False' }],
    },
  };
}

/** A Deployment owns its pods by way of a ReplicaSet, from whose name Istio tells the Deployment's. */
function ownerReference(
  { kind, name }: { readonly kind: string; readonly name: string },
  labels: Readonly<Record<string, string>>,
): Json {
  const hash = labels['pod-template-hash'];
  const own =
    kind === 'Deployment' && hash !== undefined ? { kind: 'ReplicaSet', name: `${name}-${hash}` } : { kind, name };
  const apiVersion = kind === 'Job' ? 'batch/v1' : 'apps/v1';
  return { apiVersion, ...own, uid: `${own.kind}-${own.name}`.toLowerCase(), controller: true };
}

/** The control plane itself: a Service and a Pod as in a cluster, so that it can be found by its name. */
export function controlPlaneObjects(namespace: string, podIp: string): Json[] {
  const labels = { app: 'istiod', istio: 'pilot', 'istio.io/rev': 'default' };
  const inject = { 'sidecar.istio.io/inject': 'false' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'istiod', namespace, labels },
      spec: {
        selector: { app: 'istiod', istio: 'pilot' },
        ports: [
          { name: 'grpc-xds', port: 15010, protocol: 'TCP' },
          { name: 'https-dns', port: 15012, protocol: 'TCP' },
          { name: 'http-monitoring', port: 15014, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'istiod', namespace, labels: { ...labels, ...inject } },
      spec: {
        serviceAccountName: 'istiod',
        containers: [
          { name: 'discovery', image: 'isthmus', ports: [{ containerPort: 15010 }, { containerPort: 15012 }] },
        ],
      },
      status: { phase: 'Running', podIP: podIp, conditions: [{ type: 'Ready', status: 'True' }] },
    },
  ];
}
