import { type Infer, map, object, string } from '../../schema/index.ts';
import { readinessProbe, workload } from '../shared/workload.ts';

export const workloadGroupSchema = object({
  metadata: object({ labels: map(string()), annotations: map(string()) }),
  template: workload,
  probe: readinessProbe,
});
export type WorkloadGroupSpec = Infer<typeof workloadGroupSchema>;
