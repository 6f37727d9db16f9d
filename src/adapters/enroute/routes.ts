import type { EnroutePorts } from '../../config/enroute-gateway.ts';
import { redirectStatus } from '../../config/kinds/shared/enroute-filters.ts';
import type {
  EnrouteRetries,
  EnrouteRoute,
  EnrouteService,
  HeaderCondition,
} from '../../config/kinds/shared/enroute-route.ts';
import type { FieldPath } from '../../config/object.ts';
import { parseDuration } from '../../config/schema/index.ts';
import { rateLimitAction } from '../rate-limit/actions.ts';
import { type Attached, attachedFilters, filterOf } from './filters.ts';
import type { Findings } from './findings.ts';
import type { Config } from './gateways.ts';
import type { ServedHost, ServedRoute } from './hosts.ts';
import type { Source } from './made.ts';
import { type MadePatch, routePatch, typeUrl } from './patches.ts';
import { isUnlimited, type Upstreams } from './upstreams.ts';

/** What routes are made with. */
export interface RouteSurroundings {
  readonly config: Config;
  readonly findings: Findings;
  readonly upstreams: Upstreams;
  /** Whether there are limits for descriptors to be held against. */
  readonly hasLimits: boolean;
  /** Whether requests are held before an external authorization filter. */
  readonly hasExtAuthz: boolean;
}

/** A rule of a VirtualService, and where it comes from. */
export interface MadeRule {
  /** For a gateway with these ports. */
  readonly rule: (ports: EnroutePorts) => object;
  readonly source: Source;
}

export interface MadeRoutes {
  readonly rules: readonly MadeRule[];
  /** What of the routes a VirtualService has no field for. */
  readonly patches: readonly MadePatch[];
}

/** What a request is answered where a route cannot be what it should be. */
export function unavailable(problem: string): object {
  return { directResponse: { status: 503, body: { string: `enroute: ${problem}\n` } } };
}

/** The rules of a host. With a `problem` of the host or of all gateways each of them answers 503. */
export function routesOfHost(host: ServedHost, problem: string | undefined, around: RouteSurroundings): MadeRoutes {
  const rules: MadeRule[] = [];
  const patches: MadePatch[] = [];
  const isSecure = host.source.spec.virtualhost?.tls !== undefined;
  for (const [i, served] of host.routes.entries()) {
    const { source: object, path, route, prefix, headers } = served;
    const source = { object, path };
    const name = `enroute-${i}`;
    const match = conditionsOf(prefix, headers);
    const made = actionOf(host, served, problem, around);
    if (isSecure && !route.permitInsecure) {
      const redirect = { scheme: 'https' };
      rules.push(
        { rule: ({ http: port }) => ({ match: [{ port, ...match }], redirect }), source },
        { rule: ({ https: port }) => ({ name, match: [{ port, ...match }], ...made.action }), source },
      );
    } else rules.push({ rule: () => ({ name, match: [match], ...made.action }), source });
    patches.push(...made.patches.map((value) => ({ patch: routePatch(host.fqdn, name, value), source })));
  }
  return { rules, patches };
}

interface MadeAction {
  readonly action: object;
  /** Laid over Envoy's route. */
  readonly patches: readonly object[];
}

function actionOf(
  host: ServedHost,
  { source, path, route, prefix, problem: own }: ServedRoute,
  problem: string | undefined,
  around: RouteSurroundings,
): MadeAction {
  const { config, findings } = around;
  const filters = attachedFilters('RouteFilter', route.filters ?? [], source, [...path, 'filters'], config, findings);
  const wrong = problem ?? own ?? filters.problem;
  if (wrong !== undefined) return { action: unavailable(wrong), patches: [] };
  const direct = filterOf(filters, 'route_filter_directresponse');
  if (direct !== undefined) {
    return { action: { directResponse: { status: direct.config.response_code } }, patches: [] };
  }
  const redirect = filterOf(filters, 'route_filter_redirect');
  if (redirect !== undefined) return redirectAction(filters);
  const forwarded = forwardAction({ object: source, path }, route, prefix, filters, around);
  if (typeof forwarded === 'string') return { action: unavailable(forwarded), patches: [] };
  const value = forwardPatch(route, filters, around);
  if (typeof value === 'string') {
    findings.add(source, [...path, 'filters'], value);
    return { action: unavailable(value), patches: [] };
  }
  const cors = corsOfHost(host, around);
  return { action: { ...forwarded, ...(cors && { corsPolicy: cors }) }, patches: [value] };
}

