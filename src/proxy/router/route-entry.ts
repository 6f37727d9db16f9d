import type { RouteMatch, Route as RouteProto } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { Headers } from '../../wire/headers.ts';
import { metadataOf } from '../cluster/metadata.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { runtimeFraction } from '../config/runtime-values.ts';
import { routeTracing } from '../observe/tracing/config.ts';
import { cookieValue } from './cookies.ts';
import { filterStateTest } from './filter-state-match.ts';
import { type HeaderEdits, headerEdits } from './header-edits.ts';
import { headerTest, parseQuery, queryTest } from './header-match.ts';
import { metadataTest } from './metadata-match.ts';
import { type PathMatch, pathMatch } from './path-match.ts';
import { redirectAction } from './redirect.ts';
import type { DirectResponseAction, Route } from './route.ts';
import { routeAction } from './route-action.ts';
import type { BuildContext, Enclosing, FilterConfigs, MatchContext } from './scope.ts';
import { stringTest } from './string-match.ts';

/** A route with the test for the requests that it is for. */
export interface MatchableRoute {
  readonly route: Route;
  matches(path: string, end: number, headers: Headers, context: MatchContext): boolean;
}

/** Compiles one route of a virtual host. */
export function compileRoute(proto: RouteProto, enclosing: Enclosing, errors: ConfigErrors): MatchableRoute {
  const { context, scope, info } = enclosing;
  if (proto.match === undefined) errors.add('match', 'is needed');
  const path: PathMatch = proto.match
    ? pathMatch(proto.match, errors.at('match'))
    : { kind: 'prefix', text: '', matches: () => false };
  const order = (edits: readonly (HeaderEdits | undefined)[]) => {
    const some = edits.filter((e) => e !== undefined);
    return context.mostSpecificWins ? some.reverse() : some;
  };
  const filters = scope.filters.concat(
    context.filterConfigs.compile(proto.typedPerFilterConfig, errors.at('typed_per_filter_config')),
  );
  const disabled = new Map(filters.flatMap((f) => [...f.disabled]));
  const route: Route = {
    name: proto.name,
    virtualHost: info,
    action: action(proto, path, enclosing, errors),
    metadata: proto.metadata && metadataOf(proto.metadata),
    decoratorOperation: proto.decorator?.operation ?? '',
    decoratorPropagate: proto.decorator?.propagate ?? true,
    tracing: proto.tracing && routeTracing(proto.tracing, errors.at('tracing')),
    requestEdits: order([
      headerEdits(proto.requestHeadersToAdd, proto.requestHeadersToRemove, errors, 'request_headers'),
      ...scope.requestEdits,
    ]),
    responseEdits: order([
      headerEdits(proto.responseHeadersToAdd, proto.responseHeadersToRemove, errors, 'response_headers'),
      ...scope.responseEdits,
    ]),
    filterConfigs: filterLookup(filters),
    filterDisabled: disabled.size > 0 ? disabled : undefined,
    bufferLimit: bufferLimit(proto) ?? bufferLimit(enclosing.host),
    stats: proto.statPrefix === '' ? undefined : context.stats(`vhost.${info.name}.route.${proto.statPrefix}.`),
  };
  return { route, matches: matcher(proto.match, path, context, errors.at('match')) };
}

/** The newer of the two fields counts. */
function bufferLimit(proto: {
  readonly requestBodyBufferLimit?: bigint | undefined;
  readonly perRequestBufferLimitBytes?: number | undefined;
}): number | undefined {
  return proto.requestBodyBufferLimit === undefined
    ? proto.perRequestBufferLimitBytes
    : Number(proto.requestBodyBufferLimit);
}

function filterLookup(filters: readonly FilterConfigs[]): Route['filterConfigs'] {
  const none: readonly unknown[] = [];
  const byName = new Map<string, unknown[]>();
  for (const { byName: configs } of filters) {
    for (const [name, config] of configs) byName.set(name, [...(byName.get(name) ?? []), config]);
  }
  if (byName.size === 0) return () => none;
  return (name) => byName.get(name) ?? none;
}

