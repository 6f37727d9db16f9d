import {
  type GrpcJsonTranscoder,
  GrpcJsonTranscoderSchema,
} from '../../../api/gen/envoy/extensions/filters/http/grpc_json_transcoder/v3/transcoder_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { TranscoderFilter } from './filter.ts';
import { compileTranscoder, type Transcoder } from './transcoder.ts';

const V3 = 'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder';

/** What a route says: another transcoder, or none. */
interface RouteTranscoder {
  readonly transcoder: Transcoder | undefined;
}

export const grpcJsonTranscoder: HttpFilterDefinition<GrpcJsonTranscoder, GrpcJsonTranscoder> = {
  name: 'envoy.filters.http.grpc_json_transcoder',
  schema: GrpcJsonTranscoderSchema,
  routeSchema: GrpcJsonTranscoderSchema,
  supported: {
    [V3]: [
      'proto_descriptor',
      'proto_descriptor_bin',
      'services',
      'print_options',
      'match_incoming_request_route',
      'ignored_query_parameters',
      'auto_mapping',
      'ignore_unknown_query_parameters',
      'convert_grpc_status',
      'url_unescape_spec',
      'query_param_unescape_plus',
      'match_unregistered_custom_verb',
      'request_validation_options',
      'case_insensitive_enum_parsing',
      'max_request_body_size',
      'max_response_body_size',
    ],
    [`${V3}.PrintOptions`]: [
      'add_whitespace',
      'always_print_primitive_fields',
      'always_print_enums_as_ints',
      'preserve_proto_field_names',
      'stream_newline_delimited',
    ],
    [`${V3}.RequestValidationOptions`]: [
      'reject_unknown_method',
      'reject_unknown_query_parameters',
      'reject_binding_body_field_collisions',
    ],
  },
  compile(config, context, errors) {
    const own = compileTranscoder(config, context, errors);
    return {
      create(callbacks) {
        const route = callbacks.routeConfig<RouteTranscoder>();
        const transcoder = route === undefined ? own : route.transcoder;
        if (transcoder === undefined) return undefined;
        return new TranscoderFilter(transcoder, callbacks.route?.bufferLimit ?? context.bufferLimit, callbacks);
      },
    };
  },
  compileRoute: (config, context, errors): RouteTranscoder => ({
    transcoder: compileTranscoder(config, context, errors),
  }),
};
