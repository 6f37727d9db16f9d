import { type CaptureMode, INTERCEPTION } from '../../agent/capture/options.ts';
import { readProxyConfig } from '../../config/kinds/mesh-config/read.ts';
import type { MeshProxyConfig } from '../../config/kinds/mesh-config/schema.ts';

const PROXY_CONFIG = 'proxy.istio.io/config';

/**
 * How the traffic of a pod gets to its sidecar where the mesh captures it, as Istio's injector reads it: the pod's
 * annotation, then the configuration of its proxy, then the mesh's. Words that mean nothing count as if they were not
 * there; who acts upon the annotation refuses them.
 */
export function interceptionModeOf(
  annotations: Readonly<Record<string, string>>,
  meshDefault: MeshProxyConfig | undefined,
): CaptureMode | 'NONE' {
  const own = annotations[INTERCEPTION];
  if (own === 'REDIRECT' || own === 'TPROXY' || own === 'NONE') return own;
  const config = annotations[PROXY_CONFIG];
  const ofPod = config === undefined ? undefined : readProxyConfig(config, PROXY_CONFIG).value;
  return ofPod?.interceptionMode ?? meshDefault?.interceptionMode ?? 'REDIRECT';
}
