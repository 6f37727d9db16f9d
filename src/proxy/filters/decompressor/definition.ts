import {
  type Decompressor_CommonDirectionConfig as Common,
  type Decompressor,
  DecompressorSchema,
} from '../../../api/gen/envoy/extensions/filters/http/decompressor/v3/decompressor_pb.ts';
import { type RuntimeSource, runtimeFlag } from '../../config/runtime-values.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { type DecompressorConfig, DecompressorFilter, DecompressorStats, type Direction } from './filter.ts';
import { decompressorLibrary } from './libraries.ts';

const V3 = 'envoy.extensions.filters.http.decompressor.v3.Decompressor';

function direction(common: Common | undefined, runtime: RuntimeSource, stats: DecompressorStats): Direction {
  const enabled = runtimeFlag(common?.enabled, true, runtime);
  return {
    get enabled() {
      return enabled.value;
    },
    ignoreNoTransform: common?.ignoreNoTransformHeader ?? false,
    stats,
  };
}

export const decompressor: HttpFilterDefinition<Decompressor> = {
  name: 'envoy.filters.http.decompressor',
  schema: DecompressorSchema,
  supported: {
    [V3]: ['decompressor_library', 'request_direction_config', 'response_direction_config'],
    [`${V3}.CommonDirectionConfig`]: ['enabled', 'ignore_no_transform_header'],
    [`${V3}.RequestDirectionConfig`]: ['common_config', 'advertise_accept_encoding'],
    [`${V3}.ResponseDirectionConfig`]: ['common_config'],
    'envoy.config.core.v3.RuntimeFeatureFlag': ['default_value', 'runtime_key'],
    'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  },
  compile(proto, context, errors) {
    const library = decompressorLibrary(proto.decompressorLibrary, errors.at('decompressor_library'));
    if (library === undefined) return { create: () => undefined };
    const statName = `decompressor.${library.statName}`;
    const { requestDirectionConfig: request, responseDirectionConfig: response } = proto;
    const { flushQueue, runtime } = context.worker;
    const config: DecompressorConfig = {
      library,
      request: direction(request?.commonConfig, runtime, context.stats(`${statName}request.`, DecompressorStats)),
      response: direction(response?.commonConfig, runtime, context.stats(`${statName}response.`, DecompressorStats)),
      advertise: request?.advertiseAcceptEncoding ?? true,
      flushQueue,
    };
    return { create: (callbacks) => new DecompressorFilter(config, callbacks) };
  },
};
