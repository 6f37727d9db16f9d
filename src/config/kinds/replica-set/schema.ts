import { type Infer, int32, object, required } from '../../schema/index.ts';
import { podTemplate } from '../shared/pod-spec.ts';
import { labelSelector } from '../shared/selector.ts';

export const replicaSetSchema = object({
  replicas: int32(),
  minReadySeconds: int32(),
  selector: labelSelector,
  template: required(podTemplate),
});
export type ReplicaSetSpec = Infer<typeof replicaSetSchema>;
