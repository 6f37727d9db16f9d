import type { Workload } from '../shared/workload.ts';

export { workload as workloadEntrySchema } from '../shared/workload.ts';
export type WorkloadEntrySpec = Workload;
