import type { Analyzer } from '../analyzer.ts';
import { selects } from '../selectors.ts';

/** Label of the pods that stand for a Gateway of the Gateway API: its name. */
const GATEWAY_NAME_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Policies that select the pods of a Gateway of the Gateway API, which only listens to those that name it. */
export const kubernetesGatewaySelectorsAnalyzer: Analyzer = {
  name: 'k8sgateway.SelectorAnalyzer',
  description: 'Check that selectors are effective for Kubernetes gateway',
  analyze(context) {
    const pods = context.workloads.filter(({ labels }) => labels[GATEWAY_NAME_LABEL] !== undefined);
    for (const kind of ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin'] as const) {
      for (const policy of context.list(kind)) {
        const { selector, targetRef, targetRefs } = policy.spec;
        if (selector === undefined || targetRef !== undefined || (targetRefs?.length ?? 0) > 0) continue;
        for (const { namespace, labels } of pods) {
          if (namespace !== policy.namespace || !selects(selector.matchLabels, labels)) continue;
          context.report('IST0166', policy, [labels[GATEWAY_NAME_LABEL]!], ['spec', 'selector']);
        }
      }
    }
  },
};
