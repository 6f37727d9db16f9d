import { boolean, bytes, type Infer, map, object, string } from '../../schema/index.ts';

/** The body of a Secret object, which has no spec. Values of `data` are base64; `stringData` wins, as in Kubernetes. */
export const secretSchema = object({
  type: string(),
  data: map(bytes()),
  stringData: map(string()),
  immutable: boolean(),
});
export type SecretSpec = Infer<typeof secretSchema>;
