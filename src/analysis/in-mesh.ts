import type { AnalysisContext, Workload } from './context.ts';
import type { Resource } from './resource.ts';

export const PROXY_CONTAINER = 'istio-proxy';
export const INJECTION_LABEL = 'istio-injection';
export const REVISION_LABEL = 'istio.io/rev';
export const INJECT_LABEL = 'sidecar.istio.io/inject';
export const DATAPLANE_MODE_LABEL = 'istio.io/dataplane-mode';
const REDIRECTION_ANNOTATION = 'ambient.istio.io/redirection';

/** Whether a workload has a sidecar, or will get one. */
export function isInMesh(workload: Omit<Workload, 'nodeName'>, context: AnalysisContext): boolean {
  const proxy = workload.containers.find(({ name }) => name === PROXY_CONTAINER);
  if (proxy?.image) return true;
  const wish = workload.labels[INJECT_LABEL] ?? workload.annotations[INJECT_LABEL];
  if (wish !== undefined) return wish === 'true';
  return context.find('Namespace', '', workload.namespace)?.labels[INJECTION_LABEL] === 'enabled';
}

/** Whether ztunnel carries the traffic of a pod. */
export function isAmbientWorkload({ annotations }: Pick<Workload, 'annotations'>): boolean {
  return annotations[REDIRECTION_ANNOTATION] === 'enabled';
}

/** Whether pods of a namespace become part of the mesh without a sidecar. */
export function isAmbientNamespace({ labels }: Resource<'Namespace'>): boolean {
  return labels[INJECTION_LABEL] !== 'enabled' && !labels[REVISION_LABEL] && labels[DATAPLANE_MODE_LABEL] === 'ambient';
}

/** Whether a resource belongs to Istio's control plane. */
export function isControlPlane({ labels }: Resource): boolean {
  return labels.istio !== undefined || labels.release === 'istio';
}

/** Name of the ConfigMap by which the injector of a revision is configured. */
export function injectorConfigMapName(revision: string | undefined): string {
  const name = 'istio-sidecar-injector';
  return !revision || revision === 'default' ? name : `${name}-${revision}`;
}

/** The values by which an injector was installed, or undefined if they cannot be read. */
export function injectorValues({ spec }: Resource<'ConfigMap'>): Readonly<Record<string, unknown>> | undefined {
  try {
    const values: unknown = JSON.parse(spec.data?.values ?? '');
    return typeof values === 'object' && values !== null ? (values as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
