import { messageOf } from '../../../base/errors.ts';
import { formatPath } from '../../object.ts';
import { Report } from '../../report.ts';
import {
  array,
  boolean,
  closest,
  didYouMean,
  enumOf,
  type Infer,
  integer,
  intOrString,
  map,
  object,
  readWith,
  required,
  type Schema,
  string,
  uint32,
  type Violation,
} from '../../schema/index.ts';
import { checkRoutePrefix } from '../../validation/enroute.ts';
import { checkRegex } from '../../validation/scalars.ts';
import { authorizationRules } from '../authorization-policy/schema.ts';
import { validateAuthorizationPolicy } from '../authorization-policy/validate.ts';
import { descriptorEntries, limitNodes, requestsPerUnit } from './rate-limits.ts';

const text = required(string({ minLength: 1 }));
const regex = string({ check: checkRegex });
const path = required(string({ check: checkRoutePrefix }));
const status = integer(200, 599);
const percentage = integer(0, 100);

/** A text of the kind that Envoy's access log formats are, or an object of such texts. */
const formatted = { text_format: string(), json_format: map(string()) } as const;

const cors = object({
  match_condition: object({ exact: string(), prefix: string(), suffix: string(), contains: string(), regex }),
  access_control_allow_methods: string(),
  access_control_allow_headers: string(),
  access_control_expose_headers: string(),
  access_control_max_age: string({
    check: (value) => (/^\d{1,9}s?$/.test(value) || value === '' ? undefined : 'must be a number of seconds'),
  }),
});
export type CorsConfig = Infer<typeof cors>;

const jwt = object({
  name: text,
  jwks_uri: required(
    string({ check: (uri) => (/^https?:\/\/[^/]+/.test(uri) ? undefined : 'must be an http or https URL') }),
  ),
  audience: string(),
  issuer: text,
  route: array(object({ prefix: path })),
  jwt_service_name: string(),
  jwt_service_port: intOrString(),
  jwt_forward_header_name: string(),
});
export type JwtConfig = Infer<typeof jwt>;

const extAuthz = object({
  url: required(
    string({
      check: (url) =>
        /^(https?|grpc):\/\/[^/:]+(:\d{1,5})?\/?$/.test(url)
          ? undefined
          : 'must be http, https or grpc://NAMESPACE.SERVICE:PORT',
    }),
  ),
  // The chart writes them, and says that the URL counts.
  auth_service: string(),
  auth_service_port: intOrString(),
  auth_service_proto: enumOf('', 'http', 'grpc'),
  body_max_bytes: uint32(),
  body_allow_partial: boolean(),
  status_on_error: integer(400, 599),
  failure_mode_allow: boolean(),
  timeout: integer(0, 3600),
  path_prefix: string(),
  pack_raw_bytes: boolean(),
  allowed_request_headers: array(text),
  allowed_authorization_headers: array(text),
});
export type ExtAuthzConfig = Infer<typeof extAuthz>;

const healthCheck = object({ path });
export type HealthCheckConfig = Infer<typeof healthCheck>;

const accessLog = object({ path: string(), ...formatted }, { oneOf: [['text_format', 'json_format']] });
export type AccessLogConfig = Infer<typeof accessLog>;

const rbac = object({ action: enumOf('ALLOW', 'DENY'), rules: required(authorizationRules) });
export type RbacConfig = Infer<typeof rbac>;

const customResponse = object({
  custom_response_override: required(
    array(
      object({
        match_status_code: required(status),
        update_status_code: status,
        update_response_body: object(
          { ...formatted, content_type: string() },
          { oneOf: [['text_format', 'json_format']] },
        ),
      }),
      { minItems: 1, maxItems: 100 },
    ),
  ),
});
export type CustomResponseConfig = Infer<typeof customResponse>;

const rateLimit = object({ descriptors: required(descriptorEntries) });
export type RouteRateLimitConfig = Infer<typeof rateLimit>;

const circuitBreakers = object({
  max_connections: uint32(),
  max_pending_requests: uint32(),
  max_requests: uint32(),
  max_retries: uint32(),
});
export type CircuitBreakersConfig = Infer<typeof circuitBreakers>;

const outlierDetection = object({
  consecutive_5xx: uint32(),
  enforcing_consecutive_5xx: percentage,
  consecutive_gateway_failure: uint32(),
  enforcing_consecutive_gateway_failure: percentage,
});
export type OutlierDetectionConfig = Infer<typeof outlierDetection>;

