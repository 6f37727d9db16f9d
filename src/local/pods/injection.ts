import type { DesiredPod } from './desired-pod.ts';

/** What stands beside the programs of a pod. */
export type Injection =
  /** A sidecar. */
  | 'sidecar'
  /** The pod is a gateway: a proxy and nothing else. */
  | 'gateway'
  /** Nothing; its programs speak for themselves. */
  | 'none';

/** The name of the container that is the proxy. */
export const PROXY_CONTAINER = 'istio-proxy';

const INJECT = 'sidecar.istio.io/inject';
const TEMPLATES = 'inject.istio.io/templates';

/**
 * Whether a pod gets a sidecar, by Istio's rules: the pod's label, then its annotation, then its namespace's label
 * decide. Where none of them says anything, it does, for on one machine nothing but the mesh is run.
 */
export function injectionOf(pod: DesiredPod, namespaceLabels: Readonly<Record<string, string>>): Injection {
  const templates = (pod.annotations[TEMPLATES] ?? '').split(',').map((name) => name.trim());
  if (templates.includes('gateway')) return 'gateway';
  if (pod.spec.hostNetwork === true) return 'none';
  const own = pod.labels[INJECT] ?? pod.annotations[INJECT];
  if (own !== undefined) return isYes(own) ? 'sidecar' : 'none';
  return namespaceLabels['istio-injection'] === 'disabled' ? 'none' : 'sidecar';
}

/**
 * The pod with the labels that Istio's injector gives it: what metrics call its service and revision, and of one with a
 * sidecar that it speaks mutual TLS. What a gateway speaks is for its Gateways to say. Its own labels win.
 */
export function injectedPod(pod: DesiredPod, injection: Injection): DesiredPod {
  if (injection === 'none') return pod;
  const { labels, owner, name } = pod;
  return {
    ...pod,
    labels: {
      ...(injection === 'sidecar' ? { 'security.istio.io/tlsMode': 'istio' } : {}),
      'service.istio.io/canonical-name': labels['app.kubernetes.io/name'] || labels.app || (owner?.name ?? name),
      'service.istio.io/canonical-revision': labels['app.kubernetes.io/version'] || labels.version || 'latest',
      ...labels,
    },
  };
}

function isYes(text: string): boolean {
  return ['y', 'yes', 'true', 'on'].includes(text.toLowerCase());
}
