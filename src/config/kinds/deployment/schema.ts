import { any, type Infer, int32, object, required } from '../../schema/index.ts';
import { podTemplate } from '../shared/pod-spec.ts';
import { labelSelector } from '../shared/selector.ts';

export const deploymentSchema = object({
  replicas: int32(),
  selector: labelSelector,
  template: required(podTemplate),
  minReadySeconds: int32(),
  paused: any(),
  progressDeadlineSeconds: any(),
  revisionHistoryLimit: any(),
  strategy: any(),
  /** extensions/v1beta1 and apps/v1beta1 only. */
  rollbackTo: any(),
});
export type DeploymentSpec = Infer<typeof deploymentSchema>;
