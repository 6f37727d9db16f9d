import type { OpenTelemetryAccessLogConfig } from '../../../api/gen/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.ts';
import type {
  AnyValue as AnyValueProto,
  KeyValueList,
} from '../../../api/gen/opentelemetry/proto/common/v1/common_pb.ts';
import { type AnyValue, encodeLogRecord, encodeResourceOf } from '../../../telemetry/otlp/encode.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { NodeIdentity } from '../../context.ts';
import { compileFormat } from '../format/format.ts';
import type { StreamInfo } from '../stream-info.ts';

type Render = (info: StreamInfo) => AnyValue;

const ABSENT = '-';

/** Makes the log record of a stream: body and attributes are formats, wherever in them there is text. */
export function openTelemetryRecord(
  { body, attributes }: OpenTelemetryAccessLogConfig,
  errors: ConfigErrors,
): (info: StreamInfo) => Uint8Array {
  const renderBody = body && compileValue(body, errors.at('body'));
  const renderAttributes = compilePairs(attributes, errors.at('attributes'));
  return (info) =>
    encodeLogRecord({
      time: BigInt(Math.round(info.startTime * 1000)) * 1000n,
      body: renderBody?.(info),
      attributes: renderAttributes(info),
      traceId: info.traceId.length === 32 ? Buffer.from(info.traceId, 'hex') : undefined,
      spanId: info.trace === undefined ? undefined : Buffer.from(info.trace.span.id, 'hex'),
    });
}

/** Who tells: this proxy, unless it is told not to say so, and what the configuration adds. */
export function openTelemetryResource(
  { commonConfig, disableBuiltinLabels, resourceAttributes }: OpenTelemetryAccessLogConfig,
  node: NodeIdentity,
): Uint8Array {
  const attributes = new Map<string, AnyValue>();
  if (!disableBuiltinLabels) {
    attributes.set('log_name', commonConfig?.logName ?? '');
    attributes.set('zone_name', node.zone);
    attributes.set('cluster_name', node.cluster);
    attributes.set('node_name', node.id);
  }
  for (const { key, value } of resourceAttributes?.values ?? []) attributes.set(key, plain(value));
  return encodeResourceOf(attributes);
}

function plain(value: AnyValueProto | undefined): AnyValue {
  switch (value?.value.case) {
    case 'arrayValue':
      return value.value.value.values.map(plain);
    case 'kvlistValue':
      return new Map(value.value.value.values.map((pair) => [pair.key, plain(pair.value)]));
    case 'stringValue':
      return value.value.value;
    default:
      return '';
  }
}

function compilePairs(
  list: KeyValueList | undefined,
  errors: ConfigErrors,
): (info: StreamInfo) => ReadonlyMap<string, AnyValue> {
  const pairs = (list?.values ?? []).map(
    ({ key, value }, i) => [key, compileValue(value, errors.at('values').at(i).at('value'))] as const,
  );
  return (info) => new Map(pairs.map(([key, render]) => [key, render(info)]));
}

function compileValue(proto: AnyValueProto | undefined, errors: ConfigErrors): Render {
  const value = proto?.value;
  switch (value?.case) {
    case 'arrayValue': {
      const items = value.value.values.map((item, i) =>
        compileValue(item, errors.at('array_value').at('values').at(i)),
      );
      return (info) => items.map((render) => render(info));
    }
    case 'kvlistValue':
      return compilePairs(value.value, errors.at('kvlist_value'));
    case 'stringValue':
      return compileText(value.value, errors.at('string_value'));
    default:
      errors.add('', 'string_value, array_value or kvlist_value is needed');
      return () => '';
  }
}

function compileText(text: string, errors: ConfigErrors): Render {
  try {
    const format = compileFormat(text);
    return (info) => format.render(info, ABSENT);
  } catch (error) {
    errors.add('', (error as Error).message);
    return () => '';
  }
}
