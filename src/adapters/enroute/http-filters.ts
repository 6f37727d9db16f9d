import type {
  AccessLogConfig,
  CustomResponseConfig,
  ExtAuthzConfig,
  JwtConfig,
} from '../../config/kinds/shared/enroute-filters.ts';
import { localRateLimit } from '../rate-limit/local.ts';
import type { Filter, GlobalSettings } from './filters.ts';
import type { Findings } from './findings.ts';
import { httpFilterPatch, type MadePatch, managerPatch, typeUrl } from './patches.ts';
import type { Upstreams } from './upstreams.ts';

/** What filters of gateways are made with. */
export interface FilterSurroundings {
  readonly findings: Findings;
  readonly upstreams: Upstreams;
}

export interface MadeFilters {
  readonly patches: readonly MadePatch[];
  /** Why one of them cannot be honoured, so that nothing may be served. */
  readonly problem: string | undefined;
}

const UNITS = { second: 'second', minute: 'minute', hour: 'hour', day: 'day' } as const;

/** The filters of all hosts, in the order in which requests meet them. */
export function gatewayHttpFilters(
  filters: readonly Filter[],
  settings: GlobalSettings,
  around: FilterSurroundings,
): MadeFilters {
  const patches: MadePatch[] = [];
  let problem: string | undefined;
  const add = (filter: Filter, patch: object | string) => {
    const { object } = filter;
    if (typeof patch === 'string')
      problem ??= `${object.kind} ${object.metadata.namespace}/${object.metadata.name}: ${patch}`;
    else patches.push({ patch, source: { object, path: ['spec'] } });
  };
  for (const filter of filters)
    if (isOf(filter, 'http_filter_healthcheck')) add(filter, healthCheck(filter.config.path));
  for (const filter of filters) if (isOf(filter, 'http_filter_jwt')) add(filter, jwt(filter, around));
  for (const filter of filters) if (isOf(filter, 'http_filter_extauthz')) add(filter, extAuthz(filter, around));
  for (const filter of filters) {
    if (!isOf(filter, 'http_filter_ratelimit')) continue;
    const { unit, requests_per_unit: requests } = filter.config;
    const limit = { unit: UNITS[unit.toLowerCase() as keyof typeof UNITS], requests };
    if (requests === 0) add(filter, 'requests_per_unit: must be at least 1');
    else add(filter, httpFilterPatch('envoy.filters.http.local_ratelimit', localRateLimit(limit)));
  }
  for (const filter of filters) {
    if (isOf(filter, 'http_filter_accesslog')) add(filter, accessLog(filter.config));
    if (isOf(filter, 'custom_response')) add(filter, customResponse(filter.config));
  }
  const log = settings.get('globalconfig_accesslog');
  if (log !== undefined) add(log, accessLog(log.config));
  return { patches, problem };
}

function isOf<T extends Filter['type']>(filter: Filter, type: T): filter is Filter<T> {
  return filter.type === type;
}

function healthCheck(path: string): object {
  return httpFilterPatch(
    'envoy.filters.http.health_check',
    {
      '@type': typeUrl('envoy.extensions.filters.http.health_check.v3.HealthCheck'),
      pass_through_mode: false,
      headers: [{ name: ':path', string_match: { exact: path } }],
    },
    { first: true },
  );
}

const JWKS_TIMEOUT = '5s';

function jwt(
  { config, object, service }: Filter<'http_filter_jwt'>,
  { findings, upstreams }: FilterSurroundings,
): object | string {
  const name = config.jwt_service_name || service?.name;
  const port = Number(config.jwt_service_port || service?.port);
  const source = { object, path: ['spec'] };
  if (!name || !Number.isInteger(port) || port < 1) {
    return findings.add(object, ['spec'], 'needs jwt_service_name and jwt_service_port: the service that has the keys');
  }
  const isTls = config.jwks_uri.startsWith('https:');
  const named = service?.name === name ? service : { name, ...(isTls && { protocol: 'tls' as const }) };
  // Whoever hands out the keys decides who is let in.
  const publicName = new URL(config.jwks_uri).hostname;
  const upstream = upstreams.reach({ ...named, port }, source, { publicName });
  if (typeof upstream === 'string') return upstream;
  return httpFilterPatch('envoy.filters.http.jwt_authn', jwtConfig(config, upstream.cluster));
}

