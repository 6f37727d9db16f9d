import { any, type Infer, object, string } from '../../schema/index.ts';

export const ingressClassSchema = object({ controller: string(), parameters: any() });
export type IngressClassSpec = Infer<typeof ingressClassSchema>;
