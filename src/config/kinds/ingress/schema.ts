import { array, type Infer, integer, intOrString, object, string, struct } from '../../schema/index.ts';

const backend = object({
  service: object({ name: string(), port: object({ name: string(), number: integer(1, 65535) }) }),
  resource: struct(),
  /** extensions/v1beta1 and networking.k8s.io/v1beta1. */
  serviceName: string(),
  servicePort: intOrString(),
});
export type IngressBackend = Infer<typeof backend>;

const rule = object({
  host: string(),
  http: object({ paths: array(object({ path: string(), pathType: string(), backend })) }),
});
export type IngressRule = Infer<typeof rule>;

export const ingressSchema = object({
  ingressClassName: string(),
  defaultBackend: backend,
  rules: array(rule),
  tls: array(object({ hosts: array(string()), secretName: string() })),
  /** The v1beta1 name of defaultBackend. */
  backend,
});
export type IngressSpec = Infer<typeof ingressSchema>;
