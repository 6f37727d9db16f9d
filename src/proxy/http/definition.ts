import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ExtensionConfigSource } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import {
  HttpConnectionManagerSchema,
  type HttpFilter as HttpFilterProto,
  type HttpConnectionManager as Proto,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import {
  type UuidRequestIdConfig,
  UuidRequestIdConfigSchema,
} from '../../api/gen/envoy/extensions/request_id/uuid/v3/uuid_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import { readDataSource } from '../config/data-source.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { configSourceSpec } from '../config/source-spec.ts';
import type { ExtensionConfigs } from '../extension-config.ts';
import type { NetworkBuildContext, NetworkFilterDefinition } from '../net/network-filter.ts';
import { StatLeases } from '../observe/stat-leases.ts';
import { type TracingConfig, tracingConfig } from '../observe/tracing/config.ts';
import type { Tracers } from '../observe/tracing/tracers.ts';
import { checkClusters } from '../router/cluster-references.ts';
import { type HcmConfig, hcmConfig, type NamedFilter } from './config.ts';
import { HttpConnectionManager } from './connection-manager.ts';
import { discoveredHttpFilter } from './discovered-filter.ts';
import type { HttpFilterFactory } from './filter.ts';
import type { HttpFilterRegistry } from './filter-registry.ts';
import { localReplyMapper } from './local-reply-config.ts';
import { compileRoutes, type RouteSubscriptions, routeEnvironment } from './rds.ts';
import type { RouteProvider } from './route-provider.ts';
import { HttpConnectionManagerStats, ListenerResponseStats, TracingStats } from './stats.ts';
import { SUPPORTED } from './supported.ts';

/** What connection managers of one worker share. */
export interface HttpEnvironment {
  readonly filters: HttpFilterRegistry;
  readonly routes: RouteSubscriptions;
  readonly tracers: Tracers;
  readonly extensions: ExtensionConfigs;
}

/** The network filter `envoy.filters.network.http_connection_manager`. */
export function httpConnectionManagerDefinition(environment: HttpEnvironment): NetworkFilterDefinition<Proto> {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    schema: HttpConnectionManagerSchema,
    supported: SUPPORTED,
    compile(proto, context, errors) {
      const { config, release } = compile(proto, environment, context, errors);
      const { drain } = context.listener;
      return {
        terminal: true,
        create: ({ connection, worker, clusters, info }) =>
          new HttpConnectionManager(connection, config, worker, clusters, drain, info),
        dispose: release,
      };
    },
  };
}

function compile(
  proto: Proto,
  environment: HttpEnvironment,
  context: NetworkBuildContext,
  errors: ConfigErrors,
): { readonly config: HcmConfig; readonly release: () => void } {
  const { worker, listener } = context;
  const stats = worker.stats.acquire(`http.${proto.statPrefix}.`, HttpConnectionManagerStats);
  const tracing = worker.stats.acquire(`http.${proto.statPrefix}.tracing.`, TracingStats);
  const listenerStats = worker.stats.acquire(`${listener.statPrefix}http.${proto.statPrefix}.`, ListenerResponseStats);
  const chains: FilterChain[] = [];
  const chain = (protos: readonly HttpFilterProto[], at: ConfigErrors) => {
    const compiled = compileFilters(protos, proto.statPrefix, environment, context, at);
    chains.push(compiled);
    return compiled.filters;
  };
  const filters = chain(proto.httpFilters, errors.at('http_filters'));
  const upgrades = new Map(
    proto.upgradeConfigs.map((upgrade, i) => {
      const type = upgrade.upgradeType.toLowerCase();
      if (proto.upgradeConfigs.findIndex((other) => other.upgradeType.toLowerCase() === type) < i) {
        errors.at('upgrade_configs').at(i).add('upgrade_type', `${upgrade.upgradeType} stands there twice`);
      }
      const own =
        upgrade.filters.length > 0
          ? chain(upgrade.filters, errors.at('upgrade_configs').at(i).at('filters'))
          : undefined;
      return [type, { enabled: upgrade.enabled ?? true, filters: own }] as const;
    }),
  );
  const routes = routeProvider(proto, environment, context, errors);
  const traced = proto.tracing && tracingOf(proto.tracing, proto, tracing.group, environment, context, errors);
  const config = hcmConfig(
    proto,
    {
      stats: stats.group,
      listenerStats: listenerStats.group,
      filters,
      upgrades,
      routes: routes.provider,
      accessLogs: context.buildAccessLogs(proto.accessLog, errors.at('access_log')),
      localReplies: localReplyMapper(proto.localReplyConfig, worker, errors.at('local_reply_config')),
      bufferLimit: listener.bufferLimit,
      direction: listener.direction,
      drainsWhenUnhealthy: listener.drainsWhenUnhealthy,
      node: worker.node,
      tracing: traced?.config,
    },
    () => worker.timers.now(),
    errors,
  );
  return {
    config,
    release() {
      for (const lease of [stats, tracing, listenerStats]) lease.release();
      for (const { release } of chains) release();
      routes.release();
      traced?.release();
    },
  };
}

