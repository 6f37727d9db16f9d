import { isRecord } from '../../config/schema/index.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import {
  DATAPLANE_MODE_LABEL,
  INJECT_LABEL,
  INJECTION_LABEL,
  injectorConfigMapName,
  injectorValues,
  PROXY_CONTAINER,
  REVISION_LABEL,
} from '../in-mesh.ts';
import { fullName, type Resource } from '../resource.ts';

/** Namespaces that do not say whether they belong to the mesh, or say it twice, and pods that missed their sidecar. */
export const injectionAnalyzer: Analyzer = {
  name: 'injection.Analyzer',
  description: 'Checks conditions related to Istio sidecar injection',
  analyze(context) {
    const injected = new Set(
      context
        .list('Namespace')
        .filter((namespace) => namespace.name !== 'istio-system' && checkNamespace(namespace, context))
        .map(({ name }) => name),
    );
    for (const pod of context.list('Pod')) {
      if (!injected.has(pod.namespace) || pod.spec.hostNetwork) continue;
      const wish = pod.labels[INJECT_LABEL] ?? pod.annotations[INJECT_LABEL];
      if (wish?.toLowerCase() === 'false') continue;
      const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
      if (containers.find(({ name }) => name === PROXY_CONTAINER)?.image) continue;
      context.report('IST0103', pod, [fullName(pod)]);
    }
  },
};

/** Reports what is wrong with a namespace's labels; true if its pods get sidecars because of `istio-injection`. */
function checkNamespace(namespace: Resource<'Namespace'>, context: AnalysisContext): boolean {
  const { name, labels } = namespace;
  const injection = labels[INJECTION_LABEL];
  const revision = labels[REVISION_LABEL];
  const others = [REVISION_LABEL, DATAPLANE_MODE_LABEL].filter(
    (label) => labels[label] !== undefined && (injection === undefined || injection === 'enabled'),
  );
  const said = [...(injection === undefined ? [] : [INJECTION_LABEL]), ...others];
  if (said.length > 1) context.report('IST0123', namespace, [said.map((label) => `${label}=${labels[label]}`)]);
  if (labels[DATAPLANE_MODE_LABEL] === 'ambient') return false;
  if (!injection && revision === undefined) {
    if (isEnabledByDefault(context)) context.report('IST0148', namespace);
    else context.report('IST0102', namespace, [name, name], ['metadata', 'name']);
    return false;
  }
  return injection === 'enabled';
}

/** Whether the injector was installed so that namespaces without labels get sidecars. */
function isEnabledByDefault(context: AnalysisContext): boolean {
  const configMap = context.list('ConfigMap').find(({ name }) => name === injectorConfigMapName(undefined));
  const webhook = configMap && injectorValues(configMap)?.sidecarInjectorWebhook;
  return isRecord(webhook) && webhook.enableNamespacesByDefault === true;
}
