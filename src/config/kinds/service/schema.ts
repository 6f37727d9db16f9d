import {
  any,
  array,
  boolean,
  enumOf,
  type Infer,
  integer,
  intOrString,
  map,
  object,
  required,
  string,
} from '../../schema/index.ts';

const servicePort = object({
  name: string(),
  port: required(integer(1, 65535)),
  protocol: enumOf('TCP', 'UDP', 'SCTP'),
  appProtocol: string(),
  targetPort: intOrString(),
  nodePort: integer(0, 65535),
});
export type ServicePort = Infer<typeof servicePort>;

export const serviceSchema = object({
  type: enumOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
  selector: map(string()),
  ports: array(servicePort),
  /** `None` makes the service headless. */
  clusterIP: string(),
  clusterIPs: array(string()),
  externalName: string(),
  externalIPs: array(string()),
  loadBalancerIP: string(),
  publishNotReadyAddresses: boolean(),
  sessionAffinity: enumOf('None', 'ClientIP'),
  sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer(0, 86400) }) }),
  internalTrafficPolicy: enumOf('Cluster', 'Local'),
  externalTrafficPolicy: enumOf('Cluster', 'Local', ''),
  trafficDistribution: string(),
  allocateLoadBalancerNodePorts: any(),
  healthCheckNodePort: any(),
  ipFamilies: array(enumOf('IPv4', 'IPv6')),
  ipFamilyPolicy: enumOf('SingleStack', 'PreferDualStack', 'RequireDualStack'),
  loadBalancerClass: any(),
  loadBalancerSourceRanges: any(),
  /** Core v1 before 1.20; its use was never more than alpha. */
  topologyKeys: any(),
});
export type ServiceSpec = Infer<typeof serviceSchema>;
