import { type GrpcWeb, GrpcWebSchema } from '../../../api/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.ts';
import type { HttpFilterDefinition } from '../../http/filter.ts';
import { GrpcWebFilter } from './filter.ts';

export const grpcWeb: HttpFilterDefinition<GrpcWeb> = {
  name: 'envoy.filters.http.grpc_web',
  schema: GrpcWebSchema,
  supported: { 'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb': [] },
  compile: () => ({ create: (callbacks) => new GrpcWebFilter(callbacks) }),
};
