import { array, type Infer, int32, map, object, string, uint32 } from '../../schema/index.ts';

/** One endpoint: the spec of WorkloadEntry, an endpoint of ServiceEntry, the template of WorkloadGroup. */
export const workload = object({
  address: string(),
  ports: map(uint32()),
  labels: map(string()),
  network: string(),
  locality: string(),
  weight: uint32(),
  serviceAccount: string(),
});
export type Workload = Infer<typeof workload>;

/** How an agent decides that a program is ready (istio.networking.v1alpha3.ReadinessProbe); seconds are whole seconds. */
export const readinessProbe = object(
  {
    initialDelaySeconds: int32(),
    timeoutSeconds: int32(),
    periodSeconds: int32(),
    successThreshold: int32(),
    failureThreshold: int32(),
    httpGet: object({
      path: string(),
      port: uint32(),
      host: string(),
      scheme: string(),
      httpHeaders: array(object({ name: string(), value: string() })),
    }),
    tcpSocket: object({ host: string(), port: uint32() }),
    exec: object({ command: array(string()) }),
    grpc: object({ port: uint32(), service: string() }),
  },
  { oneOf: [['httpGet', 'tcpSocket', 'exec', 'grpc']] },
);
export type ReadinessProbe = Infer<typeof readinessProbe>;
