import { create } from '@bufbuild/protobuf';
import {
  Http2ProtocolOptionsSchema,
  HttpProtocolOptionsSchema,
  HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores,
} from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  type HttpConnectionManager,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { ConnectionSettings } from '../../config/kinds/mesh-config/proxy-schema.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';

/** What Envoy recommends for proxies at the edge (profile EDGE); gateways take it where nothing else is said. */
const EDGE: ConnectionSettings = {
  listenerPerConnectionBufferLimitBytes: 32_768,
  httpIdleTimeout: 3_600_000,
  httpStreamIdleTimeout: 300_000,
  httpRequestTimeout: 300_000,
  httpRequestHeadersTimeout: 60_000,
  httpMaxConcurrentStreams: 100,
  http2InitialStreamWindowSize: 65_536,
  http2InitialConnectionWindowSize: 1_048_576,
  httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
  httpMergeSlashes: true,
  httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
};

/** `connectionSettings` of the proxy or of the mesh; the profile EDGE of a gateway fills in what they do not say. */
export function connectionSettings(proxy: ProxyView): ConnectionSettings | undefined {
  const own = proxy.config.connectionSettings ?? proxy.mesh.defaultConfig.connectionSettings;
  if (own?.profile !== 'EDGE' || proxy.isSidecar) return own;
  const said = Object.entries(own).filter(([, value]) => value !== undefined && !String(value).endsWith('UNSPECIFIED'));
  return { ...EDGE, ...Object.fromEntries(said) };
}

const UNDERSCORES = {
  HEADERS_WITH_UNDERSCORES_ALLOW: Underscores.ALLOW,
  HEADERS_WITH_UNDERSCORES_REJECT_REQUEST: Underscores.REJECT_REQUEST,
  HEADERS_WITH_UNDERSCORES_DROP_HEADER: Underscores.DROP_HEADER,
} as const;

const ESCAPED_SLASHES = {
  KEEP_UNCHANGED: EscapedSlashes.KEEP_UNCHANGED,
  REJECT_REQUEST: EscapedSlashes.REJECT_REQUEST,
  UNESCAPE_AND_REDIRECT: EscapedSlashes.UNESCAPE_AND_REDIRECT,
  UNESCAPE_AND_FORWARD: EscapedSlashes.UNESCAPE_AND_FORWARD,
} as const;

/** Limits and times of downstream connections (ProxyConfig `connectionSettings`), over everything else. */
export function applyConnectionSettings(proxy: ProxyView, manager: HttpConnectionManager): void {
  const settings = connectionSettings(proxy);
  if (settings === undefined) return;
  const { httpStreamIdleTimeout, httpRequestTimeout, httpRequestHeadersTimeout, httpDrainTimeout } = settings;
  if (httpStreamIdleTimeout !== undefined) manager.streamIdleTimeout = duration(httpStreamIdleTimeout);
  if (httpRequestTimeout !== undefined) manager.requestTimeout = duration(httpRequestTimeout);
  if (httpRequestHeadersTimeout !== undefined) manager.requestHeadersTimeout = duration(httpRequestHeadersTimeout);
  if (httpDrainTimeout !== undefined) manager.drainTimeout = duration(httpDrainTimeout);
  applyCommon(settings, manager);
  applyHttp2(settings, manager);
  if (settings.httpMergeSlashes !== undefined) manager.mergeSlashes = settings.httpMergeSlashes;
  const slashes = settings.httpPathWithEscapedSlashesAction;
  if (slashes !== undefined && slashes !== 'PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED') {
    manager.pathWithEscapedSlashesAction = ESCAPED_SLASHES[slashes];
  }
}

function applyCommon(settings: ConnectionSettings, manager: HttpConnectionManager): void {
  const { httpIdleTimeout, httpMaxConnectionDuration, httpMaxStreamDuration } = settings;
  const common = () => (manager.commonHttpProtocolOptions ??= create(HttpProtocolOptionsSchema));
  if (httpIdleTimeout !== undefined) common().idleTimeout = duration(httpIdleTimeout);
  if (httpMaxConnectionDuration !== undefined) common().maxConnectionDuration = duration(httpMaxConnectionDuration);
  if (httpMaxStreamDuration !== undefined) common().maxStreamDuration = duration(httpMaxStreamDuration);
  const underscores = settings.httpHeadersWithUnderscoresAction;
  if (underscores !== undefined && underscores !== 'HEADERS_WITH_UNDERSCORES_UNSPECIFIED') {
    common().headersWithUnderscoresAction = UNDERSCORES[underscores];
  }
}

function applyHttp2(settings: ConnectionSettings, manager: HttpConnectionManager): void {
  const limits = {
    maxConcurrentStreams: settings.httpMaxConcurrentStreams,
    initialStreamWindowSize: settings.http2InitialStreamWindowSize,
    initialConnectionWindowSize: settings.http2InitialConnectionWindowSize,
  };
  const said = Object.entries(limits).filter(([, value]) => value !== undefined);
  if (said.length === 0) return;
  manager.http2ProtocolOptions ??= create(Http2ProtocolOptionsSchema);
  Object.assign(manager.http2ProtocolOptions, Object.fromEntries(said.filter(([, value]) => (value as number) >= 0)));
}
