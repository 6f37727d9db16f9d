import { fromBinary, type Message } from '@bufbuild/protobuf';
import type {
  HealthCheck,
  HealthCheck_HttpHealthCheck,
  HealthCheck_Payload,
} from '../../../api/gen/envoy/config/core/v3/health_check_pb.ts';
import { CodecClientType } from '../../../api/gen/envoy/type/v3/http_pb.ts';
import { schemaOf, typeNameOf } from '../../../api/registry.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { type HeaderEdits, headerEdits } from '../../router/header-edits.ts';
import { type StringTest, stringTest } from '../../router/string-match.ts';

/** `health_checks` of a cluster, with Envoy's defaults filled in. Times in milliseconds. */
export interface HealthCheckConfig {
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Port instead of the endpoint's; 0 for none. */
  readonly altPort: number;
  readonly reuseConnection: boolean;
  readonly eventLogPaths: readonly string[];
  readonly alwaysLogFailures: boolean;
  readonly alwaysLogSuccess: boolean;
  readonly alpn: readonly string[] | undefined;
  /** Labels by which the transport socket is chosen instead of the host's metadata. */
  readonly transportMatch: Readonly<Record<string, unknown>> | undefined;
  readonly check: HttpCheckConfig | TcpCheckConfig | GrpcCheckConfig;
}

export interface HttpCheckConfig {
  readonly kind: 'HTTP';
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly http2: boolean;
  readonly body: Buffer | undefined;
  /** What the body of the answer has to contain, in order. */
  readonly expect: readonly Buffer[];
  /** How much of the body is looked at, in bytes. */
  readonly bufferSize: number;
  readonly headers: HeaderEdits | undefined;
  readonly expectedStatuses: readonly StatusRange[];
  readonly retriableStatuses: readonly StatusRange[];
  readonly serviceName: StringTest | undefined;
}

export interface TcpCheckConfig {
  readonly kind: 'TCP';
  readonly send: Buffer | undefined;
  readonly expect: readonly Buffer[];
}

export interface GrpcCheckConfig {
  readonly kind: 'GRPC';
  readonly serviceName: string;
  readonly authority: string;
  readonly metadata: HeaderEdits | undefined;
}

/** Statuses from the first to before the second. */
export type StatusRange = readonly [start: number, end: number];

const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const FILE_SINK = 'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';

/** Reads one `health_checks` entry; undefined if it is of a kind that is not supported, which is in the errors then. */
export function healthCheckConfig(proto: HealthCheck, errors: ConfigErrors): HealthCheckConfig | undefined {
  const positive = (field: string, duration: Parameters<typeof durationMs>[0], otherwise: number) => {
    const ms = durationMs(duration, otherwise);
    if (ms <= 0) errors.add(field, duration === undefined ? 'is needed' : 'must be above 0');
    return ms;
  };
  const timeoutMs = positive('timeout', proto.timeout, 0);
  const intervalMs = positive('interval', proto.interval, 0);
  if (proto.unhealthyThreshold === undefined) errors.add('unhealthy_threshold', 'is needed');
  if (proto.healthyThreshold === undefined) errors.add('healthy_threshold', 'is needed');
  const noTrafficIntervalMs = positive('no_traffic_interval', proto.noTrafficInterval, 60_000);
  const unhealthyIntervalMs = positive('unhealthy_interval', proto.unhealthyInterval, intervalMs);
  const check = checkOf(proto, errors);
  return (
    check && {
      timeoutMs,
      intervalMs,
      initialJitterMs: durationMs(proto.initialJitter, 0),
      intervalJitterMs: durationMs(proto.intervalJitter, 0),
      intervalJitterPercent: proto.intervalJitterPercent,
      noTrafficIntervalMs,
      noTrafficHealthyIntervalMs: positive(
        'no_traffic_healthy_interval',
        proto.noTrafficHealthyInterval,
        noTrafficIntervalMs,
      ),
      unhealthyIntervalMs,
      unhealthyEdgeIntervalMs: positive('unhealthy_edge_interval', proto.unhealthyEdgeInterval, unhealthyIntervalMs),
      healthyEdgeIntervalMs: positive('healthy_edge_interval', proto.healthyEdgeInterval, intervalMs),
      unhealthyThreshold: proto.unhealthyThreshold ?? 1,
      healthyThreshold: proto.healthyThreshold ?? 1,
      altPort: proto.altPort ?? 0,
      reuseConnection: proto.reuseConnection ?? true,
      eventLogPaths: eventLogPaths(proto, errors),
      alwaysLogFailures: proto.alwaysLogHealthCheckFailures,
      alwaysLogSuccess: proto.alwaysLogHealthCheckSuccess,
      alpn: proto.tlsOptions?.alpnProtocols.length ? proto.tlsOptions.alpnProtocols : undefined,
      transportMatch: proto.transportSocketMatchCriteria,
      check,
    }
  );
}