/** `tracing`, with a share in the tracer of its provider. */
function tracingOf(
  tracing: NonNullable<Proto['tracing']>,
  { requestIdExtension }: Proto,
  counters: TracingStats,
  { tracers }: HttpEnvironment,
  { worker, clusters, listener }: NetworkBuildContext,
  errors: ConfigErrors,
): { readonly config: TracingConfig; readonly release: () => void } {
  const at = errors.at('tracing');
  const lease = tracing.provider
    ? tracers.acquire(tracing.provider, clusters, at.at('provider'))
    : tracers.acquireDefault(clusters, at);
  const uuid = requestIdOptions(requestIdExtension, errors.at('request_id_extension'));
  const config = tracingConfig(
    tracing,
    {
      byRequestId: uuid?.useRequestIdForTraceSampling ?? true,
      packsReason: uuid?.packTraceReason ?? true,
      egress: listener.direction === 'outbound',
      tracer: lease?.tracer,
      counters,
      nodeId: worker.node.id,
      zone: worker.node.zone,
    },
    at,
  );
  return { config, release: () => lease?.release() };
}

function requestIdOptions(
  extension: Proto['requestIdExtension'],
  errors: ConfigErrors,
): UuidRequestIdConfig | undefined {
  const any = extension?.typedConfig;
  if (any === undefined) return undefined;
  if (typeNameOf(any.typeUrl) === UuidRequestIdConfigSchema.typeName) {
    return fromBinary(UuidRequestIdConfigSchema, any.value);
  }
  errors.add('typed_config', `${any.typeUrl} is not supported`);
  return undefined;
}

function routeProvider(
  proto: Proto,
  environment: HttpEnvironment,
  context: NetworkBuildContext,
  errors: ConfigErrors,
): { readonly provider: RouteProvider; readonly release: () => void } {
  const { routeSpecifier } = proto;
  const { routes: subscriptions, filters } = environment;
  if (routeSpecifier.case === 'routeConfig') {
    const { value } = routeSpecifier;
    const table = compileRoutes(value, routeEnvironment(context.worker, filters), errors.at('route_config'));
    if (value.validateClusters ?? true) {
      checkClusters(value, (name) => context.clusters.get(name) !== undefined, errors.at('route_config'));
    }
    const remove = subscriptions.addInline(value);
    return {
      provider: { table },
      release() {
        remove();
        table?.dispose();
      },
    };
  }
  if (routeSpecifier.case === 'rds') {
    const { configSource, routeConfigName } = routeSpecifier.value;
    const source = configSourceSpec(configSource, errors.at('rds').at('config_source'));
    if (source === undefined || errors.any) return NO_ROUTES;
    const routes = subscriptions.acquire(source, routeConfigName, proto.statPrefix);
    context.waitFor(routes);
    return { provider: routes, release: () => subscriptions.release(routes) };
  }
  errors.add(routeSpecifier.case === 'scopedRoutes' ? 'scoped_routes' : 'route_specifier', 'is not supported');
  return NO_ROUTES;
}

const NO_ROUTES = { provider: { table: undefined }, release() {} };

/** Compiled filters, and what lets go of what they hold when the configuration goes. */
interface FilterChain {
  readonly filters: NamedFilter[];
  readonly release: () => void;
}

function compileFilters(
  protos: readonly HttpFilterProto[],
  statPrefix: string,
  environment: HttpEnvironment,
  context: NetworkBuildContext,
  errors: ConfigErrors,
): FilterChain {
  const { worker, clusters, listener } = context;
  const filters: NamedFilter[] = [];
  const leases = new StatLeases(worker.stats, `http.${statPrefix}.`);
  const rootLeases = new StatLeases(worker.stats, '');
  protos.forEach((proto, i) => {
    const at = errors.at(i);
    const build = {
      worker,
      clusters,
      statPrefix,
      stats: leases.acquire,
      rootStats: rootLeases.acquire,
      direction: listener.direction,
      bufferLimit: listener.bufferLimit,
      waitFor: context.waitFor,
      readData: readDataSource,
    };
    const compile = (any: Any | undefined, where: ConfigErrors) =>
      environment.filters.compileFilter(proto.name, any, build, where);
    const { configType } = proto;
    const discover = (source: ExtensionConfigSource) =>
      environment.extensions.discover<HttpFilterFactory>(
        {
          kind: 'http_filter',
          name: proto.name,
          source,
          waitFor: context.waitFor,
          compile(any, where) {
            const made = compile(any, where);
            if (made?.terminal) where.add('typed_config', 'must not be that of a terminal filter');
            return made;
          },
        },
        at.at('config_discovery'),
      );
    let factory: HttpFilterFactory | undefined;
    if (configType.case === 'configDiscovery') {
      const extension = discover(configType.value);
      factory = extension && discoveredHttpFilter(extension);
    } else factory = compile(configType.value, at);
    if (factory !== undefined) filters.push({ name: proto.name, factory, disabled: proto.disabled });
  });
  const last = filters.at(-1);
  if (!errors.any && (last === undefined || !last.factory.terminal)) {
    errors.add('', 'the last filter must be a terminal one, such as envoy.filters.http.router');
  }
  filters.slice(0, -1).forEach((filter, i) => {
    if (filter.factory.terminal) errors.at(i).add('', `${filter.name} is terminal and must be the last filter`);
  });
  return {
    filters,
    release() {
      for (const { factory } of filters) factory.dispose?.();
      leases.release();
      rootLeases.release();
    },
  };
}
