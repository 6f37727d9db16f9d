import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { INJECT_LABEL } from '../in-mesh.ts';
import type { Resource } from '../resource.ts';
import { ANNOTATIONS } from './annotation-table.ts';
import { checkAnnotationValue } from './annotation-values.ts';

/** Istio's annotations on namespaces, services, pods and deployments: unknown, deprecated, misplaced, or not valid. */
export const annotationsAnalyzer: Analyzer = {
  name: 'annotations.K8sAnalyzer',
  description: 'Checks for misplaced and invalid Istio annotations in Kubernetes resources',
  analyze(context) {
    for (const kind of ['Namespace', 'Service', 'Pod', 'Deployment'] as const) {
      for (const resource of context.list(kind)) checkAnnotations(resource, context);
    }
  },
};

function checkAnnotations(resource: Resource, context: AnalysisContext): void {
  for (const [name, value] of Object.entries(resource.annotations)) {
    if (!isIstioAnnotation(name)) continue;
    const place = ['metadata', 'annotations', name];
    const definition = Object.hasOwn(ANNOTATIONS, name) ? ANNOTATIONS[name]! : undefined;
    if (definition === undefined) {
      context.report('IST0108', resource, [name], place);
      continue;
    }
    // Who has the label too has kept the annotation for older versions.
    if (definition.deprecated && !(name === INJECT_LABEL && resource.labels[INJECT_LABEL] !== undefined)) {
      const instead = name === INJECT_LABEL ? ' in favor of the "sidecar.istio.io/inject" label' : '';
      context.report('IST0135', resource, [name, instead], place);
    }
    if (definition.resources.includes('Any')) continue;
    if (!definition.resources.includes(resource.kind)) {
      context.report('IST0107', resource, [name, definition.resources.join(', ')], place);
      continue;
    }
    const wrong = checkAnnotationValue(name, value);
    if (wrong !== undefined) context.report('IST0125', resource, [name, wrong], place);
  }
}

function isIstioAnnotation(name: string): boolean {
  return name === 'kubernetes.io/ingress.class' || name.split('/', 1)[0]!.endsWith('istio.io');
}
