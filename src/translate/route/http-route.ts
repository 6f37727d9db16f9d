import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Route,
  RouteAction_ClusterNotFoundResponseCode,
  type RouteAction_RequestMirrorPolicySchema,
  type RouteActionSchema,
  RouteSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { CorsPolicySchema } from '../../api/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts';
import { HTTPFaultSchema } from '../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import type { Destination } from '../../config/kinds/shared/destination.ts';
import type { HttpMatch, HttpRoute, HttpRouteDestination } from '../../config/kinds/virtual-service/schema.ts';
import { type Labels, selects } from '../../registry/labels.ts';
import type { Service } from '../../registry/service.ts';
import type { Features } from '../features.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import type { HttpRule, Origin, VirtualService } from '../index/virtual-service.ts';
import type { Mesh } from '../mesh.ts';
import { configMetadata } from '../metadata.ts';
import { outboundCluster, parseClusterName } from '../names.ts';
import { pack } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import { corsOf } from './cors.ts';
import { faultOf } from './fault.ts';
import { hashOfDestination, hashPolicy } from './hash-policy.ts';
import { authorityOf, headerEdits } from './headers.ts';
import { isCatchAll, routeMatch } from './match.ts';
import { fraction, wholeFraction } from './percent.ts';
import { redirectOf } from './redirect.ts';
import { retryPolicy } from './retry.ts';
import { statefulSession } from './stateful-session.ts';

/** For whom routes are made, and what they may look up. */
export interface RouteContext {
  readonly mesh: Mesh;
  readonly features: Features;
  /** Of the proxy: conditions on its labels and namespace are decided here. */
  readonly labels: Labels;
  readonly namespace: string;
  /** Port on which the requests come in. */
  readonly port: number;
  /** `mesh`, or the gateway. */
  readonly gateway: string;
  readonly isTls: boolean;
  service(hostname: string): Service | undefined;
  rule(hostname: string): DestinationRule | undefined;
}

/** Routes of a VirtualService's HTTP rules, up to the first that takes every request. */
export function httpRoutes(
  context: RouteContext,
  vs: VirtualService,
): { readonly routes: Route[]; readonly origins: Origin[] } {
  const routes: Route[] = [];
  const origins: Origin[] = [];
  const add = (rule: HttpRule, match: HttpMatch | undefined) => {
    const route = httpRoute(context, vs, rule, match);
    if (route === undefined) return undefined;
    routes.push(route);
    if (origins.at(-1) !== rule.origin) origins.push(rule.origin);
    return route;
  };
  for (const rule of vs.http) {
    const matches = rule.route.match ?? [];
    if (matches.length === 0) {
      add(rule, undefined);
      break;
    }
    if (matches.some((match) => isCatchAll(add(rule, match)?.match))) break;
  }
  return { routes, origins };
}

function httpRoute(
  context: RouteContext,
  vs: VirtualService,
  { route }: HttpRule,
  match: HttpMatch | undefined,
): Route | undefined {
  if (match !== undefined && !isMeant(context, match)) return undefined;
  const name = match?.name ? `${route.name ?? ''}.${match.name}` : (route.name ?? '');
  const result = create(RouteSchema, {
    name,
    match: routeMatch(match, vs.semantics),
    metadata: configMetadata(vs.source),
    statPrefix: match?.statPrefix ?? '',
    ...headerEdits(route.headers ?? {}),
  });
  if (route.redirect !== undefined) {
    const redirect = redirectOf(route.redirect, context.port, context.isTls, vs.semantics);
    if (redirect !== undefined)
      result.action = create(RouteSchema, { action: { case: 'redirect', value: redirect } }).action;
  } else if (route.directResponse !== undefined) {
    result.action = directResponse(route.directResponse);
  } else forward(context, vs, route, result);
  result.decorator = create(RouteSchema, { decorator: { operation: operationOf(result, vs, context.port) } }).decorator;
  result.typedPerFilterConfig = { ...perFilterConfig(context, route), ...result.typedPerFilterConfig };
  return result;
}

