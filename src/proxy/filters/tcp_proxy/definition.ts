import {
  type TcpProxy,
  type TcpProxy_TunnelingConfig,
  TcpProxySchema,
} from '../../../api/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts';
import { metadataOf } from '../../cluster/metadata.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { SUPPORTED as ACCESS_LOG } from '../../observe/access-log/build.ts';
import { compileFormat } from '../../observe/format/format.ts';
import { headerEdits } from '../../router/header-edits.ts';
import { SUPPORTED as ROUTE } from '../../router/supported.ts';
import { TcpProxyFilter, TcpProxyStats } from './filter.ts';
import type { TunnelConfig } from './tunnel.ts';

export const tcpProxy: NetworkFilterDefinition<TcpProxy> = {
  name: 'envoy.filters.network.tcp_proxy',
  schema: TcpProxySchema,
  supported: {
    ...ROUTE,
    ...ACCESS_LOG,
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy': [
      'stat_prefix',
      'cluster',
      'weighted_clusters',
      'metadata_match',
      'idle_timeout',
      'access_log',
      'max_connect_attempts',
      'hash_policy',
      'max_downstream_connection_duration',
      'access_log_options',
      'flush_access_log_on_connected',
      'tunneling_config',
    ],
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig': [
      'hostname',
      'use_post',
      'headers_to_add',
      'propagate_response_headers',
      'post_path',
      'propagate_response_trailers',
    ],
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': ['clusters'],
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight': [
      'name',
      'weight',
      'metadata_match',
    ],
    'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions': ['flush_access_log_on_connected'],
    'envoy.type.v3.HashPolicy': ['source_ip', 'filter_state'],
    'envoy.type.v3.HashPolicy.SourceIp': [],
    'envoy.type.v3.HashPolicy.FilterState': ['key'],
  },
  compile(config, context, errors) {
    const lease = context.worker.stats.acquire(`tcp.${config.statPrefix}.`, TcpProxyStats);
    const specifier = config.clusterSpecifier;
    const clusters =
      specifier.case === 'weightedClusters'
        ? specifier.value.clusters.map((c) => ({
            name: c.name,
            weight: c.weight,
            metadataMatch: c.metadataMatch && metadataOf(c.metadataMatch),
          }))
        : [
            {
              name: specifier.value ?? '',
              weight: 1,
              metadataMatch: config.metadataMatch && metadataOf(config.metadataMatch),
            },
          ];
    if (specifier.case === undefined) errors.add('cluster_specifier', 'is needed');
    const [hash] = config.hashPolicy;
    const filterConfig = {
      stats: lease.group,
      clusters,
      idleTimeoutMs: durationMs(config.idleTimeout, 3_600_000),
      maxConnectAttempts: config.maxConnectAttempts ?? 1,
      maxDurationMs: durationMs(config.maxDownstreamConnectionDuration, 0),
      hashSourceIp: hash?.policySpecifier.case === 'sourceIp',
      hashFilterState: hash?.policySpecifier.case === 'filterState' ? hash.policySpecifier.value.key : undefined,
      accessLogs: context.buildAccessLogs(config.accessLog, errors.at('access_log')),
      tunnel: config.tunnelingConfig && tunnelConfig(config.tunnelingConfig, errors.at('tunneling_config')),
    };
    return {
      terminal: true,
      create: (callbacks) => new TcpProxyFilter(filterConfig, callbacks),
      refused({ info }) {
        filterConfig.stats.downstream_cx_total++;
        info.logType = 'TcpConnectionEnd';
        for (const log of filterConfig.accessLogs) log.log(info);
      },
      dispose: () => lease.release(),
    };
  },
};

function tunnelConfig(proto: TcpProxy_TunnelingConfig, errors: ConfigErrors): TunnelConfig | undefined {
  const { usePost, postPath } = proto;
  if (proto.hostname === '') errors.add('hostname', 'must not be empty');
  if (!usePost && postPath !== '') errors.add('post_path', 'can be set with use_post only');
  if (postPath !== '' && !postPath.startsWith('/')) errors.add('post_path', 'must begin with a slash');
  const edits = headerEdits(proto.headersToAdd, [], errors, 'headers');
  try {
    return {
      hostname: compileFormat(proto.hostname),
      postPath: usePost ? postPath || '/' : undefined,
      edits,
      propagateHeaders: proto.propagateResponseHeaders,
      propagateTrailers: proto.propagateResponseTrailers,
    };
  } catch (error) {
    errors.add('hostname', (error as Error).message);
    return undefined;
  }
}
