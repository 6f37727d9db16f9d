import type { CompleteMeshConfig } from '../config/kinds/mesh-config/defaults.ts';
import type { Resource } from './resource.ts';
import { resourceFromJson } from './source.ts';

const LABELS = { istio: 'ingressgateway' };

/**
 * The ingress gateway of an installation as Istio makes it, for files that rely on one without having it: nobody keeps
 * the installation in the same folder as routes. Empty for a mesh that has no ingress.
 */
export function implicitResources(mesh: CompleteMeshConfig): readonly Resource[] {
  if (mesh.ingressControllerMode === 'OFF') return [];
  const namespace = 'istio-system';
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${mesh.ingressService}-dummypod`, namespace, labels: LABELS },
    spec: { containers: [{ name: 'istio-proxy' }] },
  };
  const port = (name: string, number: number) => ({ name, port: number, targetPort: number, protocol: 'TCP' });
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: mesh.ingressService, namespace },
    spec: {
      selector: LABELS,
      ports: [port('http2', 80), port('https', 443), port('tcp', 31400), port('tls', 15443)],
    },
  };
  return [pod, service].map((object) => ({
    ...resourceFromJson(object, { file: '' })!,
    at: undefined,
    find: () => undefined,
  }));
}
