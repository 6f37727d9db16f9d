import { create, type DescMessage, type JsonObject, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { type AccessLog, AccessLogSchema } from '../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import { ApiVersion } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { FileAccessLogSchema } from '../../api/gen/envoy/extensions/access_loggers/file/v3/file_pb.ts';
import {
  type CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '../../api/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.ts';
import { OpenTelemetryAccessLogConfigSchema } from '../../api/gen/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.ts';
import type { ExtensionProvider } from '../../config/kinds/mesh-config/schema.ts';
import type { Registry } from '../../registry/registry.ts';
import { type ProviderCluster, providerCluster } from '../extension-providers.ts';
import type { Mesh } from '../mesh.ts';
import { filter } from '../proto/any.ts';
import { DEFAULT_TEXT_FORMAT, formattersFor, jsonFormat, textFormat } from './access-log-format.ts';

/** What proxies know of their peers, for log services. */
const PEER_STATE = ['upstream_peer', 'downstream_peer'];
const ALL_PEER_STATE = [
  ...PEER_STATE,
  'wasm.upstream_peer',
  'wasm.upstream_peer_id',
  'wasm.downstream_peer',
  'wasm.downstream_peer_id',
];

/** Cluster of the bootstrap for `defaultConfig.envoyAccessLogService`. */
const ACCESS_LOG_CLUSTER = 'envoy_accesslog_service';
/** The provider that every mesh has: what it leaves open, the mesh says. */
const BUILTIN_PROVIDER = 'envoy';

const HTTP_LOG_NAME = 'http_envoy_accesslog';
const TCP_LOG_NAME = 'tcp_envoy_accesslog';
const LISTENER_LOG_NAME = 'listener_envoy_accesslog';
const OTEL_LOG_NAME = 'otel_envoy_accesslog';

/** The log of a provider; undefined if it is not for logs, or its service is not there. */
export function accessLogOf(mesh: Mesh, registry: Registry, provider: ExtensionProvider): AccessLog | undefined {
  const { envoyFileAccessLog: file, envoyHttpAls: http, envoyTcpAls: tcp, envoyOtelAls: otel } = provider;
  if (file !== undefined) {
    return provider.name === BUILTIN_PROVIDER && file.logFormat === undefined && file.omitEmptyValues !== true
      ? meshAccessLog(mesh, file.path ?? '')
      : fileLog(file.path || '/dev/stdout', formatOf(file));
  }
  if (http !== undefined) {
    const to = providerCluster(registry, http.service, http.port);
    if (to === undefined) return undefined;
    return accessLog('envoy.access_loggers.http_grpc', HttpGrpcAccessLogConfigSchema, {
      commonConfig: common(to, http.logName || HTTP_LOG_NAME, http.filterStateObjectsToLog),
      additionalRequestHeadersToLog: [...(http.additionalRequestHeadersToLog ?? [])],
      additionalResponseHeadersToLog: [...(http.additionalResponseHeadersToLog ?? [])],
      additionalResponseTrailersToLog: [...(http.additionalResponseTrailersToLog ?? [])],
    });
  }
  if (tcp !== undefined) {
    const to = providerCluster(registry, tcp.service, tcp.port);
    if (to === undefined) return undefined;
    return accessLog('envoy.tcp_grpc_access_log', TcpGrpcAccessLogConfigSchema, {
      commonConfig: common(to, tcp.logName || TCP_LOG_NAME, tcp.filterStateObjectsToLog),
    });
  }
  return otel && openTelemetryLog(registry, otel);
}

function accessLog<Desc extends DescMessage>(name: string, schema: Desc, config: MessageInitShape<Desc>): AccessLog {
  return create(AccessLogSchema, filter(name, schema, config));
}

function fileLog(path: string, logFormat: ReturnType<typeof textFormat>): AccessLog {
  return accessLog('envoy.access_loggers.file', FileAccessLogSchema, {
    path,
    accessLogFormat: { case: 'logFormat', value: logFormat },
  });
}

function formatOf({ logFormat, omitEmptyValues = false }: NonNullable<ExtensionProvider['envoyFileAccessLog']>) {
  if (logFormat?.labels !== undefined) return jsonFormat(logFormat.labels as JsonObject, omitEmptyValues);
  return textFormat(logFormat?.text, omitEmptyValues);
}

/** The log of MeshConfig `accessLogFile`, `accessLogFormat` and `accessLogEncoding`. */
export function meshAccessLog({ accessLogFormat, accessLogEncoding }: Mesh, path: string): AccessLog {
  const json = accessLogEncoding === 'JSON';
  return fileLog(path, json ? jsonFormat(parseFields(accessLogFormat), false) : textFormat(accessLogFormat, false));
}

function parseFields(text: string | undefined): JsonObject | undefined {
  if (!text) return undefined;
  try {
    const value: JsonValue = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

type Common = MessageInitShape<typeof CommonGrpcAccessLogConfigSchema>;

function common(to: ProviderCluster, logName: string, state: readonly string[] | undefined): Common {
  return {
    logName,
    grpcService: {
      targetSpecifier: { case: 'envoyGrpc', value: { clusterName: to.cluster, authority: to.hostname } },
    },
    transportApiVersion: ApiVersion.V3,
    filterStateObjectsToLog: [...(state?.length ? state : PEER_STATE)],
  };
}

/** The logs of MeshConfig `enableEnvoyAccessLogService`. */
export function accessLogService(kind: 'http' | 'tcp' | 'listener'): AccessLog {
  const config = (logName: string): Common =>
    common({ cluster: ACCESS_LOG_CLUSTER, hostname: '' }, logName, ALL_PEER_STATE);
  return kind === 'http'
    ? accessLog('envoy.access_loggers.http_grpc', HttpGrpcAccessLogConfigSchema, {
        commonConfig: config(HTTP_LOG_NAME),
      })
    : accessLog('envoy.tcp_grpc_access_log', TcpGrpcAccessLogConfigSchema, {
        commonConfig: config(kind === 'tcp' ? TCP_LOG_NAME : LISTENER_LOG_NAME),
      });
}

function openTelemetryLog(
  registry: Registry,
  { service, port, logName, logFormat }: NonNullable<ExtensionProvider['envoyOtelAls']>,
): AccessLog | undefined {
  const to = providerCluster(registry, service, port);
  if (to === undefined) return undefined;
  const text = logFormat?.text || DEFAULT_TEXT_FORMAT;
  const labels = Object.entries(logFormat?.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const stringValue = (value: unknown) => ({
    value: { case: 'stringValue' as const, value: typeof value === 'string' ? value : '' },
  });
  return accessLog('envoy.access_loggers.open_telemetry', OpenTelemetryAccessLogConfigSchema, {
    commonConfig: common(to, logName || OTEL_LOG_NAME, ALL_PEER_STATE),
    disableBuiltinLabels: true,
    body: stringValue(text),
    ...(labels.length === 0
      ? {}
      : { attributes: { values: labels.map(([key, value]) => ({ key, value: stringValue(value) })) } }),
    formatters: formattersFor([text, ...labels.map(([, value]) => value)]),
  });
}