const hostRewrite = object({ pattern_regex: required(regex), substitution: text });
export type HostRewriteConfig = Infer<typeof hostRewrite>;

const REDIRECTS = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

/** The status of a redirect, which is written as a number or as Envoy calls it; undefined for none that there is. */
export function redirectStatus(code: string | number): number | undefined {
  if (Object.hasOwn(REDIRECTS, code)) return REDIRECTS[code as keyof typeof REDIRECTS];
  return Object.values(REDIRECTS).find((number) => String(number) === String(code));
}

const redirect = object(
  {
    scheme: enumOf('', 'http', 'https'),
    host: string(),
    port: integer(0, 65_535),
    path_redirect: string(),
    prefix_rewrite: string(),
    regex_redirect: object({ pattern_regex: required(regex), substitution: required(string()) }),
    response_code: intOrString(),
    strip_query: boolean(),
  },
  { oneOf: [['path_redirect', 'prefix_rewrite', 'regex_redirect']] },
);
export type RedirectConfig = Infer<typeof redirect>;

const directResponse = object({ response_code: required(status) });
export type DirectResponseConfig = Infer<typeof directResponse>;

const globals = object({
  linkerd_enabled: boolean(),
  istio_enabled: boolean(),
  linkerd_header_disabled: boolean(),
  linkerd_servicemode_disabled: boolean(),
});
export type GlobalsConfig = Infer<typeof globals>;

const globalRateLimit = object({ domain: text, descriptors: required(limitNodes) });
export type GlobalRateLimitConfig = Infer<typeof globalRateLimit>;

/** Where a filter applies: in all gateways, to a host, to a route; or as a setting of all gateways. */
export type FilterScope = 'gateway' | 'host' | 'route' | 'global';

interface FilterType {
  readonly scope: FilterScope;
  readonly config: Schema<unknown>;
}

/** The types of filters that are honoured, with what is written in `config`. */
export const FILTER_TYPES = {
  http_filter_jwt: { scope: 'gateway', config: jwt },
  http_filter_extauthz: { scope: 'gateway', config: extAuthz },
  http_filter_healthcheck: { scope: 'gateway', config: healthCheck },
  http_filter_accesslog: { scope: 'gateway', config: accessLog },
  http_filter_ratelimit: { scope: 'gateway', config: requestsPerUnit },
  custom_response: { scope: 'gateway', config: customResponse },
  vh_filter_cors: { scope: 'host', config: cors },
  vh_filter_rbac: { scope: 'host', config: rbac },
  route_filter_ratelimit: { scope: 'route', config: rateLimit },
  route_filter_circuitbreakers: { scope: 'route', config: circuitBreakers },
  route_filter_outlierdetection: { scope: 'route', config: outlierDetection },
  route_filter_host_rewrite: { scope: 'route', config: hostRewrite },
  route_filter_redirect: { scope: 'route', config: redirect },
  route_filter_directresponse: { scope: 'route', config: directResponse },
  globalconfig_globals: { scope: 'global', config: globals },
  globalconfig_ratelimit: { scope: 'global', config: globalRateLimit },
  globalconfig_accesslog: { scope: 'global', config: accessLog },
} as const satisfies Readonly<Record<string, FilterType>>;
export type FilterTypeName = keyof typeof FILTER_TYPES;
export type FilterConfig<T extends FilterTypeName> = Infer<(typeof FILTER_TYPES)[T]['config']>;

/** EnRoute's chart writes the one, its code reads the other. */
const SPELLINGS: Readonly<Record<string, FilterTypeName>> = {
  route_filter_directreponse: 'route_filter_directresponse',
};

/** Types that EnRoute has and that are not honoured, each with the reason. */
export const REFUSED_FILTERS: Readonly<Record<string, string>> = {
  http_filter_lua: 'Lua is not run here',
  vh_filter_lua: 'Lua is not run here',
  route_filter_lua: 'Lua is not run here',
  http_filter_wasm: 'WebAssembly is not run here',
  opa: 'there is no Open Policy Agent in the gateway; let http_filter_extauthz ask one',
};

