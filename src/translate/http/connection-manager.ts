import { create } from '@bufbuild/protobuf';
import { ApiVersion } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import {
  type Http1ProtocolOptions,
  Http1ProtocolOptionsSchema,
} from '../../api/gen/envoy/config/core/v3/protocol_pb.ts';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import type { RouteConfiguration } from '../../api/gen/envoy/config/route/v3/route_pb.ts';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ForwardClientCertDetails as Forward,
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import { UuidRequestIdConfigSchema } from '../../api/gen/envoy/extensions/request_id/uuid/v3/uuid_pb.ts';
import type { Service } from '../../registry/service.ts';
import { dnsCacheOf, dynamicForwardProxyFilter, unknownHostsCache } from '../dynamic-dns.ts';
import { extensionHttpFilters, type Phase } from '../extension/traffic-extensions.ts';
import { durationOf } from '../features.ts';
import { ALPN, CORS, FAULT, GRPC_STATS, GRPC_WEB, routerFilter, STATEFUL_SESSION } from '../filters/http-filters.ts';
import { httpMetadataExchange } from '../filters/metadata-exchange.ts';
import { filter, pack } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import { forwardOf, type ProxyHeaders, proxyHeaders } from '../proxy-headers.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { authorizationOf } from '../security/authorization.ts';
import { jwtFilter } from '../security/jwt.ts';
import { accessLogs } from '../telemetry/access-log.ts';
import { STATS_FILTER, statsFilters } from '../telemetry/metrics.ts';
import { tracingOf } from '../telemetry/tracing.ts';
import { applyConnectionSettings } from './connection-settings.ts';
import { PRESERVE_CASE } from './header-case.ts';

export const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';

/** What is particular about one HTTP connection manager. */
export interface HttpOptions {
  readonly listenerClass: ListenerClass;
  /** Of the listener, as callers know it. */
  readonly port: number;
  /** Of its statistics, with the semicolon that ends it. */
  readonly statPrefix: string;
  /** Name of the route configuration to ask for, or the configuration itself. */
  readonly routes: string | RouteConfiguration;
  readonly grpcWeb: boolean;
  /** The port says that it is HTTP/2, so its limits can be set. */
  readonly http2: boolean;
  /** It is a forward proxy: requests name their host in the request line. */
  readonly forwardProxy: boolean;
  /** The service that the listener was made for. */
  readonly service?: Service | undefined;
}

/** The network filter of HTTP, with its filters, routes and logs. */
export function httpConnectionManagerFilter(proxy: ProxyView, options: HttpOptions): Filter {
  return create(
    FilterSchema,
    filter(HTTP_CONNECTION_MANAGER, HttpConnectionManagerSchema, httpConnectionManager(proxy, options)),
  );
}

function httpConnectionManager(proxy: ProxyView, options: HttpOptions): HttpConnectionManager {
  const { features, mesh, node } = proxy;
  const { listenerClass, routes } = options;
  const headers = proxyHeaders(proxy.config, listenerClass);
  const { tracing, sampleByRequestId } = tracingOf(proxy, listenerClass);
  const idleTimeout = durationOf(node.idleTimeout);
  const useRemoteAddress =
    listenerClass === 'gateway' ||
    (listenerClass === 'outbound' && !options.forwardProxy && features.sidecarUseRemoteAddress);
  const manager = create(HttpConnectionManagerSchema, {
    statPrefix: options.statPrefix,
    routeSpecifier:
      typeof routes === 'string' ? { case: 'rds', value: rdsOf(routes) } : { case: 'routeConfig', value: routes },
    httpFilters: httpFilters(proxy, options, headers),
    ...(tracing === undefined ? {} : { tracing }),
    ...(idleTimeout === undefined ? {} : { commonHttpProtocolOptions: { idleTimeout: duration(idleTimeout) } }),
    ...(options.http2 && listenerClass === 'inbound' ? { http2ProtocolOptions: {} } : {}),
    ...http1Options(proxy, options, headers),
    serverName: headers.serverName,
    serverHeaderTransformation: headers.serverHeader,
    accessLog: [...accessLogs(proxy, listenerClass).http],
    useRemoteAddress,
    ...(headers.requestId ? {} : { generateRequestId: false }),
    ...clientCertificate(proxy, listenerClass, headers),
    proxy100Continue: features.continueHeaders,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    streamIdleTimeout: duration(0),
    ...normalization(mesh.pathNormalization?.normalization),
    requestIdExtension: {
      typedConfig: pack(UuidRequestIdConfigSchema, { useRequestIdForTraceSampling: sampleByRequestId ?? true }),
    },
    appendXForwardedPort: headers.forwardedPort,
  });
  applyConnectionSettings(proxy, manager);
  return manager;
}

