import type { ConfigMessage } from '../../config/message.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { ISTIO_KINDS, isIstioKind } from '../istio-kinds.ts';
import type { Resource } from '../resource.ts';
import { reportUnreachableRoutes } from './unreachable-routes.ts';

/** One for each of Istio's kinds, as istioctl has them: what `validate` says of each resource by itself. */
export const schemaAnalyzers: readonly Analyzer[] = ISTIO_KINDS.map((kind) => ({
  name: `schema.ValidationAnalyzer.${kind}`,
  description: `Runs schema validation as an analyzer on '${kind}' resources`,
  analyze(context) {
    for (const resource of context.list(kind)) reportInvalid(resource, context);
    if (kind === 'VirtualService')
      for (const virtualService of context.list(kind)) reportUnreachableRoutes(virtualService, context);
  },
}));

/** Reports what reading a resource has found wrong with it. */
export function reportInvalid(resource: Resource, context: AnalysisContext): void {
  reportAll(resource, context, isIstioKind(resource.id) ? 'IST0106' : 'ISTH0001', resource.errors);
  // Routes that are never used have messages of their own.
  const warnings = resource.warnings.filter(({ topic }) => topic !== 'unreachable');
  reportAll(resource, context, 'IST0133', warnings);
}

function reportAll(
  resource: Resource,
  context: AnalysisContext,
  code: 'IST0106' | 'IST0133' | 'ISTH0001',
  messages: readonly ConfigMessage[],
): void {
  for (const { field, message, at } of messages) {
    const text = field === undefined ? message : `${field} ${message}`;
    context.report(code, resource, [text], { field, at: field === undefined ? (resource.at ?? at) : at });
  }
}