function action(proto: RouteProto, path: PathMatch, enclosing: Enclosing, errors: ConfigErrors): Route['action'] {
  switch (proto.action.case) {
    case 'route':
      return routeAction(proto.action.value, path, enclosing, errors.at('route'));
    case 'redirect':
      return redirectAction(proto.action.value, path, errors.at('redirect'));
    case 'directResponse':
      return directResponse(proto.action.value, enclosing.context, errors.at('direct_response'));
    case 'nonForwardingAction':
      return { kind: 'non-forwarding' };
    default:
      errors.add(proto.action.case === 'filterAction' ? 'filter_action' : 'action', 'is not supported');
      return { kind: 'non-forwarding' };
  }
}

type DirectProto = Extract<RouteProto['action'], { case: 'directResponse' }>['value'];

function directResponse(proto: DirectProto, context: BuildContext, errors: ConfigErrors): DirectResponseAction {
  const { status, body } = proto;
  if (status < 200 || status > 599) errors.add('status', 'must be between 200 and 599');
  const bytes = body && context.readData(body, errors.at('body'));
  const text = bytes === undefined ? '' : Buffer.from(bytes).toString('utf8');
  const { maxDirectResponseBytes: most } = context;
  const length = bytes?.length ?? 0;
  if (length > most) errors.add('body', `has ${length} bytes; at most ${most} are allowed`);
  return { kind: 'direct', status, body: text };
}

function matcher(
  match: RouteMatch | undefined,
  path: PathMatch,
  { ignorePathParameters, runtime }: BuildContext,
  errors: ConfigErrors,
): MatchableRoute['matches'] {
  if (match === undefined) return () => false;
  const conditions: ((headers: Headers, context: MatchContext) => boolean)[] = [];
  match.headers.forEach((header, i) => {
    const test = headerTest(header, errors.at('headers').at(i));
    conditions.push((headers) => test(headers));
  });
  if (match.queryParameters.length > 0) {
    const tests = match.queryParameters.map((q, i) => queryTest(q, errors.at('query_parameters').at(i)));
    conditions.push((headers) => {
      const parameters = parseQuery(headers.path);
      return tests.every((test) => test(parameters));
    });
  }
  if (match.grpc) conditions.push((headers) => isGrpc(headers));
  if (match.tlsContext) {
    const { presented, validated } = match.tlsContext;
    conditions.push(
      (_, context) =>
        (presented === undefined || presented === context.peerPresented) &&
        (validated === undefined || validated === context.peerValidated),
    );
  }
  if (match.runtimeFraction) {
    const share = runtimeFraction(match.runtimeFraction, 1, runtime);
    conditions.push((_, context) => context.random() < share.value);
  }
  match.cookies.forEach(({ name, stringMatch, invertMatch }, i) => {
    const at = errors.at('cookies').at(i);
    if (name === '') at.add('name', 'must not be empty');
    if (stringMatch === undefined) at.add('string_match', 'is needed');
    const test = stringMatch ? stringTest(stringMatch, at.at('string_match')) : () => false;
    conditions.push((headers) => {
      const value = cookieValue(headers, name);
      return (value !== undefined && test(value)) !== invertMatch;
    });
  });
  match.filterState.forEach((matcher, i) => {
    const test = filterStateTest(matcher, errors.at('filter_state').at(i));
    conditions.push((_, context) => test(context.filterState(matcher.key)));
  });
  match.dynamicMetadata.forEach((metadata, i) => {
    const test = metadataTest(metadata, errors.at('dynamic_metadata').at(i));
    conditions.push((_, context) => test(context.dynamicMetadata));
  });
  const pathMatches = ignorePathParameters
    ? (text: string, end: number, headers: Headers) => {
        const first = text.indexOf(';');
        if (first < 0 || first >= end) return path.matches(text, end, headers);
        // The parameters of every segment.
        const bare = text.slice(0, end).replaceAll(/;[^/]*/g, '');
        return path.matches(bare, bare.length, headers);
      }
    : path.matches;
  if (conditions.length === 0) return pathMatches;
  return (text, end, headers, context) => {
    if (!pathMatches(text, end, headers)) return false;
    for (const condition of conditions) if (!condition(headers, context)) return false;
    return true;
  };
}

/** Whether a request says that it is gRPC by its content type. */
export function isGrpc(headers: Headers): boolean {
  const type = headers.get('content-type');
  return type?.startsWith('application/grpc') === true && (type.length === 16 || type[16] === '+' || type[16] === ';');
}