function jwtConfig(config: JwtConfig, cluster: string): object {
  const { name, issuer, audience, jwks_uri: uri, jwt_forward_header_name: forward, route = [{ prefix: '/' }] } = config;
  return {
    '@type': typeUrl('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication'),
    providers: {
      [name]: {
        issuer,
        ...(audience && { audiences: [audience] }),
        remote_jwks: { http_uri: { uri, cluster, timeout: JWKS_TIMEOUT }, async_fetch: { fast_listener: true } },
        forward: true,
        ...(forward && { forward_payload_header: forward }),
      },
    },
    rules: route.map(({ prefix }) => ({ match: { prefix }, requires: { provider_name: name } })),
  };
}

const DEFAULT_AUTH_SECONDS = 1;
const DEFAULT_BODY_BYTES = 1024;

function extAuthz(
  { config, object, service: given }: Filter<'http_filter_extauthz'>,
  { upstreams }: FilterSurroundings,
): object | string {
  const [, scheme = '', host = '', port] = /^(\w+):\/\/([^/:]+)(?::(\d+))?/.exec(config.url) ?? [];
  const dot = host.indexOf('.');
  const namespace = dot === -1 ? object.metadata.namespace : host.slice(0, dot);
  const isTls = scheme === 'https';
  const isGrpc = scheme === 'grpc' || config.auth_service_proto === 'grpc';
  const service = {
    name: host.slice(dot + 1),
    port: port === undefined ? (isTls ? 443 : 80) : Number(port),
    ...(isTls ? { protocol: isGrpc ? ('h2' as const) : ('tls' as const) } : isGrpc && { protocol: 'h2c' as const }),
    ...(given && { validation: given.validation, clientvalidation: given.clientvalidation }),
  };
  const upstream = upstreams.reachIn(namespace, service, { object, path: ['spec'] });
  if (typeof upstream === 'string') return upstream;
  return httpFilterPatch('envoy.filters.http.ext_authz', extAuthzConfig(config, upstream.cluster, isGrpc, host));
}

function extAuthzConfig(config: ExtAuthzConfig, cluster: string, isGrpc: boolean, host: string): object {
  const timeout = `${config.timeout || DEFAULT_AUTH_SECONDS}s`;
  const patterns = (names: readonly string[] = []) => ({
    patterns: names.map((exact) => ({ exact, ignore_case: true })),
  });
  const allowed = config.allowed_request_headers?.length ? patterns(config.allowed_request_headers) : undefined;
  const service = isGrpc
    ? { grpc_service: { envoy_grpc: { cluster_name: cluster }, timeout } }
    : {
        http_service: {
          server_uri: { uri: `http://${host}`, cluster, timeout },
          ...(config.path_prefix && { path_prefix: config.path_prefix }),
          authorization_response: { allowed_upstream_headers: patterns(config.allowed_authorization_headers) },
        },
      };
  const hasBody = (config.body_max_bytes ?? 0) > 0 || config.body_allow_partial || config.pack_raw_bytes;
  return {
    '@type': typeUrl('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'),
    transport_api_version: 'V3',
    ...service,
    ...(allowed && { allowed_headers: allowed }),
    failure_mode_allow: config.failure_mode_allow ?? false,
    status_on_error: { code: config.status_on_error || 403 },
    ...(hasBody && {
      with_request_body: {
        max_request_bytes: config.body_max_bytes || DEFAULT_BODY_BYTES,
        allow_partial_message: config.body_allow_partial ?? false,
        pack_as_bytes: config.pack_raw_bytes ?? false,
      },
    }),
  };
}

interface Formatted {
  readonly text_format?: string | undefined;
  readonly json_format?: Readonly<Record<string, string>> | undefined;
}

function formatOf({ text_format: text, json_format: json }: Formatted): object | undefined {
  if (json !== undefined) return { json_format: json };
  return text === undefined ? undefined : { text_format_source: { inline_string: text } };
}

function accessLog(config: AccessLogConfig): object {
  const format = formatOf(config);
  return managerPatch({
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: {
          '@type': typeUrl('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
          path: config.path || '/dev/stdout',
          ...(format && { log_format: format }),
        },
      },
    ],
  });
}

function customResponse({ custom_response_override: overrides }: CustomResponseConfig): object {
  return managerPatch({
    local_reply_config: {
      mappers: overrides.map(({ match_status_code: code, update_status_code: update, update_response_body: body }) => {
        const format = body && formatOf(body);
        return {
          filter: {
            status_code_filter: {
              comparison: { op: 'EQ', value: { default_value: code, runtime_key: `enroute.custom_response.${code}` } },
            },
          },
          ...(update && { status_code: update }),
          ...(format && {
            body_format_override: { ...format, ...(body?.content_type && { content_type: body.content_type }) },
          }),
        };
      }),
    },
  });
}
