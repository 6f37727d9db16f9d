import { any, boolean, type Infer, object } from '../../schema/index.ts';

/** The body of a ServiceAccount object, which has no spec. */
export const serviceAccountSchema = object({
  automountServiceAccountToken: boolean(),
  secrets: any(),
  imagePullSecrets: any(),
});
export type ServiceAccountSpec = Infer<typeof serviceAccountSchema>;
