import {
  type AccessLogFilter,
  type ComparisonFilter,
  ComparisonFilter_Op,
  type ExtensionFilter,
  type MetadataFilter,
} from '../../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import { AccessLogType } from '../../../api/gen/envoy/data/accesslog/v3/accesslog_pb.ts';
import {
  type ExpressionFilter,
  ExpressionFilterSchema,
} from '../../../api/gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.ts';
import { streamActivation } from '../../cel/attributes.ts';
import { compileCel, type Program } from '../../cel/compile.ts';
import { CelSyntaxError } from '../../cel/tokens.ts';
import { CelError } from '../../cel/values.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { DENOMINATORS } from '../../config/fraction.ts';
import { type RuntimeSource, runtimeInteger, runtimeNumber } from '../../config/runtime-values.ts';
import { configTypeName, decodeConfig } from '../../config/typed-config.ts';
import type { NodeIdentity } from '../../context.ts';
import { grpcStatusOf } from '../../http/local-reply.ts';
import { headerTest } from '../../router/header-match.ts';
import { metadataTest, valueAt } from '../../router/metadata-match.ts';
import { flagByName } from '../response-flags.ts';
import type { StreamInfo } from '../stream-info.ts';

/** Whether a stream is to be logged. */
export type LogFilter = (info: StreamInfo) => boolean;

/** What filters need to know of the proxy. */
export interface LogFilterContext {
  readonly node: NodeIdentity;
  readonly random: () => number;
  readonly runtime: RuntimeSource;
}

/** `envoy.config.accesslog.v3.AccessLogFilter`. */
export function logFilter(
  proto: AccessLogFilter | undefined,
  context: LogFilterContext,
  errors: ConfigErrors,
): LogFilter | undefined {
  const specifier = proto?.filterSpecifier;
  switch (specifier?.case) {
    case undefined:
      return undefined;
    case 'statusCodeFilter': {
      const compare = comparison(specifier.value.comparison, context.runtime);
      return (info) => compare(info.responseCode);
    }
    case 'durationFilter': {
      const compare = comparison(specifier.value.comparison, context.runtime);
      return (info) => info.end >= 0 && compare(Math.floor(info.end - info.start));
    }
    case 'notHealthCheckFilter':
      return (info) => !info.healthCheck;
    case 'traceableFilter':
      return (info) => info.traceForced;
    case 'runtimeFilter': {
      const { percentSampled, runtimeKey, useIndependentRandomness } = specifier.value;
      const steps = DENOMINATORS[percentSampled?.denominator ?? 0];
      const limit = runtimeInteger(runtimeKey, percentSampled?.numerator ?? 0, context.runtime);
      return (info) => {
        // The same id has the same fate in every proxy that logs with this share.
        const id = useIndependentRandomness ? undefined : info.requestId?.slice(0, 8);
        const number = id === undefined || !/^[0-9a-f]+$/i.test(id) ? undefined : Number.parseInt(id, 16);
        return (number === undefined ? context.random() * steps : number % steps) < limit.value;
      };
    }
    case 'andFilter': {
      const all = specifier.value.filters.map((f, i) =>
        logFilter(f, context, errors.at('and_filter').at('filters').at(i)),
      );
      return (info) => all.every((filter) => filter === undefined || filter(info));
    }
    case 'orFilter': {
      const any = specifier.value.filters.map((f, i) =>
        logFilter(f, context, errors.at('or_filter').at('filters').at(i)),
      );
      return (info) => any.some((filter) => filter === undefined || filter(info));
    }
    case 'headerFilter': {
      const { header } = specifier.value;
      if (header === undefined) return undefined;
      const test = headerTest(header, errors.at('header_filter').at('header'));
      return (info) => info.requestHeaders !== undefined && test(info.requestHeaders);
    }
    case 'responseFlagFilter': {
      let mask = 0;
      specifier.value.flags.forEach((name, i) => {
        const flag = flagByName(name);
        if (flag === undefined)
          errors.at('response_flag_filter').at('flags').at(i).add('', `${name} is not a response flag`);
        else mask |= flag;
      });
      return mask === 0 ? (info) => info.flags !== 0 : (info) => (info.flags & mask) !== 0;
    }
    case 'grpcStatusFilter': {
      const { statuses, exclude } = specifier.value;
      const wanted = new Set<number>(statuses);
      return (info) => {
        const text = info.responseTrailers?.get('grpc-status') ?? info.responseHeaders?.get('grpc-status');
        return wanted.has(text === undefined ? grpcStatusOf(info.responseCode) : Number(text)) !== exclude;
      };
    }
    case 'metadataFilter':
      return metadataFilter(specifier.value, errors.at('metadata_filter'));
    case 'logTypeFilter': {
      const types = new Set<number>(specifier.value.types);
      const { exclude } = specifier.value;
      return (info) => types.has(AccessLogType[info.logType]) !== exclude;
    }
    case 'extensionFilter':
      return expressionFilter(specifier.value, context.node, errors.at('extension_filter'));
  }
}

/** A CEL expression, which keeps a stream out of the log unless it is true. */
function expressionFilter(proto: ExtensionFilter, node: NodeIdentity, errors: ConfigErrors): LogFilter | undefined {
  const at = errors.at('typed_config');
  const any = proto.configType.value;
  if (any === undefined || configTypeName(any) !== ExpressionFilterSchema.typeName) {
    at.add('', `${any === undefined ? JSON.stringify(proto.name) : configTypeName(any)} is not supported`);
    return undefined;
  }
  const config = decodeConfig(ExpressionFilterSchema, any, at);
  if (config === undefined) return undefined;
  const { expression } = config as ExpressionFilter;
  let program: Program;
  try {
    program = compileCel(expression);
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    at.add('expression', `${JSON.stringify(expression)} is not a CEL expression: ${error.message}`);
    return undefined;
  }
  const activation = streamActivation(node);
  return (info) => {
    try {
      return program(activation(info)) === true;
    } catch (error) {
      if (error instanceof CelError) return false;
      throw error;
    }
  };
}

/** A stream without the key is logged, unless the filter says otherwise. */
function metadataFilter(proto: MetadataFilter, errors: ConfigErrors): LogFilter {
  const { matcher } = proto;
  const missing = proto.matchIfKeyNotFound ?? true;
  if (matcher === undefined) return () => missing;
  const keys = matcher.path.map((segment) => segment.segment.value ?? '');
  const test = metadataTest({ ...matcher, invert: false }, errors.at('matcher'));
  return (info) => {
    const metadata = info.dynamicMetadata;
    return valueAt(metadata?.get(matcher.filter), keys) === undefined ? missing : test(metadata);
  };
}

function comparison(proto: ComparisonFilter | undefined, runtime: RuntimeSource): (value: number) => boolean {
  const limit = runtimeNumber(proto?.value, 0, runtime);
  switch (proto?.op) {
    case ComparisonFilter_Op.GE:
      return (value) => value >= limit.value;
    case ComparisonFilter_Op.LE:
      return (value) => value <= limit.value;
    case ComparisonFilter_Op.NE:
      return (value) => value !== limit.value;
    default:
      return (value) => value === limit.value;
  }
}
