import type { RouteMatch } from '../../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import {
  type JwtAuthentication,
  JwtAuthenticationSchema,
  type JwtProvider,
  type PerRouteConfig,
  PerRouteConfigSchema,
} from '../../../api/gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts';
import type { Headers } from '../../../wire/headers.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { FilterBuildContext, HttpFilterDefinition } from '../../http/filter.ts';
import { headerTest, parseQuery, queryTest } from '../../router/header-match.ts';
import { pathMatch } from '../../router/path-match.ts';
import { type JwtConfig, JwtFilter, type JwtRouteConfig } from './filter.ts';
import { type KeySource, localKeys, RemoteKeys } from './key-source.ts';
import { Provider } from './provider.ts';
import { compileRequirement, Providers, type Requirement } from './requirement.ts';
import { JwtStats } from './stats.ts';
import { SUPPORTED } from './supported.ts';

const DEFAULT_CACHE_MS = 600_000;
const DEFAULT_FAILED_REFETCH_MS = 1000;
const NO_KEYS: KeySource = { keys: undefined, fetch: undefined };

export const jwtAuthn: HttpFilterDefinition<JwtAuthentication, PerRouteConfig> = {
  name: 'envoy.filters.http.jwt_authn',
  schema: JwtAuthenticationSchema,
  routeSchema: PerRouteConfigSchema,
  supported: SUPPORTED,
  compile(proto, context, errors) {
    const stats = context.stats('jwt_authn.', JwtStats);
    const remotes: RemoteKeys[] = [];
    const providers = new Providers(
      Object.entries(proto.providers).map(([name, provider]) => {
        const at = errors.at('providers').at(`["${name}"]`);
        const keys = keySource(provider, context, stats, at);
        if (keys instanceof RemoteKeys) remotes.push(keys);
        return new Provider(name, provider, keys, at);
      }),
    );
    const config = compileRules(proto, providers, stats, errors);
    return {
      create: (callbacks) => new JwtFilter(config, callbacks),
      dispose() {
        for (const remote of remotes) remote.dispose();
      },
    };
  },
  compileRoute(proto, _context, errors): JwtRouteConfig {
    const { requirementSpecifier: specifier } = proto;
    if (specifier.case === 'requirementName') return { requirement: specifier.value };
    if (specifier.case !== 'disabled' || !specifier.value) {
      errors.add(specifier.case ?? '', 'disabled: true or a requirement_name is needed');
    }
    return { disabled: true };
  },
};

function keySource(
  provider: JwtProvider,
  context: FilterBuildContext,
  stats: JwtStats,
  errors: ConfigErrors,
): KeySource {
  const { jwksSourceSpecifier: source } = provider;
  if (source.case === 'localJwks') {
    const at = errors.at('local_jwks');
    const text = context.readData(source.value, at)?.toString('utf8');
    const keys = text === undefined ? undefined : localKeys(text);
    if (text !== undefined && keys === undefined) at.add('', 'is not a JSON Web Key Set with a key that can be used');
    return keys ?? NO_KEYS;
  }
  if (source.case !== 'remoteJwks') {
    errors.add('', 'remote_jwks or local_jwks is needed');
    return NO_KEYS;
  }
  const { httpUri, cacheDuration, asyncFetch, retryPolicy } = source.value;
  const at = errors.at('remote_jwks');
  const uri = httpUri?.uri ?? '';
  const url = /^(https?):\/\/([^/?#]+)([^#]*)$/.exec(uri);
  if (url === null) at.add('http_uri.uri', `${JSON.stringify(uri)} is not a URL`);
  const cluster = httpUri?.httpUpstreamType.value ?? '';
  if (cluster === '') at.add('http_uri.cluster', 'must not be empty');
  const { worker, clusters } = context;
  const path = url?.[3] ?? '';
  const remote = new RemoteKeys(
    {
      cluster,
      scheme: url?.[1] ?? 'http',
      authority: url?.[2] ?? '',
      path: path.startsWith('/') ? path : `/${path}`,
      timeoutMs: durationMs(httpUri?.timeout, 0),
      cacheMs: durationMs(cacheDuration, DEFAULT_CACHE_MS),
      retry: retryPolicy && {
        count: retryPolicy.numRetries ?? 1,
        baseMs: durationMs(retryPolicy.retryBackOff?.baseInterval, 1000),
        maxMs: durationMs(
          retryPolicy.retryBackOff?.maxInterval,
          10 * durationMs(retryPolicy.retryBackOff?.baseInterval, 1000),
        ),
      },
    },
    { clusters, timers: worker.timers, random: worker.random, localAddress: worker.node.localAddress },
    stats,
    worker.log,
  );
  if (asyncFetch !== undefined && !errors.any) {
    const failedMs = durationMs(asyncFetch.failedRefetchDuration, DEFAULT_FAILED_REFETCH_MS);
    if (asyncFetch.fastListener) remote.fetchInBackground(failedMs, () => {});
    else context.waitFor({ whenReady: (callback) => remote.fetchInBackground(failedMs, callback) });
  }
  return remote;
}

function compileRules(
  proto: JwtAuthentication,
  providers: Providers,
  stats: JwtStats,
  errors: ConfigErrors,
): JwtConfig {
  const named = new Map(
    Object.entries(proto.requirementMap).map(([name, requirement]) => [
      name,
      compileRequirement(requirement, providers, errors.at('requirement_map').at(`["${name}"]`)),
    ]),
  );
  const rules = proto.rules.map((rule, i) => {
    const at = errors.at('rules').at(i);
    const { requirementType: type } = rule;
    let requirement: Requirement | undefined;
    if (type.case === 'requires') requirement = compileRequirement(type.value, providers, at.at('requires'));
    else if (type.case === 'requirementName') {
      requirement = named.get(type.value);
      if (requirement === undefined) {
        const known = [...named.keys()].sort().join(',');
        at.add('requirement_name', `${JSON.stringify(type.value)} is none of the requirement_map's [${known}]`);
      }
    }
    if (rule.match === undefined) at.add('match', 'is needed');
    return { matches: rule.match ? ruleTest(rule.match, at.at('match')) : () => true, requirement };
  });
  const { filterStateRules: state } = proto;
  const byState = new Map(
    Object.entries(state?.requires ?? {}).map(([value, requirement]) => [
      value,
      compileRequirement(requirement, providers, errors.at('filter_state_rules').at(`requires["${value}"]`)),
    ]),
  );
  return {
    stats,
    bypassCorsPreflight: proto.bypassCorsPreflight,
    stripFailureResponse: proto.stripFailureResponse,
    named,
    requirementFor(headers, { info }) {
      for (const { matches, requirement } of rules) if (matches(headers)) return requirement;
      if (state === undefined) return undefined;
      const value = info.getFilterState(state.name);
      return typeof value === 'string' ? byState.get(value) : undefined;
    },
  };
}

/** Path, headers and query parameters count; Envoy looks at nothing else of the match. */
function ruleTest(match: RouteMatch, errors: ConfigErrors): (headers: Headers) => boolean {
  const path = pathMatch(match, errors);
  const headerTests = match.headers.map((header, i) => headerTest(header, errors.at('headers').at(i)));
  const queryTests = match.queryParameters.map((q, i) => queryTest(q, errors.at('query_parameters').at(i)));
  return (headers) => {
    const query = headers.path.indexOf('?');
    if (!path.matches(headers.path, query < 0 ? headers.path.length : query, headers)) return false;
    if (!headerTests.every((test) => test(headers))) return false;
    if (queryTests.length === 0) return true;
    const parameters = parseQuery(headers.path);
    return queryTests.every((test) => test(parameters));
  };
}
