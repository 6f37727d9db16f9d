import type { ResourceKind } from './resource.ts';

/** Istio's own kinds, whose rules istioctl knows too. */
export const ISTIO_KINDS = [
  'AuthorizationPolicy',
  'DestinationRule',
  'EnvoyFilter',
  'Gateway',
  'PeerAuthentication',
  'ProxyConfig',
  'RequestAuthentication',
  'ServiceEntry',
  'Sidecar',
  'Telemetry',
  'TrafficExtension',
  'VirtualService',
  'WasmPlugin',
  'WorkloadEntry',
  'WorkloadGroup',
  'MeshNetworks',
  'MeshConfig',
] as const satisfies readonly ResourceKind[];

export function isIstioKind(kind: ResourceKind): boolean {
  return (ISTIO_KINDS as readonly ResourceKind[]).includes(kind);
}
