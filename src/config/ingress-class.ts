import type { IngressSpec } from './kinds/ingress/schema.ts';
import { DEFAULT_MESH_CONFIG } from './kinds/mesh-config/defaults.ts';
import type { MeshConfig } from './kinds/mesh-config/schema.ts';
import type { ConfigObject } from './object.ts';
import type { ConfigSnapshot } from './store/snapshot.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
/** `spec.controller` of the IngressClasses that are Istio's. */
const CONTROLLER = 'istio.io/ingress-controller';

/** Whether an Ingress is the mesh's to serve, by its class and by `ingressControllerMode`, as Istio 1.31 decides it. */
export function isServedByMesh(
  { metadata, spec }: ConfigObject<IngressSpec>,
  config: Pick<ConfigSnapshot, 'get'>,
  mesh: MeshConfig,
): boolean {
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