/** What `vh_filter_cors` of the host says, as each of its routes has it. */
function corsOfHost({ source }: ServedHost, { config, findings }: RouteSurroundings): object | undefined {
  const path = ['spec', 'virtualhost', 'filters'];
  const filters = attachedFilters('HttpFilter', source.spec.virtualhost?.filters ?? [], source, path, config, findings);
  const cors = filterOf(filters, 'vh_filter_cors')?.config;
  if (cors === undefined) return undefined;
  const { exact, prefix, suffix, contains, regex } = cors.match_condition ?? {};
  const list = (text: string | undefined) =>
    (text ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  return {
    allowOrigins: [
      ...(exact ? [{ exact }] : []),
      ...(prefix ? [{ prefix }] : []),
      ...(suffix ? [{ regex: `.*${quoteRegex(suffix)}` }] : []),
      ...(contains ? [{ regex: `.*${quoteRegex(contains)}.*` }] : []),
      ...(regex ? [{ regex }] : []),
    ],
    allowMethods: list(cors.access_control_allow_methods),
    allowHeaders: list(cors.access_control_allow_headers),
    exposeHeaders: list(cors.access_control_expose_headers),
    ...(cors.access_control_max_age && { maxAge: `${Number.parseInt(cors.access_control_max_age, 10)}s` }),
  };
}

function quoteRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function conditionsOf(prefix: string, headers: readonly HeaderCondition[]): object {
  const wanted: Record<string, object> = {};
  const unwanted: Record<string, object> = {};
  for (const { name, present, contains, notcontains, exact, notexact } of headers) {
    const key = name.toLowerCase();
    if (present) wanted[key] = {};
    if (exact) wanted[key] = { exact };
    if (contains) wanted[key] = { regex: `.*${quoteRegex(contains)}.*` };
    if (notexact) unwanted[key] = { exact: notexact };
    if (notcontains) unwanted[key] = { regex: `.*${quoteRegex(notcontains)}.*` };
  }
  return {
    uri: { prefix },
    ...(Object.keys(wanted).length > 0 && { headers: wanted }),
    ...(Object.keys(unwanted).length > 0 && { withoutHeaders: unwanted }),
  };
}

function redirectAction(filters: Attached): MadeAction {
  const { config, object } = filterOf(filters, 'route_filter_redirect')!;
  const status =
    config.response_code === undefined || config.response_code === '' ? 301 : redirectStatus(config.response_code);
  if (status === undefined) {
    const { namespace, name } = object.metadata;
    return {
      action: unavailable(`RouteFilter ${namespace}/${name}: there is no redirect ${config.response_code}`),
      patches: [],
    };
  }
  const { scheme, host, port, path_redirect: path, prefix_rewrite: prefix, regex_redirect: regex } = config;
  const redirect = {
    redirectCode: status,
    ...(scheme && { scheme }),
    ...(host && { authority: host }),
    ...(port && { port }),
    ...(path && { uri: path }),
    ...(prefix && { prefixRewrite: prefix }),
  };
  const rest = {
    ...(regex && { regex_rewrite: { pattern: { regex: regex.pattern_regex }, substitution: regex.substitution } }),
    ...(config.strip_query && { strip_query: true }),
  };
  return { action: { redirect }, patches: Object.keys(rest).length > 0 ? [{ redirect: rest }] : [] };
}

function forwardAction(
  { object, path }: Source,
  route: EnrouteRoute,
  prefix: string,
  filters: Attached,
  { findings, upstreams }: RouteSurroundings,
): object | string {
  const services = route.services ?? [];
  if (services.length === 0) return findings.add(object, path, 'has no services');
  const weights = weightsOf(services);
  const destinations: object[] = [];
  for (const [i, service] of services.entries()) {
    const source = { object, path: [...path, 'services', i] satisfies FieldPath };
    const upstream = upstreams.reach(service, source, { timeouts: route.timeoutPolicy, filters });
    if (typeof upstream === 'string') return upstream;
    destinations.push({ destination: upstream.destination, weight: weights[i]! });
  }
  const rewrite = rewriteOf(route, prefix);
  const timeout = route.timeoutPolicy?.request;
  return {
    route: destinations,
    retries: retriesOf(route.retryPolicy),
    ...(timeout !== undefined && !isUnlimited(timeout) && { timeout }),
    ...(rewrite !== undefined && { rewrite: { uri: rewrite } }),
  };
}

/** Without weights all services get the same share; where some have one, those without get nothing. */
function weightsOf(services: readonly EnrouteService[]): readonly number[] {
  const given = services.map(({ weight }) => weight ?? 0);
  return given.every((weight) => weight === 0) ? given.map(() => 1) : given;
}

function rewriteOf({ prefixRewrite, pathRewritePolicy }: EnrouteRoute, prefix: string): string | undefined {
  if (prefixRewrite !== undefined) return prefixRewrite;
  const replacements = pathRewritePolicy?.replacePrefix ?? [];
  return (replacements.find((r) => r.prefix === prefix) ?? replacements.find((r) => !r.prefix))?.replacement;
}

function retriesOf(retries: EnrouteRetries | undefined): object {
  if (retries === undefined || retries.count === 0) return { attempts: 0 };
  const { count, perTryTimeout, retryOn, retriableStatusCodes = [] } = retries;
  return {
    attempts: count,
    retryOn: [retryOn || '5xx', ...retriableStatusCodes].join(','),
    ...(perTryTimeout !== undefined && !isUnlimited(perTryTimeout) && { perTryTimeout }),
  };
}

const EXT_AUTHZ_OFF = {
  '@type': typeUrl('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'),
  disabled: true,
};
/** A RateLimit may count for the host besides. */
const WITH_HOST_LIMITS = {
  '@type': typeUrl('envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute'),
  vh_rate_limits: 'INCLUDE',
};

/** What of a route that forwards a VirtualService has no field for; a reason if a filter cannot be honoured. */
function forwardPatch(route: EnrouteRoute, filters: Attached, around: RouteSurroundings): object | string {
  const idle = route.timeoutPolicy?.idle;
  const host = filterOf(filters, 'route_filter_host_rewrite')?.config;
  const limit = filterOf(filters, 'route_filter_ratelimit');
  if (limit !== undefined && !around.hasLimits) {
    const { namespace, name } = limit.object.metadata;
    return `RouteFilter ${namespace}/${name} counts requests for which there is no limit: a GlobalConfig globalconfig_ratelimit is needed`;
  }
  const perFilter = {
    ...(route.disableExtauth && around.hasExtAuthz && { 'envoy.filters.http.ext_authz': EXT_AUTHZ_OFF }),
    ...(limit && { 'envoy.filters.http.ratelimit': WITH_HOST_LIMITS }),
  };
  return {
    route: {
      upgrade_configs: [{ upgrade_type: 'websocket', enabled: route.enableWebsockets ?? false }],
      ...(idle !== undefined && { idle_timeout: isUnlimited(idle) ? '0s' : secondsOf(idle) }),
      ...(host && {
        host_rewrite_path_regex: { pattern: { regex: host.pattern_regex }, substitution: host.substitution },
      }),
      ...(limit && { rate_limits: [{ actions: limit.config.descriptors.map(rateLimitAction) }] }),
    },
    ...(Object.keys(perFilter).length > 0 && { typed_per_filter_config: perFilter }),
  };
}

/** Go's durations in protobuf's JSON, which counts seconds alone. */
export function secondsOf(text: string): string {
  return `${(parseDuration(text) ?? 0) / 1000}s`;
}
