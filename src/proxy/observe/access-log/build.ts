import { fromBinary, type JsonObject } from '@bufbuild/protobuf';
import type { AccessLog as AccessLogProto } from '../../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import type { SubstitutionFormatString } from '../../../api/gen/envoy/config/core/v3/substitution_format_string_pb.ts';
import { FileAccessLogSchema } from '../../../api/gen/envoy/extensions/access_loggers/file/v3/file_pb.ts';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../../api/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import { readDataSource } from '../../config/data-source.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported, type SupportTable } from '../../config/supported.ts';
import { compileFormat } from '../format/format.ts';
import { compileJsonFormat } from '../format/json-format.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { AccessLog } from './access-log.ts';
import type { LogCollectors } from './collectors.ts';
import type { FileSinks } from './file-sink.ts';
import { type LogFilterContext, logFilter } from './log-filter.ts';

/** Fields of access logs that are honoured. */
export const SUPPORTED: SupportTable = {
  'envoy.config.accesslog.v3.AccessLog': ['name', 'filter', 'typed_config'],
  'envoy.config.accesslog.v3.AccessLogFilter': [
    'status_code_filter',
    'duration_filter',
    'not_health_check_filter',
    'traceable_filter',
    'runtime_filter',
    'and_filter',
    'or_filter',
    'header_filter',
    'response_flag_filter',
    'grpc_status_filter',
    'extension_filter',
    'metadata_filter',
    'log_type_filter',
  ],
  'envoy.config.accesslog.v3.StatusCodeFilter': ['comparison'],
  'envoy.config.accesslog.v3.DurationFilter': ['comparison'],
  'envoy.config.accesslog.v3.ComparisonFilter': ['op', 'value'],
  'envoy.config.accesslog.v3.NotHealthCheckFilter': [],
  'envoy.config.accesslog.v3.TraceableFilter': [],
  'envoy.config.accesslog.v3.RuntimeFilter': ['runtime_key', 'percent_sampled', 'use_independent_randomness'],
  'envoy.config.accesslog.v3.AndFilter': ['filters'],
  'envoy.config.accesslog.v3.OrFilter': ['filters'],
  'envoy.config.accesslog.v3.HeaderFilter': ['header'],
  'envoy.config.accesslog.v3.ResponseFlagFilter': ['flags'],
  'envoy.config.accesslog.v3.GrpcStatusFilter': ['statuses', 'exclude'],
  'envoy.config.accesslog.v3.MetadataFilter': ['matcher', 'match_if_key_not_found'],
  'envoy.config.accesslog.v3.LogTypeFilter': ['types', 'exclude'],
  'envoy.config.accesslog.v3.ExtensionFilter': ['name', 'typed_config'],
  'envoy.config.core.v3.RuntimeUInt32': ['default_value', 'runtime_key'],
  'envoy.config.core.v3.SubstitutionFormatString': [
    'text_format',
    'json_format',
    'text_format_source',
    'omit_empty_values',
    'content_type',
    'json_format_options',
    'formatters',
  ],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  'envoy.config.core.v3.JsonFormatOptions': ['sort_properties'],
  'envoy.config.core.v3.DataSource': ['filename', 'inline_string', 'inline_bytes', 'environment_variable'],
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': [
    'path',
    'format',
    'json_format',
    'typed_json_format',
    'log_format',
  ],
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': ['log_format'],
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': ['log_format'],
};

