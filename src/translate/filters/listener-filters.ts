import { create } from '@bufbuild/protobuf';
import {
  type ListenerFilter,
  ListenerFilterSchema,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { HttpInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts';
import { OriginalDstSchema } from '../../api/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts';
import { OriginalSrcSchema } from '../../api/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.ts';
import { ProxyProtocolSchema } from '../../api/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
import { TlsInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts';
import { filter } from '../proto/any.ts';

/** Enough for most ClientHellos; Envoy's 64 KiB would be reserved for each connection. */
const INITIAL_READ = 512;
/** Mark of packets that keep the client's address, which iptables knows (TPROXY). */
const ORIGINAL_SRC_MARK = 1337;

/** Reads SNI and ALPN of a ClientHello. */
export function tlsInspector(): ListenerFilter {
  return create(
    ListenerFilterSchema,
    filter('envoy.filters.listener.tls_inspector', TlsInspectorSchema, { initialReadBufferSize: INITIAL_READ }),
  );
}

/** Detects HTTP by its first bytes. */
export function httpInspector(): ListenerFilter {
  return create(ListenerFilterSchema, filter('envoy.filters.listener.http_inspector', HttpInspectorSchema, {}));
}

/** Restores the destination of a redirected connection. */
export function originalDestination(): ListenerFilter {
  return create(ListenerFilterSchema, filter('envoy.filters.listener.original_dst', OriginalDstSchema, {}));
}

/** Connects with the address of the client (TPROXY). */
export function originalSource(): ListenerFilter {
  return create(
    ListenerFilterSchema,
    filter('envoy.filters.listener.original_src', OriginalSrcSchema, { mark: ORIGINAL_SRC_MARK }),
  );
}

/** Reads the header of the PROXY protocol. */
export function proxyProtocol(): ListenerFilter {
  return create(ListenerFilterSchema, filter('envoy.filters.listener.proxy_protocol', ProxyProtocolSchema, {}));
}
