import { array, enumOf, type Infer, object, required, string } from '../../schema/index.ts';
import { destination } from '../shared/destination.ts';
import { port } from '../shared/port.ts';
import { labelsSelector } from '../shared/selector.ts';
import { serverTls } from '../shared/tls.ts';
import { connectionPool } from '../shared/traffic-policy.ts';

const captureMode = enumOf('DEFAULT', 'IPTABLES', 'NONE');

const ingressListener = object({
  port: required(port),
  bind: string(),
  captureMode,
  defaultEndpoint: string(),
  tls: serverTls,
  connectionPool,
});
export type IngressListener = Infer<typeof ingressListener>;

const egressListener = object({ port, bind: string(), captureMode, hosts: required(array(string())) });
export type EgressListener = Infer<typeof egressListener>;

export const sidecarSchema = object({
  workloadSelector: labelsSelector,
  ingress: array(ingressListener),
  egress: array(egressListener),
  inboundConnectionPool: connectionPool,
  outboundTrafficPolicy: object({ mode: enumOf('REGISTRY_ONLY', 'ALLOW_ANY'), egressProxy: destination }),
});
export type SidecarSpec = Infer<typeof sidecarSchema>;
