import { array, type Infer, object, string } from '../../schema/index.ts';

export const namespaceSchema = object({ finalizers: array(string()) });
export type NamespaceSpec = Infer<typeof namespaceSchema>;
