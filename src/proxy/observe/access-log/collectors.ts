import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Node, NodeSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type CommonGrpcAccessLogConfig,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '../../../api/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.ts';
import { OpenTelemetryAccessLogConfigSchema } from '../../../api/gen/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.ts';
import { StreamAccessLogsMessage_IdentifierSchema } from '../../../api/gen/envoy/service/accesslog/v3/als_pb.ts';
import { encodeLogsRequest } from '../../../telemetry/otlp/encode.ts';
import type { GrpcCall } from '../../../wire/grpc/transport.ts';
import type { ClusterSource } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported } from '../../config/supported.ts';
import { durationMs } from '../../config/values.ts';
import type { WorkerContext } from '../../context.ts';
import { ClusterGrpcTransport } from '../../grpc/cluster-transport.ts';
import type { StreamInfo } from '../stream-info.ts';
import { customTags } from '../tracing/custom-tags.ts';
import { COLLECTED as SUPPORTED } from './collected.ts';
import { LogBuffer, LogCollectorStats } from './log-buffer.ts';
import { type EntryContents, httpEntry, tcpEntry } from './log-entry.ts';
import { openTelemetryRecord, openTelemetryResource } from './open-telemetry-log.ts';

const STREAM = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';
const EXPORT = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const DEFAULT_BUFFER_BYTES = 16_384;
const DEFAULT_INTERVAL_MS = 1000;
/** Bytes that may wait for a collector on a connection. */
const MAX_BEHIND = 1024 * 1024;
/** Calls of a collector that may be under way. */
const MAX_CALLS = 16;
/** `StreamAccessLogsMessage`: identifier, http_logs and tcp_logs; the entries are field 1 of the last two. */
const IDENTIFIER_FIELD = 1;
const HTTP_FIELD = 2;
const TCP_FIELD = 3;

/** Writes the account of a stream to a collector. */
export type CollectorLog = (info: StreamInfo) => void;

/** What access logs need to reach their collectors. */
export interface LogCollectorContext {
  readonly worker: WorkerContext;
  readonly clusters: ClusterSource;
  /** Who this proxy is, as it tells collectors. */
  readonly node: () => Node;
}

/** The access loggers of a proxy that send to collectors. Those that are configured alike share a stream. */
export class LogCollectors {
  readonly #context: LogCollectorContext;
  readonly #buffers = new Map<string, LogBuffer>();

  constructor(context: LogCollectorContext) {
    this.#context = context;
  }

