import { RoutingPriority } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type {
  RouteAction_RequestMirrorPolicy,
  RouteAction as RouteActionProto,
  WeightedCluster,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { wireForm } from '../../base/bytes.ts';
import { metadataOf } from '../cluster/metadata.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { type RuntimeSource, runtimeFraction, runtimeInteger } from '../config/runtime-values.ts';
import { durationMs } from '../config/values.ts';
import { requestHash } from './hash-policy.ts';
import { headerEdits } from './header-edits.ts';
import { headerMutations } from './header-mutations.ts';
import { internalRedirectPolicy } from './internal-redirect.ts';
import type { PathMatch } from './path-match.ts';
import { rateLimitRules } from './rate-limits.ts';
import { NO_RETRIES, retryPolicy } from './retry-policy.ts';
import { formatted, pathRewrite, substitution } from './rewrite.ts';
import type { ChosenCluster, ClusterChoice, HostRewrite, MirrorPolicy, RouteAction, UpgradeRule } from './route.ts';
import type { Enclosing } from './scope.ts';

const NOT_FOUND_STATUS = [503, 404, 500];
const DEFAULT_TIMEOUT = 15_000;

/** Compiles `route`: what is not set comes from the virtual host, or is Envoy's default. */
export function routeAction(
  proto: RouteActionProto,
  path: PathMatch,
  enclosing: Enclosing,
  errors: ConfigErrors,
): RouteAction {
  const retry = proto.retryPolicy ?? enclosing.host.retryPolicy;
  const mirrors =
    proto.requestMirrorPolicies.length > 0
      ? proto.requestMirrorPolicies
      : enclosing.host.requestMirrorPolicies.length > 0
        ? enclosing.host.requestMirrorPolicies
        : enclosing.context.mirrors;
  if (proto.retryPolicyTypedConfig) errors.add('retry_policy_typed_config', 'is not supported');
  if (proto.cors) errors.add('cors', 'is not supported: use the filter configuration of envoy.filters.http.cors');
  const stream = proto.maxStreamDuration;
  return {
    kind: 'route',
    cluster: clusterChoice(proto, enclosing, errors),
    clusterNotFoundStatus: NOT_FOUND_STATUS[proto.clusterNotFoundResponseCode] ?? 503,
    pathRewrite: pathRewrite(proto, path, errors),
    hostRewrite: hostRewrite(proto, errors),
    appendForwardedHost: proto.appendXForwardedHost,
    // As in Envoy, limits of the stream take the place of the one of the answer.
    timeoutMs: stream ? 0 : durationMs(proto.timeout, DEFAULT_TIMEOUT),
    idleTimeoutMs: proto.idleTimeout && durationMs(proto.idleTimeout, 0),
    maxGrpcTimeoutMs: stream ? undefined : proto.maxGrpcTimeout && durationMs(proto.maxGrpcTimeout, 0),
    grpcTimeoutOffsetMs: durationMs(proto.grpcTimeoutOffset, 0),
    grpcHeaderMaxMs: stream?.grpcTimeoutHeaderMax && durationMs(stream.grpcTimeoutHeaderMax, 0),
    grpcHeaderOffsetMs: durationMs(stream?.grpcTimeoutHeaderOffset, 0),
    maxStreamDurationMs: stream?.maxStreamDuration && durationMs(stream.maxStreamDuration, 0),
    retry: retry ? retryPolicy(retry, errors.at('retry_policy')) : NO_RETRIES,
    priority: proto.priority === RoutingPriority.HIGH ? 'high' : 'default',
    hash: requestHash(proto.hashPolicy, errors.at('hash_policy')),
    metadataMatch: proto.metadataMatch && metadataOf(proto.metadataMatch),
    mirrors: mirrors.map((m, i) => mirror(m, enclosing.context.runtime, errors.at('request_mirror_policies').at(i))),
    upgrades: upgradeRules(proto.upgradeConfigs, errors.at('upgrade_configs')),
    internalRedirect:
      proto.internalRedirectPolicy &&
      internalRedirectPolicy(proto.internalRedirectPolicy, errors.at('internal_redirect_policy')),
    rateLimits: rateLimitRules(proto.rateLimits, errors.at('rate_limits')),
    includeVirtualHostRateLimits: proto.includeVhRateLimits ?? false,
    hedgeOnPerTryTimeout: (proto.hedgePolicy ?? enclosing.host.hedgePolicy)?.hedgeOnPerTryTimeout ?? false,
  };
}

function upgradeRules(
  configs: RouteActionProto['upgradeConfigs'],
  errors: ConfigErrors,
): ReadonlyMap<string, UpgradeRule> {
  const rules = new Map<string, UpgradeRule>();
  configs.forEach(({ upgradeType, enabled, connectConfig }, i) => {
    const type = upgradeType.toLowerCase();
    if (rules.has(type)) errors.at(i).add('upgrade_type', `${upgradeType} stands there twice`);
    if (connectConfig !== undefined && type !== 'connect') errors.at(i).add('connect_config', 'is for CONNECT only');
    rules.set(type, { enabled: enabled ?? true, terminateConnect: connectConfig !== undefined });
  });
  return rules;
}

function clusterChoice(proto: RouteActionProto, enclosing: Enclosing, errors: ConfigErrors): ClusterChoice {
  const { clusterSpecifier: specifier } = proto;
  switch (specifier.case) {
    case 'cluster': {
      const chosen = plain(specifier.value);
      return () => chosen;
    }
    case 'clusterHeader': {
      const name = specifier.value.toLowerCase();
      return (headers) => {
        const value = headers.get(name);
        return value ? plain(value) : undefined;
      };
    }
    case 'weightedClusters':
      return weighted(specifier.value, enclosing, errors.at('weighted_clusters'));
    default:
      errors.add(specifier.case ?? 'cluster_specifier', 'is not supported');
      return () => undefined;
  }
}

function plain(name: string): ChosenCluster {
  return {
    name,
    requestEdits: undefined,
    responseEdits: undefined,
    hostRewrite: undefined,
    metadataMatch: undefined,
    filterConfig: () => undefined,
  };
}

function weighted(proto: WeightedCluster, enclosing: Enclosing, errors: ConfigErrors): ClusterChoice {
  if (proto.clusters.length === 0) errors.add('clusters', 'must not be empty');
  const entries = proto.clusters.map((cluster, i) => {
    const at = errors.at('clusters').at(i);
    const filters = enclosing.context.filterConfigs.compile(
      cluster.typedPerFilterConfig,
      at.at('typed_per_filter_config'),
    );
    const header = cluster.clusterHeader.toLowerCase();
    const base = {
      requestEdits: headerEdits(cluster.requestHeadersToAdd, cluster.requestHeadersToRemove, at, 'request_headers'),
      responseEdits: headerEdits(cluster.responseHeadersToAdd, cluster.responseHeadersToRemove, at, 'response_headers'),
      hostRewrite: cluster.hostRewriteSpecifier.value,
      metadataMatch: cluster.metadataMatch && metadataOf(cluster.metadataMatch),
      filterConfig: (name: string) => filters.find((f) => f.byName.has(name))?.byName.get(name),
    };
    const key = proto.runtimeKeyPrefix === '' ? '' : `${proto.runtimeKeyPrefix}.${cluster.name}`;
    const weight = runtimeInteger(key, cluster.weight ?? 0, enclosing.context.runtime);
    return { weight, header, chosen: { ...base, name: cluster.name } };
  });
  const sum = () => entries.reduce((all, { weight }) => all + weight.value, 0);
  const configured = sum();
  if (configured === 0 && entries.length > 0) errors.add('clusters', 'the weights must not all be 0');
  const changes = proto.runtimeKeyPrefix !== '';
  return (headers, random) => {
    let point = random() * (changes ? sum() : configured);
    for (const { weight, header, chosen } of entries) {
      point -= weight.value;
      if (point >= 0) continue;
      if (header === '') return chosen;
      const name = headers.get(header);
      return { ...chosen, name: name ?? '' };
    }
    return entries.at(-1)?.chosen;
  };
}

function hostRewrite(proto: RouteActionProto, errors: ConfigErrors): HostRewrite | undefined {
  const { hostRewriteSpecifier: specifier } = proto;
  switch (specifier.case) {
    case 'hostRewriteLiteral':
      return { kind: 'literal', host: wireForm(specifier.value) };
    case 'autoHostRewrite':
      return specifier.value.value ? { kind: 'auto' } : undefined;
    case 'hostRewrite': {
      const render = formatted(specifier.value, '-', errors.at('host_rewrite'));
      return render && { kind: 'format', render };
    }
    case 'hostRewriteHeader':
      return { kind: 'header', name: specifier.value.toLowerCase() };
    case 'hostRewritePathRegex':
      return {
        kind: 'path-regex',
        substitution: substitution(specifier.value, errors.at('host_rewrite_path_regex')),
      };
    default:
      return undefined;
  }
}

function mirror(proto: RouteAction_RequestMirrorPolicy, runtime: RuntimeSource, errors: ConfigErrors): MirrorPolicy {
  const share = runtimeFraction(proto.runtimeFraction, 1, runtime);
  if (proto.cluster === '' && proto.clusterHeader === '') errors.add('cluster', 'is needed');
  return {
    cluster: proto.cluster,
    clusterHeader: proto.clusterHeader.toLowerCase(),
    get share() {
      return share.value;
    },
    traceSampled: proto.traceSampled,
    disableShadowSuffix: proto.disableShadowHostSuffixAppend,
    host: wireForm(proto.hostRewriteLiteral),
    edits: headerMutations(proto.requestHeadersMutations, errors.at('request_headers_mutations')),
  };
}
