import {
  array,
  boolean,
  double,
  duration,
  enumOf,
  type Infer,
  int32,
  map,
  object,
  required,
  string,
  uint32,
  uint64,
} from '../../schema/index.ts';
import { portSelector } from './port.ts';
import { clientTls } from './tls.ts';

/** TCP keepalive of connections to an upstream; durations in milliseconds, as everywhere in specs. */
export const tcpKeepalive = object({ probes: uint32(), time: duration(), interval: duration() });
export type TcpKeepalive = Infer<typeof tcpKeepalive>;

export const connectionPool = object({
  tcp: object({
    maxConnections: int32(),
    connectTimeout: duration(),
    tcpKeepalive,
    maxConnectionDuration: duration(),
    idleTimeout: duration(),
  }),
  http: object({
    http1MaxPendingRequests: int32(),
    http2MaxRequests: int32(),
    maxRequestsPerConnection: int32(),
    maxRetries: int32(),
    idleTimeout: duration(),
    h2UpgradePolicy: enumOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: boolean(),
    maxConcurrentStreams: int32(),
    http2KeepAlive: object({ interval: duration(), timeout: duration() }),
  }),
});
export type ConnectionPool = Infer<typeof connectionPool>;

export const outlierDetection = object({
  consecutiveErrors: int32(),
  splitExternalLocalOriginErrors: boolean(),
  consecutiveLocalOriginFailures: uint32(),
  consecutiveGatewayErrors: uint32(),
  consecutive5xxErrors: uint32(),
  interval: duration(),
  baseEjectionTime: duration(),
  maxEjectionPercent: int32(),
  minHealthPercent: int32(),
  outlierDetectionHttpErrorCodes: array(uint32()),
});
export type OutlierDetection = Infer<typeof outlierDetection>;

export const localityLoadBalancer = object({
  distribute: array(object({ from: string(), to: map(uint32()) })),
  failover: array(object({ from: string(), to: string() })),
  failoverPriority: array(string()),
  enabled: boolean(),
});
export type LocalityLoadBalancer = Infer<typeof localityLoadBalancer>;

export const zoneAwareLoadBalancer = object({
  enabled: boolean(),
  failover: array(object({ from: string(), to: string() })),
  failoverPriority: array(string()),
  minClusterSize: uint64(),
});
export type ZoneAwareLoadBalancer = Infer<typeof zoneAwareLoadBalancer>;

export const consistentHash = object(
  {
    httpHeaderName: string(),
    httpCookie: object({
      name: required(string()),
      path: string(),
      ttl: duration(),
      attributes: array(object({ name: string(), value: string() })),
    }),
    useSourceIp: boolean(),
    httpQueryParameterName: string(),
    ringHash: object({ minimumRingSize: uint64() }),
    maglev: object({ tableSize: uint64() }),
    minimumRingSize: uint64(),
  },
  {
    oneOf: [
      ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'],
      ['ringHash', 'maglev'],
    ],
  },
);
export type ConsistentHash = Infer<typeof consistentHash>;

export const loadBalancer = object(
  {
    simple: enumOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
    consistentHash,
    localityLbSetting: localityLoadBalancer,
    zoneAwareLbSetting: zoneAwareLoadBalancer,
    warmupDurationSecs: duration(),
    warmup: object({ duration: duration(), minimumPercent: double(), aggression: double() }),
  },
  { oneOf: [['simple', 'consistentHash']] },
);
export type LoadBalancer = Infer<typeof loadBalancer>;

export const portTrafficPolicy = object({
  port: portSelector,
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls: clientTls,
});
export type PortTrafficPolicy = Infer<typeof portTrafficPolicy>;

/** How traffic to a service is treated, once routing has chosen it (istio.networking.v1alpha3.TrafficPolicy). */
export const trafficPolicy = object({
  loadBalancer,
  connectionPool,
  outlierDetection,
  tls: clientTls,
  portLevelSettings: array(portTrafficPolicy),
  tunnel: object({ protocol: string(), targetHost: string(), targetPort: uint32() }),
  proxyProtocol: object({ version: enumOf('V1', 'V2') }),
  retryBudget: object({ percent: double(), minRetryConcurrency: uint32(), budgetInterval: duration() }),
});
export type TrafficPolicy = Infer<typeof trafficPolicy>;
