import type { LabelSelector } from '../../config/kinds/shared/selector.ts';
import { matchesLabelSelector } from '../../config/labels.ts';
import type { Analyzer } from '../analyzer.ts';
import { PROXY_CONTAINER } from '../in-mesh.ts';
import type { Labels } from '../selectors.ts';

/** Pods that leave it to the injector which image they run, and that no injector gets to see. */
export const injectionImageAutoAnalyzer: Analyzer = {
  name: 'injection.ImageAutoAnalyzer',
  description: 'Makes sure that Pods and Deployments with `image: auto` are going to be injected',
  analyze(context) {
    const webhooks = context
      .list('MutatingWebhookConfiguration')
      .flatMap(({ spec }) => spec.webhooks ?? [])
      .filter(({ name = '' }) => name.endsWith('istio.io'));
    // A pod that exists was not injected, or its image would be another one.
    for (const pod of context.list('Pod')) {
      if (hasAutoImage(pod.spec.containers)) context.report('IST0147', pod, ['Pod', pod.name]);
    }
    for (const deployment of context.list('Deployment')) {
      const { metadata, spec } = deployment.spec.template ?? {};
      if (!hasAutoImage(spec?.containers)) continue;
      const namespaceLabels = context.find('Namespace', '', deployment.namespace || 'default')?.labels ?? {};
      const podLabels = (metadata?.labels ?? {}) as Labels;
      const isInjected = webhooks.some(
        ({ namespaceSelector, objectSelector }) =>
          matchesLabelSelector(namespaceSelector as LabelSelector | undefined, namespaceLabels) &&
          matchesLabelSelector(objectSelector as LabelSelector | undefined, podLabels),
      );
      if (!isInjected) context.report('IST0146', deployment, ['Deployment', deployment.name]);
    }
  },
};

function hasAutoImage(containers: readonly { readonly name?: string; readonly image?: string }[] = []): boolean {
  return containers.some(({ name, image }) => name === PROXY_CONTAINER && image === 'auto');
}