function checkOf(proto: HealthCheck, errors: ConfigErrors): HealthCheckConfig['check'] | undefined {
  const { healthChecker } = proto;
  switch (healthChecker.case) {
    case 'httpHealthCheck':
      return httpCheck(healthChecker.value, errors.at('http_health_check'));
    case 'tcpHealthCheck': {
      const at = errors.at('tcp_health_check');
      const { send, receive } = healthChecker.value;
      return { kind: 'TCP', send: payload(send, at.at('send')), expect: payloads(receive, at.at('receive')) };
    }
    case 'grpcHealthCheck': {
      const { serviceName, authority, initialMetadata } = healthChecker.value;
      const metadata = headerEdits(initialMetadata, [], errors.at('grpc_health_check'), 'initial_metadata');
      return { kind: 'GRPC', serviceName, authority, metadata };
    }
    case 'customHealthCheck':
      errors.add('custom_health_check', `${healthChecker.value.name} is not supported`);
      return undefined;
    default:
      errors.add('health_checker', 'is needed: http_health_check, tcp_health_check or grpc_health_check');
      return undefined;
  }
}

function httpCheck(proto: HealthCheck_HttpHealthCheck, errors: ConfigErrors): HttpCheckConfig {
  if (proto.path === '') errors.add('path', 'must not be empty');
  const method = METHODS[proto.method] ?? 'GET';
  if (method === 'CONNECT') errors.add('method', 'CONNECT is not possible');
  const body = payload(proto.send, errors.at('send'));
  if (body && !['POST', 'PUT', 'PATCH', 'OPTIONS'].includes(method)) {
    errors.add('send', 'a payload needs the method POST, PUT, PATCH or OPTIONS');
  }
  if (proto.codecClientType === CodecClientType.HTTP3) errors.add('codec_client_type', 'HTTP3 is not supported');
  const ranges = (field: string, list: HealthCheck_HttpHealthCheck['expectedStatuses']) =>
    list.map(({ start, end }, i): StatusRange => {
      const range: StatusRange = [Number(start), Number(end)];
      if (range[0] < 100 || range[1] > 600 || range[0] >= range[1]) {
        errors.at(field).at(i).add('', 'must be within 100 and 600, and not be empty');
      }
      return range;
    });
  const expected = ranges('expected_statuses', proto.expectedStatuses);
  return {
    kind: 'HTTP',
    host: proto.host,
    path: proto.path,
    method,
    http2: proto.codecClientType === CodecClientType.HTTP2,
    body,
    expect: payloads(proto.receive, errors.at('receive')),
    bufferSize: Number(proto.responseBufferSize ?? 1024),
    headers: headerEdits(proto.requestHeadersToAdd, proto.requestHeadersToRemove, errors, 'request_headers'),
    expectedStatuses: expected.length > 0 ? expected : [[200, 201]],
    retriableStatuses: ranges('retriable_statuses', proto.retriableStatuses),
    serviceName: proto.serviceNameMatcher && stringTest(proto.serviceNameMatcher, errors.at('service_name_matcher')),
  };
}

function payload(proto: HealthCheck_Payload | undefined, errors: ConfigErrors): Buffer | undefined {
  const given = proto?.payload;
  if (given?.case === 'text') {
    if (!/^([0-9a-fA-F]{2})+$/.test(given.value)) errors.add('text', 'must be bytes in hexadecimal form');
    return Buffer.from(given.value, 'hex');
  }
  return given?.case === 'binary' ? Buffer.from(given.value) : undefined;
}

function payloads(protos: readonly HealthCheck_Payload[], errors: ConfigErrors): Buffer[] {
  return protos.flatMap((proto, i) => payload(proto, errors.at(i)) ?? []);
}

function eventLogPaths(proto: HealthCheck, errors: ConfigErrors): string[] {
  const paths = proto.eventLogPath === '' ? [] : [proto.eventLogPath];
  proto.eventLogger.forEach(({ typedConfig, name }, i) => {
    const at = errors.at('event_logger').at(i);
    const schema = typedConfig && typeNameOf(typedConfig.typeUrl) === FILE_SINK ? schemaOf(FILE_SINK) : undefined;
    if (schema === undefined) at.add('typed_config', `${typedConfig?.typeUrl || name} is not supported`);
    else {
      const { eventLogPath } = fromBinary(schema, typedConfig!.value) as Message & { eventLogPath: string };
      if (eventLogPath === '') at.add('typed_config.event_log_path', 'must not be empty');
      else paths.push(eventLogPath);
    }
  });
  return paths;
}
