import type { PodTemplate } from '../kinds/shared/pod-spec.ts';
import type { LabelSelector } from '../kinds/shared/selector.ts';
import { matchesLabelSelector } from '../labels.ts';
import type { ConfigObject } from '../object.ts';
import type { Report } from '../report.ts';

interface Controller {
  readonly selector?: LabelSelector;
  readonly template: PodTemplate;
}

/**
 * What Kubernetes refuses in whatever makes pods from a template: a selector that does not select them. Before apps/v1
 * the selector could be left out, and the labels of the template were meant.
 */
export function validateController({ spec, apiVersion }: ConfigObject<Controller>, report: Report): void {
  const at = report.at('spec');
  if (spec.template.spec === undefined) at.error('is required', 'template', 'spec');
  if (spec.selector === undefined) {
    if (apiVersion === 'apps/v1' || apiVersion === 'apps/v1beta2') at.error('is required', 'selector');
  } else if (!matchesLabelSelector(spec.selector, spec.template.metadata?.labels ?? {})) {
    at.error('does not select the labels of the template', 'selector');
  }
}
