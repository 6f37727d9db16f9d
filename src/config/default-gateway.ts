import { DEFAULT_MESH_CONFIG } from './kinds/mesh-config/defaults.ts';
import type { MeshConfig } from './kinds/mesh-config/schema.ts';

/** The namespace of the gateway that serves what names none: Ingresses, Routes. */
export function gatewayNamespace(mesh: MeshConfig): string {
  return mesh.rootNamespace ?? DEFAULT_MESH_CONFIG.rootNamespace;
}

/** Its labels. */
export function gatewaySelector({ ingressSelector, ingressService }: MeshConfig): Record<string, string> {
  if (ingressSelector) return { istio: ingressSelector };
  const isUsual = !ingressService || ingressService === DEFAULT_MESH_CONFIG.ingressService;
  return { istio: isUsual ? 'ingressgateway' : ingressService };
}
