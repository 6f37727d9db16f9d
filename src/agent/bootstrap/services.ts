import { isIP } from 'node:net';
import { UserError } from '../../base/errors.ts';
import type { ProxyConfig, RemoteService, TcpKeepalive } from '../environment/proxy-config.ts';
import { type HostPort, parseHostPort } from '../environment/values.ts';
import { HTTP2, oneEndpoint, socketAddress } from './clusters.ts';
import { needsSystemRoots, serviceTls } from './tls.ts';

export interface ServicesOptions {
  readonly proxyConfig: ProxyConfig;
  /** `HOST_IP`, which `$(HOST_IP)` in an address stands for. */
  readonly hostIp: string | undefined;
  readonly lookupFamily: string;
  /** Name of the workload in traces: `node.cluster`. */
  readonly serviceName: string;
  /** File of the roots of this system, where there is one. */
  readonly systemRoots: string | undefined;
}

/** What a bootstrap says of those whom a proxy tells what happens. */
export interface Services {
  readonly clusters: readonly object[];
  /** `tracing` and `stats_sinks`, where there are any. */
  readonly fields: object;
}

const ZIPKIN = 'zipkin';
const DATADOG = 'datadog_agent';
const METRICS = 'envoy_metrics_service';
const ACCESS_LOG = 'envoy_accesslog_service';

/**
 * The collectors of spans, statistics and access logs that the configuration of a proxy names, as pilot-agent's
 * bootstrap has them. istiod names the cluster of access logs, and leaves it to the bootstrap where spans go.
 */
export function services(options: ServicesOptions): Services {
  const { proxyConfig } = options;
  const clusters: object[] = [];
  const sinks: object[] = [];
  const tracing = tracer(options, clusters);
  const { envoyMetricsService, envoyMetricsServiceAddress, envoyAccessLogService, statsdUdpAddress } = proxyConfig;
  const metrics = envoyMetricsService?.address ? envoyMetricsService : { address: envoyMetricsServiceAddress };
  if (metrics.address) {
    clusters.push(grpcCluster(METRICS, 'envoyMetricsService.address', metrics, options));
    sinks.push(
      typed('envoy.stat_sinks.metrics_service', 'envoy.config.metrics.v3.MetricsServiceConfig', {
        transport_api_version: 'V3',
        grpc_service: { envoy_grpc: { cluster_name: METRICS } },
      }),
    );
  }
  if (envoyAccessLogService?.address) {
    clusters.push(grpcCluster(ACCESS_LOG, 'envoyAccessLogService.address', envoyAccessLogService, options));
  }
  if (statsdUdpAddress) {
    const { host, port } = addressOf(statsdUdpAddress, 'statsdUdpAddress', options.hostIp);
    if (isIP(host) === 0)
      throw new UserError(`statsdUdpAddress must be an IP address with a port, not ${statsdUdpAddress}.`);
    sinks.push(
      typed('envoy.stat_sinks.statsd', 'envoy.config.metrics.v3.StatsdSink', {
        address: { socket_address: { address: host, port_value: port } },
      }),
    );
  }
  return {
    clusters,
    fields: { ...(tracing && { tracing: { http: tracing } }), ...(sinks.length > 0 && { stats_sinks: sinks }) },
  };
}

function tracer(options: ServicesOptions, clusters: object[]): object | undefined {
  const { tracing, zipkinAddress } = options.proxyConfig;
  const add = (name: string, field: string, address: string, more: object) => {
    const socket = serviceTls(tracing?.tlsSettings, name, false, options.systemRoots);
    const at = addressOf(address, field, options.hostIp);
    clusters.push(
      remoteCluster(name, at, options.lookupFamily, { ...(socket && { transport_socket: socket }), ...more }),
    );
  };
  const zipkin = tracing?.zipkin?.address || (tracing?.datadog === undefined ? zipkinAddress : undefined);
  if (zipkin) {
    add(ZIPKIN, 'tracing.zipkin.address', zipkin, { dns_refresh_rate: '30s' });
    return typed('envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig', {
      collector_cluster: ZIPKIN,
      collector_endpoint: '/api/v2/spans',
      collector_endpoint_version: 'HTTP_JSON',
      trace_id_128bit: true,
      shared_span_context: false,
    });
  }
  if (tracing?.datadog?.address) {
    add(DATADOG, 'tracing.datadog.address', tracing.datadog.address, {});
    return typed('envoy.tracers.datadog', 'envoy.config.trace.v3.DatadogConfig', {
      collector_cluster: DATADOG,
      service_name: options.serviceName,
    });
  }
  return undefined;
}

function grpcCluster(name: string, field: string, service: RemoteService, options: ServicesOptions): object {
  const socket = serviceTls(service.tlsSettings, name, true, options.systemRoots);
  return remoteCluster(name, addressOf(service.address!, field, options.hostIp), options.lookupFamily, {
    ...(socket && { transport_socket: socket }),
    ...(service.tcpKeepalive && { upstream_connection_options: { tcp_keepalive: keepalive(service.tcpKeepalive) } }),
    typed_extension_protocol_options: HTTP2,
  });
}

function remoteCluster(name: string, { host, port }: HostPort, lookupFamily: string, more: object): object {
  const byName = isIP(host) === 0;
  return {
    name,
    type: byName ? 'STRICT_DNS' : 'STATIC',
    ...(byName && { respect_dns_ttl: true, dns_lookup_family: lookupFamily }),
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: oneEndpoint(name, socketAddress(host, port)),
    ...more,
  };
}

/** Envoy takes whole seconds. */
function keepalive({ probes, time, interval }: TcpKeepalive): object {
  const seconds = (ms: number | undefined) => Math.floor((ms ?? 0) / 1000);
  return {
    ...(probes && { keepalive_probes: probes }),
    ...(seconds(time) > 0 && { keepalive_time: seconds(time) }),
    ...(seconds(interval) > 0 && { keepalive_interval: seconds(interval) }),
  };
}

const HOST_IP = '$(HOST_IP)';

function addressOf(text: string, field: string, hostIp: string | undefined): HostPort {
  if (text.includes(HOST_IP) && hostIp === undefined)
    throw new UserError(`${field} is ${text}, and the environment variable HOST_IP is not set.`);
  const host = hostIp !== undefined && isIP(hostIp) === 6 ? `[${hostIp}]` : (hostIp ?? '');
  const target = parseHostPort(text.replace(HOST_IP, host));
  if (!target) throw new UserError(`${field} must be of the form host:port, not ${JSON.stringify(text)}.`);
  return target;
}

function typed(name: string, type: string, fields: object): object {
  return { name, typed_config: { '@type': `type.googleapis.com/${type}`, ...fields } };
}

/** Whether the services that a configuration names are to be verified with the roots of this system. */
export function servicesNeedSystemRoots({ tracing, envoyMetricsService, envoyAccessLogService }: ProxyConfig): boolean {
  return [tracing, envoyMetricsService, envoyAccessLogService].some((service) =>
    needsSystemRoots(service?.tlsSettings),
  );
}
