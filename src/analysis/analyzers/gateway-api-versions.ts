import type { Analyzer } from '../analyzer.ts';

const VERSION_ANNOTATION = 'gateway.networking.k8s.io/bundle-version';

/** The first versions of Gateway API whose resources of these kinds Istio 1.31 reads. */
const MINIMUM: Readonly<Record<string, readonly [number, number, number]>> = {
  'grpcroutes.gateway.networking.k8s.io': [1, 1, 0],
  'backendtlspolicies.gateway.networking.k8s.io': [1, 4, 0],
  'tlsroutes.gateway.networking.k8s.io': [1, 5, 0],
};

/** Gateway API in a version so old that its resources are not read. */
export const gatewayApiVersionsAnalyzer: Analyzer = {
  name: 'k8sgateway.CRDVersionAnalyzer',
  description: 'Checks Gateway API CRDs are at the minimum version required by this Istio version',
  analyze(context) {
    for (const definition of context.list('CustomResourceDefinition')) {
      const minimum = Object.hasOwn(MINIMUM, definition.name) ? MINIMUM[definition.name]! : undefined;
      const version = definition.annotations[VERSION_ANNOTATION];
      const match = version && /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?$/.exec(version);
      if (minimum === undefined || !match) continue;
      const installed = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)];
      const differing = installed.findIndex((part, i) => part !== minimum[i]);
      if (differing === -1 || installed[differing]! > minimum[differing]!) continue;
      const text = `${installed.join('.')}${match[4] ?? ''}`;
      const place = ['metadata', 'annotations', VERSION_ANNOTATION];
      context.report('IST0176', definition, [definition.name, text, minimum.join('.')], place);
    }
  },
};