/** Whether a condition can hold for requests that come through this proxy: what it says about the caller is known here. */
function isMeant({ port, gateway, labels, namespace }: RouteContext, match: HttpMatch): boolean {
  if (match.port && match.port !== port) return false;
  if (match.gateways?.length) return match.gateways.includes(gateway);
  return selects(match.sourceLabels, labels) && (!match.sourceNamespace || match.sourceNamespace === namespace);
}

function directResponse(response: NonNullable<HttpRoute['directResponse']>): Route['action'] {
  const { body, status } = response;
  const specifier =
    body?.string !== undefined
      ? { case: 'inlineString' as const, value: body.string }
      : body?.bytes !== undefined
        ? { case: 'inlineBytes' as const, value: Uint8Array.from(Buffer.from(body.bytes, 'base64')) }
        : undefined;
  return create(RouteSchema, {
    action: {
      case: 'directResponse',
      value: { status: status ?? 0, ...(specifier === undefined ? {} : { body: { specifier } }) },
    },
  }).action;
}

/** Name of a destination's cluster: the port is the destination's own, else the service's only one, else the listener's. */
export function destinationCluster(destination: Destination, service: Service | undefined, port: number): string {
  if (destination.host === '') return 'UnknownService';
  const only = service?.ports.length === 1 ? service.ports[0]!.port : port;
  const number = destination.port === undefined ? only : (destination.port.number ?? 0);
  return outboundCluster(number, destination.subset ?? '', service?.externalName ?? destination.host);
}

function forward(context: RouteContext, vs: VirtualService, route: HttpRoute, result: Route): void {
  const timeout = duration(route.timeout ?? 0);
  const destinations = route.route ?? [];
  const rewrite = rewriteOf(route, vs, result);
  let authority = route.rewrite?.authority || (route.headers && authorityOf(route.headers));
  const hashes = destinations.map(({ destination }) => hashOfDestination(context.rule(destination.host), destination));
  const single = destinations.length === 1 ? destinations[0]! : undefined;
  if (single?.headers !== undefined) {
    const edits = headerEdits(single.headers);
    const added = create(RouteSchema, edits);
    result.requestHeadersToAdd.push(...added.requestHeadersToAdd);
    result.requestHeadersToRemove.push(...added.requestHeadersToRemove);
    result.responseHeadersToAdd.push(...added.responseHeadersToAdd);
    result.responseHeadersToRemove.push(...added.responseHeadersToRemove);
    authority ||= authorityOf(single.headers);
  }
  const used = single === undefined ? destinations.map((d, i) => (d.weight ? hashes[i] : undefined)) : hashes;
  const action: MessageInitShape<typeof RouteActionSchema> = {
    timeout,
    // A client's grpc-timeout counts up to the route's own.
    maxGrpcTimeout: timeout,
    ...rewrite,
    ...(authority ? { hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: authority } } : {}),
    // The Gateway API wants 500 for backends that are not there.
    ...(vs.semantics === 'gateway'
      ? { clusterNotFoundResponseCode: RouteAction_ClusterNotFoundResponseCode.INTERNAL_SERVER_ERROR }
      : {}),
    requestMirrorPolicies: mirrors(context, route),
    clusterSpecifier:
      single === undefined
        ? { case: 'weightedClusters', value: { clusters: weighted(context, destinations) } }
        : { case: 'cluster', value: clusterOf(context, single.destination) },
    hashPolicy: used.flatMap((hash) => hashPolicy(hash) ?? []),
  };
  result.action = create(RouteSchema, { action: { case: 'route', value: action } }).action;
  const policy = retryPolicy(
    route.retries ?? context.mesh.defaultHttpRetryPolicy,
    single !== undefined && hashes[0] !== undefined,
  );
  if (policy !== undefined && result.action.case === 'route') result.action.value.retryPolicy = policy;
}

function clusterOf(context: RouteContext, destination: Destination): string {
  return destinationCluster(destination, context.service(destination.host), context.port);
}

