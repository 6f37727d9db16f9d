import { toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { AccessLog as AccessLogProto } from '../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import { TrafficDirection, type TransportSocket } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type FilterChain as FilterChainProto,
  FilterChainSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import {
  Listener_DrainType,
  type Listener as ListenerProto,
  ListenerSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import type { ClusterSource } from '../cluster/cluster.ts';
import { metadataOf } from '../cluster/metadata.ts';
import { readDataSource } from '../config/data-source.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported } from '../config/supported.ts';
import { durationMs } from '../config/values.ts';
import type { WorkerContext } from '../context.ts';
import type { ExtensionConfigs } from '../extension-config.ts';
import type { AccessLog } from '../observe/access-log/access-log.ts';
import type { DownstreamTransport } from '../tls/transport.ts';
import { formatAddress, type SocketAddress } from './connection.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { discoverNetworkFilter } from './discovered-filter.ts';
import { Drain } from './drain.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { compileListenerFilters, type ListenerFilters } from './listener-filters.ts';
import { type SocketsConfig, sameSockets } from './listener-sockets.ts';
import type { InitTarget, ListenerFacts, NetworkBuildContext, NetworkFilterFactory } from './network-filter.ts';
import type { NetworkFilterRegistry } from './network-filter-registry.ts';
import { secretsTarget } from './secrets-target.ts';
import { socketAddress } from './socket-address.ts';
import { socketOptions } from './socket-option-config.ts';
import { fastOpenQueue, freebind, type SocketOption } from './socket-options.ts';
import { SUPPORTED } from './supported.ts';

/** Compiles a downstream transport socket of the listener with this prefix of statistics; undefined is plaintext. */
export type DownstreamTransportBuilder = (
  socket: TransportSocket | undefined,
  statPrefix: string,
  errors: ConfigErrors,
) => DownstreamTransport | undefined;

/** What is needed to compile listeners. */
export interface ListenerEnvironment {
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  readonly networkFilters: NetworkFilterRegistry;
  readonly extensions: ExtensionConfigs;
  readonly limits: ConnectionLimits;
  buildTransport: DownstreamTransportBuilder;
  buildAccessLogs(protos: readonly AccessLogProto[], errors: ConfigErrors): AccessLog[];
  openLog(path: string): { write(text: string): void };
}

/** A filter chain at work. It outlives an update of its listener that leaves it as it was. */
export interface FilterChain {
  readonly name: string;
  /** The encoded message: equal bytes are the same chain. */
  readonly key: string;
  readonly transport: DownstreamTransport | undefined;
  readonly transportTimeoutMs: number;
  readonly filters: readonly NetworkFilterFactory[];
  readonly drain: Drain;
}

/** A listener as configured. */
export interface ListenerConfig extends SocketsConfig {
  readonly name: string;
  /** What the names of its statistics begin with. */
  readonly statPrefix: string;
  readonly useOriginalDst: boolean;
  readonly filters: ListenerFilters;
  readonly filtersTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly bufferLimit: number;
  readonly direction: ListenerFacts['direction'];
  readonly chains: readonly FilterChain[];
  readonly matcher: FilterChainMatcher<FilterChain>;
  readonly defaultChain: FilterChain | undefined;
  readonly accessLogs: readonly AccessLog[];
  readonly backlog: number;
  /** `ignore_global_conn_limit`: its connections are taken however many there are, though they count. */
  readonly ignoreGlobalLimit: boolean;
  /** What has to be there before connections are taken. */
  readonly pending: readonly InitTarget[];
}

const DIRECTIONS: Readonly<Record<TrafficDirection, ListenerFacts['direction']>> = {
  [TrafficDirection.UNSPECIFIED]: 'unspecified',
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

/**
 * Compiles a listener. Chains that are byte for byte what they were in `previous` are taken over, with their
 * connections, as long as the sockets stay; everything else is made anew.
 */
export function compileListener(
  proto: ListenerProto,
  environment: ListenerEnvironment,
  previous: ListenerConfig | undefined,
  errors: ConfigErrors,
): ListenerConfig | undefined {
  checkSupported(ListenerSchema, proto, SUPPORTED, errors);
  if (errors.any) return undefined;
  const places = placesOf(proto, errors);
  const addresses = places.map(({ address }) => address);
  const statPrefix = listenerStatPrefix(proto.name, proto.statPrefix, addresses);
  const facts: Omit<ListenerFacts, 'drain'> = {
    name: proto.name,
    statPrefix,
    direction: DIRECTIONS[proto.trafficDirection],
    drainsWhenUnhealthy: proto.drainType === Listener_DrainType.DEFAULT,
    bufferLimit: proto.perConnectionBufferLimitBytes ?? 1024 * 1024,
    metadata: metadataOf(proto.metadata),
  };
  const pending: InitTarget[] = [];
  const sockets: SocketsConfig = {
    addresses,
    socketOptions: places.map(({ options }) => options),
    multipath: proto.enableMptcp,
    bindToPort: (proto.bindToPort ?? true) && (proto.deprecatedV1?.bindToPort ?? true),
    transparent: proto.transparent ?? false,
  };
  // With other sockets it is another listener, and all of the one before drains.
  const known = new Map(previous && sameSockets(previous, sockets) ? previous.chains.map((c) => [c.key, c]) : []);
  const prefix = JSON.stringify([facts.direction, facts.bufferLimit, statPrefix]);
  const build = (chain: FilterChainProto, at: ConfigErrors) =>
    compileChain(chain, prefix, statPrefix, facts, environment, known, pending, at);
  const chains = proto.filterChains.map((chain, i) => build(chain, errors.at('filter_chains').at(i)));
  const defaultChain = proto.defaultFilterChain && build(proto.defaultFilterChain, errors.at('default_filter_chain'));
  const matcher = new FilterChainMatcher(
    proto.filterChains.map((chain, i) => ({ match: chain.filterChainMatch, chain: chains[i] })),
    errors,
  );
  const filters = compileListenerFilters(
    proto.listenerFilters,
    {
      stats: environment.worker.stats,
      extensions: environment.extensions,
      waitFor: (target) => pending.push(target),
    },
    errors.at('listener_filters'),
  );
  const accessLogs = environment.buildAccessLogs(proto.accessLog, errors.at('access_log'));
  const all = defaultChain ? [...chains, defaultChain] : chains;
  if (errors.any) {
    for (const chain of all) if (!known.has(chain.key)) disposeChain(chain);
    filters.dispose();
    return undefined;
  }
  return {
    name: proto.name,
    statPrefix,
    ...sockets,
    useOriginalDst: proto.useOriginalDst ?? false,
    filters,
    filtersTimeoutMs: durationMs(proto.listenerFiltersTimeout, 15_000),
    continueOnTimeout: proto.continueOnListenerFiltersTimeout,
    bufferLimit: facts.bufferLimit,
    direction: facts.direction,
    chains: all,
    matcher,
    defaultChain,
    accessLogs,
    backlog: proto.tcpBacklogSize ?? 511,
    ignoreGlobalLimit: proto.ignoreGlobalConnLimit,
    pending,
  };
}

/** Where it listens, and what the sockets there are told. */
function placesOf(
  proto: ListenerProto,
  errors: ConfigErrors,
): { readonly address: SocketAddress; readonly options: readonly SocketOption[] }[] {
  const common = socketOptions(proto.socketOptions, errors.at('socket_options'));
  const fastOpen: SocketOption[] =
    proto.tcpFastOpenQueueLength === undefined ? [] : [fastOpenQueue(proto.tcpFastOpenQueueLength)];
  const all = [
    { proto: proto.address, own: undefined },
    ...proto.additionalAddresses.map(({ address, socketOptions: own }) => ({ proto: address, own })),
  ];
  return all.flatMap(({ proto: address, own }, i) => {
    const at = socketAddress(address, errors);
    if (at === undefined) return [];
    const override = own && socketOptions(own.socketOptions, errors.at('additional_addresses').at(i - 1));
    if (at.family === 0) {
      const given = (override ?? common).length > 0 || proto.freebind || proto.enableMptcp || fastOpen.length > 0;
      if (given) errors.add('socket_options', 'are not for paths');
      return [{ address: at, options: [] }];
    }
    const free = proto.freebind ? [freebind(at.family)] : [];
    return [{ address: at, options: [...free, ...fastOpen, ...(override ?? common)] }];
  });
}

/** `listener.0.0.0.0_8080.`, or with `stat_prefix` instead of the address. */
function listenerStatPrefix(name: string, own: string, [address]: readonly SocketAddress[]): string {
  return `listener.${(own || (address ? formatAddress(address) : name)).replaceAll(':', '_')}.`;
}

function compileChain(
  proto: FilterChainProto,
  prefix: string,
  statPrefix: string,
  facts: Omit<ListenerFacts, 'drain'>,
  environment: ListenerEnvironment,
  known: ReadonlyMap<string, FilterChain>,
  pending: InitTarget[],
  errors: ConfigErrors,
): FilterChain {
  const key = prefix + Buffer.from(toBinary(FilterChainSchema, proto)).toString('latin1');
  const existing = known.get(key);
  if (existing !== undefined) return existing;
  const drain = new Drain();
  const listener: ListenerFacts = { ...facts, drain };
  const context: NetworkBuildContext = {
    worker: environment.worker,
    clusters: environment.clusters,
    listener,
    readData: readDataSource,
    buildAccessLogs: environment.buildAccessLogs,
    openLog: environment.openLog,
    waitFor: (target) => pending.push(target),
  };
  const filters = proto.filters.flatMap((filter, i) => {
    const at = errors.at('filters').at(i);
    const { name, configType } = filter;
    const compile = (any: Any | undefined, where: ConfigErrors) =>
      environment.networkFilters.compile(name, any, context, where);
    const factory =
      configType.case === 'configDiscovery'
        ? discoverNetworkFilter(
            {
              extensions: environment.extensions,
              name,
              source: configType.value,
              compile,
              waitFor: context.waitFor,
              last: i === proto.filters.length - 1,
            },
            at.at('config_discovery'),
          )
        : compile(configType.value, at);
    return factory ? [factory] : [];
  });
  if (!errors.any && filters.at(-1)?.terminal !== true) {
    errors.add(
      'filters',
      'the last filter must be a terminal one, such as the HTTP connection manager or the TCP proxy',
    );
  }
  if (proto.useProxyProto?.valueOf())
    errors.add('use_proxy_proto', 'is not supported: use the proxy_protocol listener filter');
  const transport = environment.buildTransport(proto.transportSocket, statPrefix, errors.at('transport_socket'));
  if (transport && !transport.settled) pending.push(secretsTarget(transport, environment.worker.timers));
  return {
    name: proto.name,
    key,
    transport,
    transportTimeoutMs: durationMs(proto.transportSocketConnectTimeout, 0),
    filters,
    drain,
  };
}

/** Lets go of what a chain holds: subscriptions and TLS secrets. Its connections are the listener's business. */
export function disposeChain(chain: FilterChain): void {
  for (const filter of chain.filters) filter.dispose?.();
  chain.transport?.close();
}