/** A filter that was read, or why it cannot be honoured, as a clause. */
export type ReadFilter =
  | {
      readonly [T in FilterTypeName]: {
        readonly type: T;
        readonly scope: FilterScope;
        readonly config: FilterConfig<T>;
      };
    }[FilterTypeName]
  | { readonly problem: string; readonly problems: readonly FilterProblem[]; readonly isKnown: boolean };

export interface FilterProblem {
  /** `type`, or `config`. */
  readonly field: 'type' | 'config';
  readonly message: string;
}

const MAX_CONFIG_LENGTH = 256 * 1024;

/** Reads what an object says of a filter. `config` may be left out where every part of it may. */
export function readFilter(type: string | undefined, config: string | undefined): ReadFilter {
  if (!type) return failed([{ field: 'type', message: 'is required' }]);
  const known = SPELLINGS[type] ?? type;
  if (Object.hasOwn(REFUSED_FILTERS, known)) {
    return failed([{ field: 'type', message: `${type} is not supported: ${REFUSED_FILTERS[known]}` }], false);
  }
  if (!Object.hasOwn(FILTER_TYPES, known)) {
    const guess = didYouMean(closest(type, Object.keys(FILTER_TYPES)));
    return failed([{ field: 'type', message: `${type} is no type of filter${guess}` }], false);
  }
  const name = known as FilterTypeName;
  const { scope, config: schema } = FILTER_TYPES[name];
  const json = parse(config);
  if (typeof json === 'string') return failed([{ field: 'config', message: json }]);
  const { value, violations } = readWith(schema as Schema<unknown>, json.value);
  const errors = violations.filter(({ severity }) => severity === 'error');
  if (value === undefined || errors.length > 0) {
    return failed(errors.map((e) => ({ field: 'config', message: `${formatPath(e.path) || 'it'} ${e.message}` })));
  }
  const filter = { type: name, scope, config: value } as ReadFilter;
  const problems = 'type' in filter && filter.type === 'vh_filter_rbac' ? ruleProblems(filter.config) : [];
  return problems.length > 0 ? failed(problems) : filter;
}

/** What is wrong with rules that are an AuthorizationPolicy's. */
function ruleProblems({ action = 'ALLOW', rules }: RbacConfig): FilterProblem[] {
  const found: Violation[] = [];
  const metadata = { name: 'rbac', namespace: '', labels: {}, annotations: {}, creationTimestamp: 0 };
  const around = {
    apiVersion: '',
    group: '',
    kind: 'AuthorizationPolicy',
    metadata,
    raw: {},
    locate: () => ({ file: '' }),
  };
  validateAuthorizationPolicy({ ...around, spec: { action, rules } }, new Report(found));
  return found
    .filter(({ severity }) => severity === 'error')
    .map(({ path, message }) => ({ field: 'config', message: `${formatPath(path.slice(1))} ${message}` }));
}

function parse(config: string | undefined): { readonly value: unknown } | string {
  if (!config?.trim()) return { value: {} };
  if (config.length > MAX_CONFIG_LENGTH) return `is longer than ${MAX_CONFIG_LENGTH} characters`;
  try {
    return { value: JSON.parse(config) };
  } catch (error) {
    return `is not JSON: ${messageOf(error)}`;
  }
}

function failed(problems: readonly FilterProblem[], isKnown = true): ReadFilter {
  return { problem: problems.map(({ field, message }) => `${field}: ${message}`).join('; '), problems, isKnown };
}

/**
 * What is wrong with the type and the `config` of a filter. One of a type that is not honoured is taken all the same, with
 * a warning: whatever it is attached to answers 503.
 */
export function validateFilter(
  type: string | undefined,
  config: string | undefined,
  scopes: readonly FilterScope[],
  report: Report,
  ...below: readonly string[]
): void {
  const filter = readFilter(type, config);
  if ('problems' in filter) {
    for (const { field, message } of filter.problems) {
      if (field === 'config') report.error(`${message}`, ...below, 'config');
      else if (filter.isKnown) report.error(message, 'type');
      else report.warning(`${message}; what it applies to answers 503`, 'type');
    }
  } else if (!scopes.includes(filter.scope)) {
    report.error(`is a filter of another kind of object: ${KIND_OF[filter.scope]}`, 'type');
  }
}

const KIND_OF: Readonly<Record<FilterScope, string>> = {
  gateway: 'HttpFilter',
  host: 'HttpFilter',
  route: 'RouteFilter',
  global: 'GlobalConfig',
};