function weighted(context: RouteContext, destinations: readonly HttpRouteDestination[]) {
  return destinations
    .filter(({ weight }) => weight)
    .map(({ destination, weight, headers }) => {
      const authority = headers && authorityOf(headers);
      return {
        name: clusterOf(context, destination),
        weight: weight!,
        ...(headers === undefined ? {} : headerEdits(headers)),
        ...(authority ? { hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: authority } } : {}),
      };
    });
}

function rewriteOf(
  { rewrite }: HttpRoute,
  vs: VirtualService,
  result: Route,
): Pick<MessageInitShape<typeof RouteActionSchema> & object, 'regexRewrite' | 'prefixRewrite'> {
  if (rewrite?.uriRegexRewrite !== undefined) {
    const { match = '', rewrite: substitution = '' } = rewrite.uriRegexRewrite;
    return { regexRewrite: { pattern: { regex: match }, substitution } };
  }
  if (!rewrite?.uri) return {};
  const path = result.match?.pathSpecifier;
  if (vs.semantics === 'gateway' && rewrite.uri === '/' && path?.case === 'pathSeparatedPrefix') {
    // Taking a whole prefix away must leave one slash.
    const quoted = path.value.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return { regexRewrite: { pattern: { regex: `^${quoted}(/?)(.*)` }, substitution: '/\\2' } };
  }
  return { prefixRewrite: rewrite.uri };
}

function mirrors(
  context: RouteContext,
  route: HttpRoute,
): MessageInitShape<typeof RouteAction_RequestMirrorPolicySchema>[] {
  const policy = (destination: Destination, runtimeFraction: ReturnType<typeof fraction>) => ({
    cluster: clusterOf(context, destination),
    runtimeFraction: { defaultValue: runtimeFraction },
    traceSampled: false,
    disableShadowHostSuffixAppend: true,
  });
  const result: ReturnType<typeof policy>[] = [];
  if (route.mirror !== undefined) {
    const percent = route.mirrorPercentage?.value ?? (route.mirrorPercentage ? 0 : undefined);
    const whole = route.mirrorPercent ?? 100;
    if (percent !== undefined) {
      if (percent > 0) result.push(policy(route.mirror, fraction(percent)));
    } else if (whole > 0) result.push(policy(route.mirror, wholeFraction(whole)));
  }
  for (const { destination, percentage } of route.mirrors ?? []) {
    if (percentage === undefined) result.push(policy(destination, wholeFraction(100)));
    else if ((percentage.value ?? 0) > 0) result.push(policy(destination, fraction(percentage.value!)));
  }
  return result;
}

/** What the route is called in traces: where it leads if that is one service, else the VirtualService, and the path. */
function operationOf(route: Route, vs: VirtualService, port: number): string {
  const path = route.match!.pathSpecifier;
  const suffix =
    path.case === 'prefix'
      ? `${path.value}*`
      : path.case === 'path'
        ? path.value
        : path.case === 'safeRegex'
          ? path.value.regex
          : '/*';
  if (route.action.case === 'route' && route.action.value.clusterSpecifier.case === 'cluster') {
    const cluster = parseClusterName(route.action.value.clusterSpecifier.value);
    if (cluster !== undefined) return `${cluster.hostname}:${cluster.port}${suffix}`;
  }
  return `${vs.name}:${port}${suffix}`;
}

function perFilterConfig(context: RouteContext, route: HttpRoute): Record<string, Any> {
  const result: Record<string, Any> = {};
  if (route.fault !== undefined) result['envoy.filters.http.fault'] = pack(HTTPFaultSchema, faultOf(route.fault));
  if (route.corsPolicy !== undefined) {
    result['envoy.filters.http.cors'] = pack(CorsPolicySchema, corsOf(route.corsPolicy));
  }
  for (const { destination } of route.redirect || route.directResponse ? [] : (route.route ?? [])) {
    const service = context.service(destination.host);
    const session = service && statefulSession(service, context.features);
    if (session === undefined) continue;
    Object.assign(result, session);
    break;
  }
  return result;
}