/** Envoy's own default format, for loggers that name none. */
const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Compiles one access logger; undefined if something is wrong with it. */
export function buildAccessLog(
  proto: AccessLogProto,
  context: LogFilterContext & { readonly sinks: FileSinks; readonly collectors: LogCollectors },
  errors: ConfigErrors,
): AccessLog | undefined {
  const any = proto.configType.value;
  if (any === undefined) {
    errors.add('typed_config', 'is needed');
    return undefined;
  }
  const filter = logFilter(proto.filter, context, errors.at('filter'));
  const at = errors.at('typed_config');
  let path: string;
  let format: ((info: StreamInfo) => string) | undefined;
  switch (typeNameOf(any.typeUrl)) {
    case FileAccessLogSchema.typeName: {
      const file = fromBinary(FileAccessLogSchema, any.value);
      checkSupported(FileAccessLogSchema, file, SUPPORTED, at);
      path = file.path;
      const { accessLogFormat } = file;
      if (accessLogFormat.case === 'logFormat') format = lineFormat(accessLogFormat.value, at.at('log_format'));
      else if (accessLogFormat.case === 'format') format = textLine(accessLogFormat.value, false, at.at('format'));
      else if (accessLogFormat.case === undefined) format = textLine(DEFAULT_FORMAT, false, at);
      else format = jsonLine(accessLogFormat.value, false, at.at('json_format'));
      break;
    }
    case StdoutAccessLogSchema.typeName:
    case StderrAccessLogSchema.typeName: {
      const out = typeNameOf(any.typeUrl) === StdoutAccessLogSchema.typeName;
      path = out ? '/dev/stdout' : '/dev/stderr';
      const stream = fromBinary(StdoutAccessLogSchema, any.value);
      checkSupported(StdoutAccessLogSchema, stream, SUPPORTED, at);
      const { value } = stream.accessLogFormat;
      format = value ? lineFormat(value, at.at('log_format')) : textLine(DEFAULT_FORMAT, false, at);
      break;
    }
    default: {
      const collected = context.collectors.compile(typeNameOf(any.typeUrl), any.value, at);
      if (collected === undefined) {
        if (!at.any) at.add('@type', `${any.typeUrl} is not supported`);
        return undefined;
      }
      return {
        log(info) {
          if (filter === undefined || filter(info)) collected(info);
        },
      };
    }
  }
  if (errors.any || format === undefined) return undefined;
  const sink = context.sinks.get(path);
  const line = format;
  return {
    log(info) {
      if (filter === undefined || filter(info)) sink.write(line(info));
    },
  };
}

/** Extensions of formats: `%METADATA(TYPE:NAMESPACE:KEY)%` and `%REQ_WITHOUT_QUERY(X?Y):Z%`. */
const FORMATTERS: ReadonlySet<string> = new Set([
  'envoy.extensions.formatter.metadata.v3.Metadata',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery',
]);

function lineFormat(proto: SubstitutionFormatString, errors: ConfigErrors): ((info: StreamInfo) => string) | undefined {
  const { format, omitEmptyValues } = proto;
  proto.formatters.forEach(({ typedConfig }, i) => {
    // Their operators are always there; they need only be ones that are.
    const name = typeNameOf(typedConfig?.typeUrl ?? '');
    if (!FORMATTERS.has(name)) errors.at('formatters').at(i).add('typed_config', `${name} is not supported`);
  });
  switch (format.case) {
    case 'textFormatSource': {
      const at = errors.at('text_format_source');
      const text = readDataSource(format.value, at)?.toString('utf8');
      return text === undefined ? undefined : textLine(text, omitEmptyValues, at);
    }
    case 'textFormat':
      return textLine(format.value, omitEmptyValues, errors.at('text_format'));
    case 'jsonFormat':
      return jsonLine(format.value, omitEmptyValues, errors.at('json_format'));
  }
  errors.add('', 'a text or JSON format is needed');
  return undefined;
}

function textLine(text: string, omitEmpty: boolean, errors: ConfigErrors): ((info: StreamInfo) => string) | undefined {
  try {
    const format = compileFormat(text);
    const absent = omitEmpty ? '' : '-';
    return (info) => format.render(info, absent);
  } catch (error) {
    errors.add('', (error as Error).message);
    return undefined;
  }
}

function jsonLine(
  struct: JsonObject,
  omitEmpty: boolean,
  errors: ConfigErrors,
): ((info: StreamInfo) => string) | undefined {
  try {
    const render = compileJsonFormat(struct, omitEmpty);
    return (info) => `${render(info)}\n`;
  } catch (error) {
    errors.add('', (error as Error).message);
    return undefined;
  }
}
