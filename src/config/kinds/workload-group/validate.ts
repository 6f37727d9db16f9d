import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateLabels } from '../../validation/selectors.ts';
import { validateReadinessProbe } from '../../validation/workloads.ts';
import type { WorkloadGroupSpec } from './schema.ts';

/** What Istio's validation refuses in a WorkloadGroup. The address of its template is known only when a workload joins. */
export function validateWorkloadGroup({ spec }: ConfigObject<WorkloadGroupSpec>, report: Report): void {
  const at = report.at('spec');
  if (spec.template === undefined) at.error('is required', 'template');
  validateLabels(spec.metadata?.labels, at.at('metadata', 'labels'));
  validateReadinessProbe(spec.probe, at.at('probe'));
}