  /** Compiles a logger of these types; undefined if it is of another, or something is wrong with it. */
  compile(typeName: string, bytes: Uint8Array, errors: ConfigErrors): CollectorLog | undefined {
    switch (typeName) {
      case HttpGrpcAccessLogConfigSchema.typeName: {
        const proto = fromBinary(HttpGrpcAccessLogConfigSchema, bytes);
        checkSupported(HttpGrpcAccessLogConfigSchema, proto, SUPPORTED, errors);
        const lower = (names: readonly string[]) => names.map((name) => name.toLowerCase());
        return this.#stream(proto.commonConfig, HTTP_FIELD, httpEntry, errors, {
          requestHeaders: lower(proto.additionalRequestHeadersToLog),
          responseHeaders: lower(proto.additionalResponseHeadersToLog),
          responseTrailers: lower(proto.additionalResponseTrailersToLog),
        });
      }
      case TcpGrpcAccessLogConfigSchema.typeName: {
        const proto = fromBinary(TcpGrpcAccessLogConfigSchema, bytes);
        checkSupported(TcpGrpcAccessLogConfigSchema, proto, SUPPORTED, errors);
        const none = { requestHeaders: [], responseHeaders: [], responseTrailers: [] };
        return this.#stream(proto.commonConfig, TCP_FIELD, tcpEntry, errors, none);
      }
      case OpenTelemetryAccessLogConfigSchema.typeName:
        return this.#openTelemetry(bytes, errors);
      default:
        return undefined;
    }
  }

  #stream(
    common: CommonGrpcAccessLogConfig | undefined,
    field: number,
    encode: (info: StreamInfo, contents: EntryContents) => Uint8Array,
    errors: ConfigErrors,
    headers: Pick<EntryContents, 'requestHeaders' | 'responseHeaders' | 'responseTrailers'>,
  ): CollectorLog | undefined {
    const at = errors.at('common_config');
    const transport = this.#transport(common, at);
    const contents = {
      ...headers,
      filterState: common?.filterStateObjectsToLog ?? [],
      tags: customTags(common?.customTags ?? [], at.at('custom_tags')),
    };
    if (common === undefined || transport === undefined || errors.any) return undefined;
    const { clusterName } = transport;
    const buffer = this.#buffer(`${field} ${common.logName} ${clusterName}`, common, 'grpc_access_log.', (stats) => {
      let call: GrpcCall | undefined;
      return (entries) => {
        if (call !== undefined && call.bufferedBytes > MAX_BEHIND) return false;
        const writer = new BinaryWriter();
        if (call === undefined) {
          const opened = transport.open(STREAM, () => {
            if (call === opened) call = undefined;
          });
          call = opened;
          writer.tag(IDENTIFIER_FIELD, WireType.LengthDelimited).bytes(this.#identifier(common.logName));
        }
        writer.tag(field, WireType.LengthDelimited).fork();
        for (const entry of entries) writer.tag(1, WireType.LengthDelimited).bytes(entry);
        call.send(writer.join().finish());
        stats.grpc_entries_flushed += entries.length;
        return true;
      };
    });
    return (info) => buffer.add(encode(info, contents));
  }

  #openTelemetry(bytes: Uint8Array, errors: ConfigErrors): CollectorLog | undefined {
    const proto = fromBinary(OpenTelemetryAccessLogConfigSchema, bytes);
    checkSupported(OpenTelemetryAccessLogConfigSchema, proto, SUPPORTED, errors);
    const common = proto.commonConfig;
    const transport = this.#transport(common, errors.at('common_config'));
    const record = openTelemetryRecord(proto, errors);
    if (common === undefined || transport === undefined || errors.any) return undefined;
    const resource = openTelemetryResource(proto, this.#context.worker.node);
    const key = `otel ${common.logName} ${transport.clusterName} ${Buffer.from(resource).toString('latin1')}`;
    const prefix = `open_telemetry_access_log.${proto.statPrefix}`;
    const buffer = this.#buffer(key, common, prefix, (stats) => {
      let calls = 0;
      return (entries) => {
        if (calls >= MAX_CALLS) return false;
        calls++;
        const call = transport.open(EXPORT, (ok) => {
          calls--;
          if (ok) stats.grpc_entries_flushed += entries.length;
          else stats.grpc_entries_flush_failed += entries.length;
        });
        call.send(encodeLogsRequest(resource, undefined, entries));
        call.end();
        return true;
      };
    });
    return (info) => buffer.add(record(info));
  }

  /** One for all loggers of a key, as in Envoy, whose first configuration counts. */
  #buffer(
    key: string,
    common: CommonGrpcAccessLogConfig,
    statPrefix: string,
    sender: (stats: LogCollectorStats) => (entries: readonly Uint8Array[]) => boolean,
  ): LogBuffer {
    const known = this.#buffers.get(key);
    if (known !== undefined) return known;
    const { worker } = this.#context;
    const stats = worker.stats.acquire(`access_logs.${statPrefix}`, LogCollectorStats).group;
    const buffer = new LogBuffer({
      timers: worker.timers,
      stats,
      maxBytes: common.bufferSizeBytes ?? DEFAULT_BUFFER_BYTES,
      intervalMs: durationMs(common.bufferFlushInterval, DEFAULT_INTERVAL_MS),
      send: sender(stats),
    });
    this.#buffers.set(key, buffer);
    return buffer;
  }

  #transport(common: CommonGrpcAccessLogConfig | undefined, errors: ConfigErrors): Collector | undefined {
    if (common === undefined || common.logName === '') errors.add('log_name', 'must not be empty');
    const target = common?.grpcService?.targetSpecifier;
    if (target?.case !== 'envoyGrpc' || target.value.clusterName === '') {
      errors.add('grpc_service.envoy_grpc.cluster_name', 'is needed');
      return undefined;
    }
    const { clusterName, authority } = target.value;
    const transport = new ClusterGrpcTransport(this.#context.clusters, clusterName, {
      authority: authority || clusterName,
      metadata: common!.grpcService!.initialMetadata.map(({ key, value }) => [key.toLowerCase(), value] as const),
    });
    return {
      clusterName,
      open: (path, onEnd) => transport.call(path, [], { onMessage() {}, onEnd: ({ code }) => onEnd(code === 0) }),
    };
  }

  #identifier(logName: string): Uint8Array {
    const node = fromBinary(NodeSchema, toBinary(NodeSchema, this.#context.node()));
    const schema = StreamAccessLogsMessage_IdentifierSchema;
    return toBinary(schema, create(schema, { logName, node }));
  }

  /** Sends what waits: the process is to end, or the logs are looked at. */
  flush(): void {
    for (const buffer of this.#buffers.values()) buffer.flush();
  }
}

interface Collector {
  readonly clusterName: string;
  open(path: string, onEnd: (ok: boolean) => void): GrpcCall;
}
