import { any, type Infer, int32, object, required, string } from '../../schema/index.ts';
import { podTemplate } from '../shared/pod-spec.ts';
import { labelSelector } from '../shared/selector.ts';

export const statefulSetSchema = object({
  replicas: int32(),
  selector: labelSelector,
  serviceName: string(),
  template: required(podTemplate),
  ordinals: object({ start: int32() }),
  minReadySeconds: int32(),
  persistentVolumeClaimRetentionPolicy: any(),
  podManagementPolicy: any(),
  revisionHistoryLimit: any(),
  updateStrategy: any(),
  volumeClaimTemplates: any(),
});
export type StatefulSetSpec = Infer<typeof statefulSetSchema>;
