import { create } from '@bufbuild/protobuf';
import { CorsSchema } from '../../api/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts';
import { HTTPFaultSchema } from '../../api/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts';
import { FilterConfigSchema as GrpcStatsSchema } from '../../api/gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.ts';
import { GrpcWebSchema } from '../../api/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.ts';
import { RouterSchema } from '../../api/gen/envoy/extensions/filters/http/router/v3/router_pb.ts';
import { StatefulSessionSchema } from '../../api/gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import {
  FilterConfigSchema as AlpnSchema,
  FilterConfig_Protocol as Protocol,
} from '../../api/gen/istio/envoy/alpn/config_pb.ts';
import { filter } from '../proto/any.ts';
import { STATEFUL_SESSION_FILTER } from '../route/stateful-session.ts';

export const CORS: HttpFilter = create(HttpFilterSchema, filter('envoy.filters.http.cors', CorsSchema, {}));
export const FAULT: HttpFilter = create(HttpFilterSchema, filter('envoy.filters.http.fault', HTTPFaultSchema, {}));
export const GRPC_WEB: HttpFilter = create(HttpFilterSchema, filter('envoy.filters.http.grpc_web', GrpcWebSchema, {}));
export const GRPC_STATS: HttpFilter = create(
  HttpFilterSchema,
  filter('envoy.filters.http.grpc_stats', GrpcStatsSchema, {
    emitFilterState: true,
    perMethodStatSpecifier: { case: 'statsForAllMethods', value: { value: false } },
  }),
);
/** Routes say for which services it does something. */
export const STATEFUL_SESSION: HttpFilter = create(
  HttpFilterSchema,
  filter(STATEFUL_SESSION_FILTER, StatefulSessionSchema, {}),
);

/** Tells the peer inside mutual TLS what the client speaks; others see what they know behind Istio's own names. */
export const ALPN: HttpFilter = create(
  HttpFilterSchema,
  filter('istio.alpn', AlpnSchema, {
    alpnOverride: [
      { upstreamProtocol: Protocol.HTTP10, alpnOverride: ['istio-http/1.0', 'istio', 'http/1.0'] },
      { upstreamProtocol: Protocol.HTTP11, alpnOverride: ['istio-http/1.1', 'istio', 'http/1.1'] },
      { upstreamProtocol: Protocol.HTTP2, alpnOverride: ['istio-h2', 'istio', 'h2'] },
    ],
  }),
);

/** The last filter of every chain; `debugHeaders`: it adds `x-envoy-*`. */
export function routerFilter(debugHeaders: boolean): HttpFilter {
  return create(
    HttpFilterSchema,
    filter('envoy.filters.http.router', RouterSchema, { suppressEnvoyHeaders: !debugHeaders }),
  );
}
