import {
  array,
  boolean,
  bytes,
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
} from '../../schema/index.ts';
import { destination } from '../shared/destination.ts';
import { headers, httpRetry, stringMatch } from '../shared/http-policy.ts';

const percent = object({ value: double() });

const httpMatch = object({
  name: string(),
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: map(stringMatch),
  port: uint32(),
  sourceLabels: map(string()),
  gateways: array(string()),
  queryParams: map(stringMatch),
  ignoreUriCase: boolean(),
  withoutHeaders: map(stringMatch),
  sourceNamespace: string(),
  statPrefix: string(),
});
export type HttpMatch = Infer<typeof httpMatch>;

const httpRouteDestination = object({ destination: required(destination), weight: int32(), headers });
export type HttpRouteDestination = Infer<typeof httpRouteDestination>;

const redirect = object(
  {
    uri: string(),
    authority: string(),
    port: uint32(),
    derivePort: enumOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
    scheme: string(),
    redirectCode: uint32(),
    prefixRewrite: string(),
  },
  { oneOf: [['port', 'derivePort']] },
);
export type HttpRedirect = Infer<typeof redirect>;

const directResponse = object({
  status: uint32(),
  body: object({ string: string(), bytes: bytes() }, { oneOf: [['string', 'bytes']] }),
});
export type HttpDirectResponse = Infer<typeof directResponse>;

const rewrite = object({
  uri: string(),
  authority: string(),
  uriRegexRewrite: object({ match: string(), rewrite: string() }),
});
export type HttpRewrite = Infer<typeof rewrite>;

const fault = object({
  delay: object(
    { percent: int32(), fixedDelay: duration(), exponentialDelay: duration(), percentage: percent },
    { oneOf: [['fixedDelay', 'exponentialDelay']] },
  ),
  abort: object(
    { httpStatus: int32(), grpcStatus: string(), http2Error: string(), percentage: percent },
    { oneOf: [['httpStatus', 'grpcStatus', 'http2Error']] },
  ),
});
export type HttpFault = Infer<typeof fault>;

const corsPolicy = object({
  allowOrigin: array(string()),
  allowOrigins: array(stringMatch),
  allowMethods: array(string()),
  allowHeaders: array(string()),
  exposeHeaders: array(string()),
  maxAge: duration(),
  allowCredentials: boolean(),
  unmatchedPreflights: enumOf('UNSPECIFIED', 'FORWARD', 'IGNORE'),
});
export type CorsPolicy = Infer<typeof corsPolicy>;

const httpRoute = object(
  {
    name: string(),
    match: array(httpMatch),
    route: array(httpRouteDestination),
    redirect,
    directResponse,
    delegate: object({ name: string(), namespace: string() }),
    rewrite,
    timeout: duration(),
    retries: httpRetry,
    fault,
    mirror: destination,
    mirrors: array(object({ destination: required(destination), percentage: percent })),
    mirrorPercent: uint32(),
    mirrorPercentage: percent,
    corsPolicy,
    headers,
  },
  { aliases: { mirror_percent: 'mirrorPercent' } },
);
export type HttpRoute = Infer<typeof httpRoute>;

const routeDestination = object({ destination: required(destination), weight: int32() });
export type RouteDestination = Infer<typeof routeDestination>;

const tlsMatch = object({
  sniHosts: array(string()),
  destinationSubnets: array(string()),
  port: uint32(),
  sourceLabels: map(string()),
  gateways: array(string()),
  sourceNamespace: string(),
});
export type TlsMatch = Infer<typeof tlsMatch>;

const tlsRoute = object({ match: array(tlsMatch), route: array(routeDestination) });
export type TlsRoute = Infer<typeof tlsRoute>;

const tcpMatch = object({
  destinationSubnets: array(string()),
  port: uint32(),
  sourceSubnet: string(),
  sourceLabels: map(string()),
  gateways: array(string()),
  sourceNamespace: string(),
});
export type TcpMatch = Infer<typeof tcpMatch>;

const tcpRoute = object({ match: array(tcpMatch), route: array(routeDestination) });
export type TcpRoute = Infer<typeof tcpRoute>;

export const virtualServiceSchema = object({
  hosts: array(string()),
  gateways: array(string()),
  http: array(httpRoute),
  tls: array(tlsRoute),
  tcp: array(tcpRoute),
  exportTo: array(string()),
});
export type VirtualServiceSpec = Infer<typeof virtualServiceSchema>;
