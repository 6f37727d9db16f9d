import { gatewayNamespace } from '../../config/default-gateway.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { RateLimitSpec } from '../../config/kinds/rate-limit/schema.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { Adapter, MadeObject, Warn } from '../adapter.ts';
import { madeObject } from '../enroute/made.ts';
import { hostPatch, httpFilterPatch } from '../enroute/patches.ts';
import { rateLimitAction } from './actions.ts';
import { localRateLimit } from './local.ts';
import { MAX_STAGE, rateLimitClusterPatch, rateLimitFilterPatch } from './service.ts';

type RateLimit = ConfigObject<RateLimitSpec>;

const CONTEXTS = ['SIDECAR_INBOUND', 'GATEWAY'] as const;
const LOCAL_FILTER = 'envoy.filters.http.local_ratelimit';
const DEFAULT_TIMEOUT_MS = 100;

/** RateLimits, as EnvoyFilters for the proxies that they select: what sidecars let in, and what gateways take. */
export const rateLimitAdapter: Adapter = {
  inputs(config, mesh) {
    const limits = config.list('RateLimit');
    if (limits.length === 0) return [];
    return [mesh, ...limits, null, ...config.list('Service'), null, ...config.list('Gateway')];
  },
  make(config, mesh, warn) {
    const stages = new Map<string, number>();
    return config.list('RateLimit').flatMap((object) => {
      const { namespace } = object.metadata;
      const stage = (stages.get(namespace) ?? 0) + (object.spec.shared === undefined ? 0 : 1);
      stages.set(namespace, stage);
      if (stage > MAX_STAGE) {
        warn(object, ['spec', 'shared'], `has no effect: a namespace has ${MAX_STAGE} shared limits at most`);
        return [];
      }
      return envoyFilters(object, stage, config, mesh, warn);
    });
  },
};

function envoyFilters(
  object: RateLimit,
  stage: number,
  config: ConfigSnapshot,
  mesh: MeshConfig,
  warn: Warn,
): MadeObject[] {
  const { namespace, name } = object.metadata;
  const configPatches = CONTEXTS.flatMap((context) => [
    ...localPatches(object.spec, context),
    ...sharedPatches(object.spec, stage, context, gatewayNamespace(mesh)),
  ]);
  return selectorsOf(object, config, warn).map((labels, i) =>
    madeObject(
      'EnvoyFilter',
      namespace,
      `${name}-rate-limit${i === 0 ? '' : `-${i}`}`,
      { spec: { ...(labels && { workloadSelector: { labels } }), configPatches } },
      { object, path: ['spec'] },
    ),
  );
}

/** Labels of the pods that it is for, one set or more; undefined for all of the namespace. */
function selectorsOf(
  object: RateLimit,
  config: ConfigSnapshot,
  warn: Warn,
): (Readonly<Record<string, string>> | undefined)[] {
  const { selector, targetRefs } = object.spec;
  if (!targetRefs?.length) return [selector?.matchLabels];
  const { namespace } = object.metadata;
  return targetRefs.flatMap(({ group, name }, i) => {
    const path: FieldPath = ['spec', 'targetRefs', i, 'name'];
    const isGateway = group === 'networking.istio.io';
    const found = isGateway ? config.get('Gateway', namespace, name) : config.get('Service', namespace, name);
    if (found === undefined) {
      warn(object, path, `names no ${isGateway ? 'Gateway' : 'Service'} of the namespace: ${name}`);
      return [];
    }
    const labels = found.spec.selector;
    if (labels !== undefined && Object.keys(labels).length > 0) return [labels];
    warn(object, path, `names a ${isGateway ? 'Gateway' : 'Service'} that selects no pods by labels: ${name}`);
    return [];
  });
}

type Context = (typeof CONTEXTS)[number];

/** With hosts the filter stands in the chain without a limit, and each host gets its own. */
function localPatches({ local, hosts }: RateLimitSpec, context: Context): object[] {
  if (local === undefined) return [];
  const limit = localRateLimit(local);
  if (hosts === undefined) return [httpFilterPatch(LOCAL_FILTER, limit, { context })];
  return [
    httpFilterPatch(LOCAL_FILTER, localRateLimit(undefined), { context }),
    ...hosts.map((host) => hostPatch(host, { typed_per_filter_config: { [LOCAL_FILTER]: limit } }, context)),
  ];
}

function sharedPatches({ shared, hosts }: RateLimitSpec, stage: number, context: Context, control: string): object[] {
  if (shared === undefined) return [];
  const { domain, descriptors, failureModeDeny = false, timeout = DEFAULT_TIMEOUT_MS } = shared;
  const limits = { rate_limits: descriptors.map(({ entries }) => ({ stage, actions: entries.map(rateLimitAction) })) };
  return [
    rateLimitClusterPatch(control, context),
    rateLimitFilterPatch({ domain, stage, failureModeDeny, timeoutMs: timeout }, context),
    ...(hosts ?? [undefined]).map((host) => hostPatch(host, limits, context)),
  ];
}
