import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** Pieces of Envoy configuration in JSON, as short as tests want them. */

const V3 = 'type.googleapis.com/envoy.extensions.filters';

/** `any('http.cors.v3.Cors', {...})`: a typed_config of one of Envoy's filters; other types by their full name. */
export function any(type: string, fields: JsonObject = {}): JsonObject {
  const full = /^(http|network|listener)\./.test(type) ? `${V3}.${type}` : `type.googleapis.com/${type}`;
  return { '@type': full, ...fields };
}

/** One entry of a list of filters, or anything else of a name and a typed_config. */
export function named(name: string, type: string, fields: JsonObject = {}): JsonObject {
  return { name, typed_config: any(type, fields) };
}

export const ROUTER = named('envoy.filters.http.router', 'http.router.v3.Router');

export function socketAddress(port: number, address = '127.0.0.1'): JsonObject {
  return { socket_address: { address, port_value: port } };
}

/** A static cluster of one endpoint on this machine. */
export function cluster(name: string, port: number, more: JsonObject = {}): JsonObject {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(port) } }] }],
    },
    ...more,
  };
}

/** What makes a cluster speak HTTP/2. */
export const HTTP2: JsonObject = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      { explicit_http_config: { http2_protocol_options: {} } },
    ),
  },
};

export interface HttpListener {
  readonly port: number;
  /** File of the access log. */
  readonly log: string;
  /** HTTP filters before the router. */
  readonly filters?: readonly JsonObject[];
  /** Network filters before the connection manager. */
  readonly networkFilters?: readonly JsonObject[];
  /** Routes of the one virtual host; everything goes to `backend` without them. */
  readonly routes?: readonly JsonObject[];
  /** Further fields of the virtual host, of the route configuration, of the connection manager and of the listener. */
  readonly virtualHost?: JsonObject;
  readonly routeConfig?: JsonObject;
  readonly manager?: JsonObject;
  readonly listener?: JsonObject;
  /** What the access log tells besides code, details and flags. */
  readonly logFormat?: string;
}

export const TO_BACKEND: JsonObject = { match: { prefix: '/' }, route: { cluster: 'backend' } };

export function fileLog(path: string, format: string): JsonObject {
  return named('envoy.access_loggers.file', 'envoy.extensions.access_loggers.file.v3.FileAccessLog', {
    path,
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  });
}

export function httpListener(name: string, options: HttpListener): JsonObject {
  const { port, log, filters = [], networkFilters = [], routes = [TO_BACKEND], logFormat = '' } = options;
  const format = `%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% ${logFormat}`.trimEnd();
  const manager = named(
    'envoy.filters.network.http_connection_manager',
    'network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: name,
      access_log: [fileLog(log, format)],
      route_config: {
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...routes], ...options.virtualHost }],
        ...options.routeConfig,
      },
      http_filters: [...filters, ROUTER],
      ...options.manager,
    },
  );
  return {
    name,
    address: socketAddress(port),
    filter_chains: [{ filters: [...networkFilters, manager] }],
    ...options.listener,
  };
}

/** A TCP listener in front of `backend`, with an access log. */
export function tcpListener(
  name: string,
  options: { port: number; log: string; filters?: readonly JsonObject[]; proxy?: JsonObject; listener?: JsonObject },
): JsonObject {
  const format = '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS%';
  const proxy = named('envoy.filters.network.tcp_proxy', 'network.tcp_proxy.v3.TcpProxy', {
    stat_prefix: name,
    cluster: 'backend',
    access_log: [fileLog(options.log, format)],
    ...options.proxy,
  });
  return {
    name,
    address: socketAddress(options.port),
    filter_chains: [{ filters: [...(options.filters ?? []), proxy] }],
    ...options.listener,
  };
}

/** `percent(50)`: a FractionalPercent. */
export function percent(numerator: number): JsonValue {
  return { numerator, denominator: 'HUNDRED' };
}
