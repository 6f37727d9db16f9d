import { any, boolean, type Infer, int32, int64, object, required } from '../../schema/index.ts';
import { podTemplate } from '../shared/pod-spec.ts';
import { labelSelector } from '../shared/selector.ts';

export const jobSchema = object({
  template: required(podTemplate),
  selector: labelSelector,
  parallelism: int32(),
  completions: int32(),
  backoffLimit: int32(),
  activeDeadlineSeconds: int64(),
  suspend: boolean(),
  backoffLimitPerIndex: any(),
  completionMode: any(),
  managedBy: any(),
  manualSelector: any(),
  maxFailedIndexes: any(),
  podFailurePolicy: any(),
  podReplacementPolicy: any(),
  successPolicy: any(),
  ttlSecondsAfterFinished: any(),
});
export type JobSpec = Infer<typeof jobSchema>;
