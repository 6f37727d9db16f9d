import { boolean, bytes, type Infer, map, object, string } from '../../schema/index.ts';

/** The body of a ConfigMap object, which has no spec. Values of `binaryData` are base64. */
export const configMapSchema = object({
  data: map(string()),
  binaryData: map(bytes()),
  immutable: boolean(),
});
export type ConfigMapSpec = Infer<typeof configMapSchema>;
