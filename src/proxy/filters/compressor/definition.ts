import {
  type Compressor_CommonDirectionConfig as Common,
  type Compressor,
  type CompressorPerRoute,
  CompressorPerRouteSchema,
  CompressorSchema,
} from '../../../api/gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.ts';
import { type Changing, type RuntimeSource, runtimeFlag } from '../../config/runtime-values.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import type { AcquireStats } from '../../observe/stat-leases.ts';
import { type CompressorConfig, CompressorFilter, type Direction, type RouteCompressor, takesType } from './filter.ts';
import { compressorLibrary } from './libraries.ts';
import { CompressorHeaderStats, CompressorStats } from './stats.ts';

const V3 = 'envoy.extensions.filters.http.compressor.v3';
/** What is compressed where nothing is said about types. */
const CONTENT_TYPES = [
  'application/javascript',
  'application/json',
  'application/xhtml+xml',
  'image/svg+xml',
  'text/css',
  'text/html',
  'text/plain',
  'text/xml',
];
const MIN_BYTES = 30;

function direction(
  common: Pick<Common, 'minContentLength' | 'contentType'> | undefined,
  enabled: Changing<boolean>,
  stats: CompressorStats,
): Direction {
  const types = common?.contentType ?? [];
  return {
    get enabled() {
      return enabled.value;
    },
    minBytes: common?.minContentLength ?? MIN_BYTES,
    contentTypes: new Set((types.length > 0 ? types : CONTENT_TYPES).map((type) => type.toLowerCase())),
    stats,
  };
}

/** The response's settings stand in fields of their own, or in the older ones of the filter itself. */
function responseDirection(
  proto: Compressor,
  runtime: RuntimeSource,
  acquire: AcquireStats,
  statName: string,
): Direction {
  const own = proto.responseDirectionConfig;
  const stats = acquire(`${statName}${own === undefined ? '' : 'response.'}`, CompressorStats);
  const common = own?.commonConfig;
  if (own !== undefined) return direction(common, runtimeFlag(common?.enabled, true, runtime), stats);
  const { contentLength: minContentLength, contentType } = proto;
  return direction({ minContentLength, contentType }, runtimeFlag(proto.runtimeEnabled, true, runtime), stats);
}

export const compressor: HttpFilterDefinition<Compressor, CompressorPerRoute> = {
  name: 'envoy.filters.http.compressor',
  schema: CompressorSchema,
  routeSchema: CompressorPerRouteSchema,
  supported: {
    [`${V3}.Compressor`]: [
      'content_length',
      'content_type',
      'disable_on_etag_header',
      'remove_accept_encoding_header',
      'runtime_enabled',
      'compressor_library',
      'request_direction_config',
      'response_direction_config',
      'choose_first',
    ],
    [`${V3}.Compressor.CommonDirectionConfig`]: ['enabled', 'min_content_length', 'content_type'],
    [`${V3}.Compressor.RequestDirectionConfig`]: ['common_config'],
    [`${V3}.Compressor.ResponseDirectionConfig`]: [
      'common_config',
      'disable_on_etag_header',
      'remove_accept_encoding_header',
    ],
    [`${V3}.CompressorPerRoute`]: ['disabled', 'overrides'],
    [`${V3}.CompressorOverrides`]: ['response_direction_config'],
    [`${V3}.ResponseDirectionOverrides`]: ['remove_accept_encoding_header'],
    'envoy.config.core.v3.RuntimeFeatureFlag': ['default_value', 'runtime_key'],
    'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  },
  compile(proto, context, errors) {
    const library = compressorLibrary(proto.compressorLibrary, errors.at('compressor_library'));
    if (library === undefined) return { create: () => undefined };
    const statName = `compressor.${library.statName}`;
    const { flushQueue, runtime } = context.worker;
    const response = responseDirection(proto, runtime, context.stats, statName);
    const requestConfig = proto.requestDirectionConfig?.commonConfig;
    const own = proto.responseDirectionConfig;
    const config: CompressorConfig = {
      library,
      offer: {
        coding: library.coding,
        first: proto.chooseFirst,
        takes: (type) => takesType(response.contentTypes, type),
      },
      request: direction(
        requestConfig,
        runtimeFlag(requestConfig?.enabled, false, runtime),
        context.stats(`${statName}request.`, CompressorStats),
      ),
      response,
      disableOnEtag: own?.disableOnEtagHeader ?? proto.disableOnEtagHeader,
      removeAcceptEncoding: own?.removeAcceptEncodingHeader ?? proto.removeAcceptEncodingHeader,
      headerStats: context.stats(statName, CompressorHeaderStats),
      flushQueue,
    };
    return {
      create: (callbacks) => new CompressorFilter(config, callbacks.routeConfig<RouteCompressor>(), callbacks),
    };
  },
  compileRoute({ override }, _context, errors): RouteCompressor {
    if (override.case === 'disabled' && !override.value) errors.add('disabled', 'must be true');
    const response = override.case === 'overrides' ? override.value.responseDirectionConfig : undefined;
    return {
      disabled: override.case === 'disabled',
      response: response !== undefined,
      removeAcceptEncoding: response?.removeAcceptEncodingHeader,
    };
  },
};
