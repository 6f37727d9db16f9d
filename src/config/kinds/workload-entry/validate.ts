import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateWorkload } from '../../validation/workloads.ts';
import type { WorkloadEntrySpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a WorkloadEntry. */
export function validateWorkloadEntry({ spec }: ConfigObject<WorkloadEntrySpec>, report: Report): void {
  validateWorkload(spec, report.at('spec'), { mayBeName: true });
}
