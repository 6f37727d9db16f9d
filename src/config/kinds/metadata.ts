import { any, type Infer, int64, map, object, string } from '../schema/index.ts';

/** metadata of every object (Kubernetes' meta/v1 ObjectMeta). */
export const metadataSchema = object({
  name: string(),
  generateName: string(),
  namespace: string(),
  labels: map(string()),
  annotations: map(string()),
  creationTimestamp: string(),
  generation: int64(),
  uid: string(),
  resourceVersion: any(),
  selfLink: any(),
  deletionTimestamp: any(),
  deletionGracePeriodSeconds: any(),
  finalizers: any(),
  ownerReferences: any(),
  managedFields: any(),
  /** Kubernetes before 1.24. */
  clusterName: any(),
});
export type Metadata = Infer<typeof metadataSchema>;
