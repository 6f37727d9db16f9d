import {
  array,
  boolean,
  enumOf,
  type Infer,
  integer,
  object,
  parseDuration,
  required,
  string,
  uint32,
} from '../../schema/index.ts';
import { checkRoutePrefix } from '../../validation/enroute.ts';

/** The API of EnRoute's kinds. */
export const ENROUTE_V1 = 'enroute.saaras.io/v1';

const name = required(string({ minLength: 1 }));
const port = required(integer(1, 65_535));

const validation = object({ caSecret: name, subjectName: name });

const healthCheck = object({
  path: required(string({ check: checkRoutePrefix })),
  host: string(),
  intervalSeconds: required(integer(1, 86_400)),
  timeoutSeconds: required(integer(1, 86_400)),
  unhealthyThresholdCount: required(integer(1, 2 ** 31 - 1)),
  healthyThresholdCount: required(integer(1, 2 ** 31 - 1)),
});
export type EnrouteHealthCheck = Infer<typeof healthCheck>;

/** An upstream of a route, or what a filter asks. */
export const enrouteService = object({
  name,
  port,
  protocol: enumOf('h2', 'h2c', 'tls'),
  weight: uint32(),
  healthCheck,
  strategy: enumOf('', 'RoundRobin', 'WeightedLeastRequest', 'Random', 'Cookie'),
  validation,
  clientvalidation: validation,
});
export type EnrouteService = Infer<typeof enrouteService>;

export const enrouteDelegate = object({ name, namespace: string() });
export type EnrouteDelegate = Infer<typeof enrouteDelegate>;

/** A filter that is attached by name. */
export const attachedFilter = object({ name, type: required(string({ minLength: 1 })) });
export type AttachedFilter = Infer<typeof attachedFilter>;

const headerCondition = object({
  name,
  present: boolean(),
  contains: string(),
  notcontains: string(),
  exact: string(),
  notexact: string(),
});
export type HeaderCondition = Infer<typeof headerCondition>;

const condition = object({ prefix: string({ check: checkRoutePrefix }), header: headerCondition });

/** A duration, or `infinity`. */
const timeout = string({
  check: (text) => {
    if (text === 'infinity' || text === 'infinite') return undefined;
    const ms = parseDuration(text);
    return ms === undefined || ms < 0 ? 'must be a duration such as 1.5s, or infinity' : undefined;
  },
});

const timeoutPolicy = object({
  request: timeout,
  idle: timeout,
  cluster_idle: timeout,
  cluster_connect: timeout,
  cluster_max_duration: timeout,
});
export type EnrouteTimeouts = Infer<typeof timeoutPolicy>;

const retryPolicy = object({
  count: required(integer(0, 1000)),
  perTryTimeout: timeout,
  retryOn: string(),
  retriableStatusCodes: array(integer(100, 599)),
});
export type EnrouteRetries = Infer<typeof retryPolicy>;

/** A route of a GatewayHost or a ServiceRoute. */
export const enrouteRoute = object({
  conditions: array(condition),
  services: array(enrouteService),
  delegate: enrouteDelegate,
  enableWebsockets: boolean(),
  permitInsecure: boolean(),
  prefixRewrite: string({ check: checkRoutePrefix }),
  pathRewritePolicy: object({
    replacePrefix: array(object({ prefix: string(), replacement: required(string({ minLength: 1 })) })),
  }),
  timeoutPolicy,
  retryPolicy,
  filters: array(attachedFilter),
  disableExtauth: boolean(),
});
export type EnrouteRoute = Infer<typeof enrouteRoute>;
