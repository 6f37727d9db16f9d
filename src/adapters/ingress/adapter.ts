import { DEFAULT_MESH_CONFIG } from '../../config/kinds/mesh-config/defaults.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { Adapter } from '../adapter.ts';
import { gatewayOf, type Ingress } from './gateway.ts';
import { virtualServicesOf } from './virtual-service.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
/** `spec.controller` of the IngressClasses that are Istio's. */
const CONTROLLER = 'istio.io/ingress-controller';

/**
 * Kubernetes' Ingress, as Istio 1.31 takes it: each becomes a Gateway of the mesh's ingress gateway, and each host a
 * VirtualService. Which of them are Istio's to serve follows from their class and from `ingressControllerMode`.
 */
export const ingressAdapter: Adapter = {
  inputs(config, mesh) {
    const all = config.list('Ingress');
    return all.length === 0
      ? []
      : [mesh, ...all, null, ...config.list('IngressClass'), null, ...config.list('Service')];
  },
  make(config, mesh, warn) {
    const ours = config.list('Ingress').filter((ingress) => isOurs(ingress, config, mesh));
    return [...ours.map((ingress) => gatewayOf(ingress, mesh, warn)), ...virtualServicesOf(ours, config, mesh, warn)];
  },
};

function isOurs({ metadata, spec }: Ingress, config: ConfigSnapshot, mesh: MeshConfig): boolean {
  const mode = mesh.ingressControllerMode ?? DEFAULT_MESH_CONFIG.ingressControllerMode;
  const ownClass = mesh.ingressClass ?? DEFAULT_MESH_CONFIG.ingressClass;
  const annotated = metadata.annotations[CLASS_ANNOTATION];
  if (annotated !== undefined) return mode !== 'OFF' && annotated === ownClass;
  const named = spec.ingressClassName;
  const ingressClass = named === undefined ? undefined : config.get('IngressClass', '', named);
  if (ingressClass !== undefined) return ingressClass.spec.controller === CONTROLLER;
  // A class by a name that nobody has declared means Istio where it is the name of its own.
  if (named !== undefined) return mode !== 'OFF' && named === ownClass;
  return mode === 'DEFAULT';
}
