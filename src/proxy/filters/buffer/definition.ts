import {
  type BufferPerRoute,
  BufferPerRouteSchema,
  type Buffer as BufferProto,
  BufferSchema,
} from '../../../api/gen/envoy/extensions/filters/http/buffer/v3/buffer_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { BufferFilter } from './filter.ts';

/** Bytes of the longest request, or 0 where the filter is off. */
interface RouteLimit {
  readonly maxBytes: number;
}

function maxBytes(proto: BufferProto | undefined, errors: ConfigErrors): number {
  const bytes = proto?.maxRequestBytes ?? 0;
  if (bytes <= 0) errors.add('max_request_bytes', 'must be more than 0');
  return bytes;
}

export const buffer: HttpFilterDefinition<BufferProto, BufferPerRoute> = {
  name: 'envoy.filters.http.buffer',
  schema: BufferSchema,
  routeSchema: BufferPerRouteSchema,
  supported: {
    'envoy.extensions.filters.http.buffer.v3.Buffer': ['max_request_bytes'],
    'envoy.extensions.filters.http.buffer.v3.BufferPerRoute': ['disabled', 'buffer'],
  },
  compile(config, _context, errors) {
    const own = maxBytes(config, errors);
    return {
      create(callbacks) {
        const most = callbacks.routeConfig<RouteLimit>()?.maxBytes ?? own;
        return most === 0 ? undefined : new BufferFilter(most, callbacks);
      },
    };
  },
  compileRoute({ override }, _context, errors): RouteLimit {
    if (override.case === 'disabled') {
      if (!override.value) errors.add('disabled', 'must be true');
      return { maxBytes: 0 };
    }
    return { maxBytes: maxBytes(override.value, errors.at('buffer')) };
  },
};