function rdsOf(routeConfigName: string) {
  return {
    configSource: {
      configSourceSpecifier: { case: 'ads' as const, value: {} },
      initialFetchTimeout: duration(0),
      resourceApiVersion: ApiVersion.V3,
    },
    routeConfigName,
  };
}

function httpFilters(
  proxy: ProxyView,
  { forwardProxy, grpcWeb, listenerClass, port, service }: HttpOptions,
  headers: ProxyHeaders,
): HttpFilter[] {
  const { features } = proxy;
  const filters: HttpFilter[] = [];
  // First, so that those that refuse a request know whose it is.
  if (features.metadataExchange)
    filters.push(httpMetadataExchange(listenerClass, headers.exchangeInMeshOnly && !forwardProxy));
  const extensions = (phase: Phase) => extensionHttpFilters(proxy, { listenerClass, port }, phase);
  // Sidecars do not ask who may call out.
  const guards = listenerClass === 'outbound' ? undefined : { ...authorizationOf(proxy), jwt: jwtFilter(proxy) };
  filters.push(...(guards?.customHttp ?? []), ...extensions('AUTHN'));
  if (guards?.jwt !== undefined) filters.push(guards.jwt);
  filters.push(...extensions('AUTHZ'), ...(guards?.http ?? []), ...extensions('STATS'), ...extensions('UNSPECIFIED'));
  if (grpcWeb) filters.push(GRPC_WEB);
  filters.push(GRPC_STATS);
  if (features.alpnFilter && listenerClass !== 'inbound') filters.push(ALPN);
  filters.push(FAULT, CORS);
  for (const value of statsFilters(proxy, listenerClass)) {
    filters.push(create(HttpFilterSchema, { name: STATS_FILTER, configType: { case: 'typedConfig', value } }));
  }
  if (features.persistentSessions && listenerClass !== 'inbound') filters.push(STATEFUL_SESSION);
  if (listenerClass === 'outbound') {
    const caches = [service && dnsCacheOf(proxy, service), unknownHostsCache(proxy)];
    for (const cache of caches) if (cache !== undefined) filters.push(dynamicForwardProxyFilter(cache));
  }
  filters.push(routerFilter(headers.debugHeaders));
  return filters;
}

function http1Options(
  { features, node }: ProxyView,
  { forwardProxy, listenerClass }: HttpOptions,
  headers: ProxyHeaders,
): { httpProtocolOptions?: Http1ProtocolOptions } {
  const acceptHttp10 = features.http10 || node.http10;
  const { preserveHttp1HeaderCase } = headers;
  if (!forwardProxy && !acceptHttp10 && !preserveHttp1HeaderCase && listenerClass !== 'gateway') return {};
  return {
    httpProtocolOptions: create(Http1ProtocolOptionsSchema, {
      acceptHttp10,
      ...(preserveHttp1HeaderCase ? { headerKeyFormat: PRESERVE_CASE } : {}),
      ...(forwardProxy ? { allowAbsoluteUrl: true } : {}),
    }),
  };
}

/** What is told to the program about the client's certificate. */
function clientCertificate(proxy: ProxyView, listenerClass: ListenerClass, headers: ProxyHeaders) {
  if (listenerClass === 'outbound') return {};
  if (listenerClass === 'inbound') {
    const { clientCertDetails: details } = headers;
    return {
      forwardClientCertDetails: headers.forwardClientCert,
      setCurrentClientCertDetails: details ?? { subject: true, dns: true, uri: true },
    };
  }
  const topology = proxy.config.gatewayTopology;
  const forward = forwardOf(topology?.forwardClientCertDetails) ?? Forward.SANITIZE_SET;
  const tells = forward === Forward.APPEND_FORWARD || forward === Forward.SANITIZE_SET;
  return {
    xffNumTrustedHops: topology?.numTrustedProxies ?? 0,
    forwardClientCertDetails: forward,
    ...(tells ? { setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true } } : {}),
  };
}

function normalization(
  mode: 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES' | undefined,
): Pick<HttpConnectionManager, 'normalizePath' | 'mergeSlashes' | 'pathWithEscapedSlashesAction'> {
  return {
    normalizePath: mode !== 'NONE',
    mergeSlashes: mode === 'MERGE_SLASHES' || mode === 'DECODE_AND_MERGE_SLASHES',
    pathWithEscapedSlashesAction:
      mode === 'DECODE_AND_MERGE_SLASHES' ? EscapedSlashes.UNESCAPE_AND_FORWARD : EscapedSlashes.KEEP_UNCHANGED,
  };
}
